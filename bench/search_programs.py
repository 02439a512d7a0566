"""
Search by others, as their users would write it: a program for the environment that `bench.search_rivals` makes.

    python -P search_programs.py {limit | lancedb | chroma} FOLDER

reads texts, vectors and questions in the folder, makes an index of them, asks, and prints what it took as
a line of JSON. *limit* is plain exact NumPy and bm25s, fused by reciprocal rank: what a search in process, without
filters, updates, permissions or a second look, can come to. Nothing of Ragstone can be imported there.
"""
# These packages stand in that environment only, so there is nothing here to check their use by.
# mypy: disable-error-code="import-not-found,import-untyped,misc,no-any-return,unused-ignore"

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

TOP = 10
CANDIDATES = 100
"""How many each leg brings to a fusion, as in Ragstone's default release."""
RRF_K = 60
WARM_UP = 20
ADDED_AT_ONCE = 5_000

Vectors = NDArray[np.float32]
Ask = Callable[[str, NDArray[np.float32]], Sequence[str]]


def main(name: str, folder: Path) -> None:
    """Make the index *name*, ask every question, and print a line."""
    texts = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
    questions = json.loads((folder / "questions.json").read_text(encoding="utf-8"))
    vectors, asked = np.load(folder / "vectors.npy"), np.load(folder / "questions.npy")
    keys = [f"chunk-{place}" for place in range(len(texts))]
    before, began = _resident_mib(), time.perf_counter()
    with tempfile.TemporaryDirectory() as data:
        ask = _INDEXES[name](Path(data), keys, texts, vectors)
        made_s = time.perf_counter() - began
        for question, vector in zip(questions[:WARM_UP], asked, strict=False):
            ask(question, vector)
        spent_s = [_timed(ask, *pair) for pair in zip(questions, asked, strict=True)]
    print(json.dumps({"made_s": made_s, "spent_s": spent_s, "memory_mib": _resident_mib() - before}))


def limit(_data: Path, keys: Sequence[str], texts: Sequence[str], vectors: Vectors) -> Ask:
    """One product over all vectors, one lookup of the words, and a sum over two short lists."""
    import bm25s

    words = bm25s.BM25()
    words.index(bm25s.tokenize(list(texts), show_progress=False), show_progress=False)

    def ask(question: str, vector: NDArray[np.float32]) -> Sequence[str]:
        cosines = vectors @ vector
        near = np.argpartition(-cosines, CANDIDATES)[:CANDIDATES]
        near = near[np.argsort(-cosines[near])]
        tokens = bm25s.tokenize([question], show_progress=False)
        found, _ = words.retrieve(tokens, k=CANDIDATES, show_progress=False)
        scores: dict[int, float] = {}
        for ranking in (near.tolist(), found[0].tolist()):
            for rank, place in enumerate(ranking, 1):
                scores[place] = scores.get(place, 0.0) + 1 / (RRF_K + rank)
        return [keys[place] for place in sorted(scores, key=lambda place: (-scores[place], place))[:TOP]]

    return ask


def lancedb(data: Path, keys: Sequence[str], texts: Sequence[str], vectors: Vectors) -> Ask:
    """A table with a full-text index, its vectors scanned: what its documentation advises up to some 100,000 rows."""
    import lancedb
    import pyarrow as pa

    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
    rows = pa.table({"id": list(keys), "text": list(texts), "vector": column})
    table = lancedb.connect(data).create_table("chunks", rows)
    table.create_fts_index("text")

    def ask(question: str, vector: NDArray[np.float32]) -> Sequence[str]:
        search = table.search(query_type="hybrid").vector(vector).text(question).distance_type("cosine")
        return [row["id"] for row in search.select(["id"]).limit(TOP).to_list()]

    return ask


def chroma(data: Path, keys: Sequence[str], texts: Sequence[str], vectors: Vectors) -> Ask:
    """A collection on disk, by cosine; it searches no words."""
    import chromadb

    client = chromadb.PersistentClient(str(data), chromadb.Settings(anonymized_telemetry=False))
    collection = client.create_collection("chunks", configuration={"hnsw": {"space": "cosine"}})
    for start in range(0, len(keys), ADDED_AT_ONCE):
        part = slice(start, start + ADDED_AT_ONCE)
        collection.add(ids=list(keys[part]), documents=list(texts[part]), embeddings=vectors[part])

    def ask(_question: str, vector: NDArray[np.float32]) -> Sequence[str]:
        return collection.query(query_embeddings=[vector], n_results=TOP)["ids"][0]

    return ask


def _timed(ask: Ask, question: str, vector: NDArray[np.float32]) -> float:
    began = time.perf_counter()
    found = ask(question, vector)
    seconds = time.perf_counter() - began
    assert len(found) == TOP, found
    return seconds


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4_096 / 2**20


_INDEXES = {"limit": limit, "lancedb": lancedb, "chroma": chroma}

if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
