"""
Ragstone's local vector store by itself: a program that `bench.search_rivals` runs beside those of others.

`python -m bench.store_alone FOLDER` asks the index in the folder and prints a line of JSON: seconds for each kind of
question, the memory the index takes, and the share of the exact best that its dense leg finds.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench import corpus
from chalicelib.domain.access import EVERYONE, Tenant
from chalicelib.domain.filters import Filter, all_of, parse_filter, readable_by
from chalicelib.domain.identifiers import TenantId
from chalicelib.ports.vectors import VectorIndexName, VectorQuery
from chalicelib.repositories import keys
from chalicelib.settings import Settings
from fargate.adapters.sqlite_vectors import SqliteVectors

Vectors = NDArray[np.float32]
CANDIDATES = 100
WARM_UP = 20
FILTERS: dict[str, dict[str, Any] | None] = {
    "hybrid": None,
    "hybrid, 50 %": {"lot": {"$lt": corpus.LOTS // 2}},
    "hybrid, 5 %": {"lot": {"$lt": corpus.LOTS // 20}},
    "hybrid, .1 %": {"lot": {"$lt": corpus.LOTS // 1_000}},
}


def main(folder: Path) -> None:
    """Print the line."""
    index = keys.vector_index(Tenant(TenantId(Settings(data_dir=folder).tenant)), corpus.INDEX, 1)
    texts = json.loads((folder / "questions.json").read_text(encoding="utf-8"))
    asked = np.load(folder / "questions.npy")
    before, began = _resident_mib(), time.perf_counter()
    with closing(SqliteVectors(folder / "data" / "vectors")) as store:
        queries = [VectorQuery(CANDIDATES, *pair) for pair in zip(map(_packed, asked), texts, strict=True)]
        store.query(index, queries[0])
        gc.collect()
        opened_s, memory_mib = time.perf_counter() - began, _resident_mib() - before
        spent_s = {kind: _spent(store, index, queries, wanted) for kind, wanted in FILTERS.items()}
        recall = _recall(store, index, folder, asked)
    print(json.dumps({"made_s": opened_s, "spent_s": spent_s, "memory_mib": memory_mib, "recall": recall}))


def _spent(
    store: SqliteVectors, index: VectorIndexName, queries: list[VectorQuery], raw: dict[str, Any] | None
) -> list[float]:
    """Ask as a reader of one group does, under the filter *raw*."""
    wanted = _filter(raw)
    spent_s = []
    for query in [*queries[:WARM_UP], *queries]:
        began = time.perf_counter()
        store.query(index, VectorQuery(query.top_k, query.vector, query.text, wanted))
        spent_s.append(time.perf_counter() - began)
    return spent_s[WARM_UP:]


def _filter(raw: dict[str, Any] | None) -> Filter | None:
    return all_of(readable_by([EVERYONE]), parse_filter(raw) if raw else None)


def _recall(store: SqliteVectors, index: VectorIndexName, folder: Path, asked: Vectors) -> float:
    names, vectors = json.loads((folder / "keys.json").read_text(encoding="utf-8")), np.load(folder / "vectors.npy")
    shares = []
    for vector in asked:
        cosines = vectors @ vector
        best = {names[place] for place in np.argpartition(-cosines, CANDIDATES)[:CANDIDATES].tolist()}
        found = {hit.key for hit in store.query(index, VectorQuery(CANDIDATES, _packed(vector)))}
        shares.append(len(best & found) / CANDIDATES)
    return float(np.mean(shares))


def _packed(vector: Vectors) -> bytes:
    return bytes(vector.astype("<f4").tobytes())


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4_096 / 2**20


if __name__ == "__main__":
    main(Path(sys.argv[1]))
