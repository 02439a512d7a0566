"""
Measure the local vector store on random data: `python -m bench vectors`, or `python -m bench.vectors --entries 20000`.

Texts are drawn by word frequency, vectors are random directions, ten entries share a document and its
metadata, and every question is asked by a reader of two of eight groups.
"""

from __future__ import annotations

import argparse
import resource
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from bench import report
from chalicelib.domain.filters import readable_by
from chalicelib.domain.metadata import ACL_KEY, DOCUMENT_KEY
from chalicelib.ports.vectors import MAX_PUT, VectorIndexName, VectorIndexSpec, VectorQuery, VectorRecord
from fargate.adapters.sqlite_vectors import SqliteVectors

INDEX = VectorIndexName("bench")
WORDS = 120
VOCABULARY = 60_000
FREQUENCIES = np.cumsum(1 / (np.arange(VOCABULARY) + 30))
FREQUENCIES /= FREQUENCIES[-1]
READER = readable_by(["group-1", "group-2"])


def main(arguments: Sequence[str] = ()) -> None:
    """Print a row for writing and opening, and one for each kind of question."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=20_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--seed", type=int, default=report.SEED)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), options)


def measure(folder: Path, options: argparse.Namespace) -> None:
    """Fill an index below *folder* and ask it."""
    rng = np.random.default_rng(options.seed)
    store = SqliteVectors(folder)
    store.create(INDEX, VectorIndexSpec(options.dimension))
    spent = 0.0
    for batch in batches(rng, options.entries, options.dimension):
        spent += seconds(lambda batch=batch: store.put(INDEX, batch))  # type: ignore[misc]
    store.close()

    before = peak_mib()
    store = SqliteVectors(folder)
    queries = [question(rng, options.dimension) for _ in range(options.queries)]
    first_s = seconds(lambda: store.query(INDEX, queries[0]))
    report.row(
        "vectors.store",
        **vars(options),
        sqlite=sqlite3.sqlite_version,
        put_entries_per_s=round(options.entries / spent),
        first_query_after_start_ms=round(1_000 * first_s),
        memory_mib=round(peak_mib() - before),
    )
    for name, legs in LEGS.items():
        ask(name, store, [legs(query) for query in queries])
    entry = next(batches(rng, 1, options.dimension))
    ask("hybrid after a put", store, [LEGS["hybrid, filtered"](query) for query in queries[:50]], entry)
    store.close()


LEGS: dict[str, Callable[[VectorQuery], VectorQuery]] = {
    "dense": lambda query: VectorQuery(query.top_k, vector=query.vector),
    "dense, filtered": lambda query: VectorQuery(query.top_k, vector=query.vector, filter=READER),
    "lexical": lambda query: VectorQuery(query.top_k, text=query.text),
    "lexical, filtered": lambda query: VectorQuery(query.top_k, text=query.text, filter=READER),
    "hybrid": lambda query: VectorQuery(query.top_k, query.vector, query.text),
    "hybrid, filtered": lambda query: VectorQuery(query.top_k, query.vector, query.text, READER),
}


def batches(rng: np.random.Generator, entries: int, dimension: int) -> Iterator[list[VectorRecord]]:
    """Give *entries* records in batches as large as a put may be."""
    for start in range(0, entries, MAX_PUT):
        size = min(MAX_PUT, entries - start)
        vectors = rng.standard_normal((size, dimension), dtype=np.float32)
        texts = [text(rng, WORDS) for _ in range(size)]
        yield [
            VectorRecord(f"entry-{start + i:08d}", vectors[i].tobytes(), texts[i], metadata((start + i) // 10))
            for i in range(size)
        ]


def metadata(document: int) -> dict[str, str | int | float | bool | list[str]]:
    """Give what every entry of a document carries."""
    return {DOCUMENT_KEY: f"doc_{document:026d}", ACL_KEY: [f"group-{document % 8}"], "year": 2000 + document % 26}


def question(rng: np.random.Generator, dimension: int) -> VectorQuery:
    """Give a question of eight words."""
    return VectorQuery(50, rng.standard_normal(dimension, dtype=np.float32).tobytes(), text(rng, 8))


def text(rng: np.random.Generator, words: int) -> str:
    """Give words as frequent as those of a text without its stop words (Zipf-Mandelbrot: 1 / (rank + 30))."""
    return " ".join(f"w{rank}" for rank in np.searchsorted(FREQUENCIES, rng.random(words)).tolist())


def ask(name: str, store: SqliteVectors, queries: list[VectorQuery], put: list[VectorRecord] | None = None) -> None:
    """Print how long *queries* take, one after the other."""
    store.query(INDEX, queries[0])
    times = []
    for query in queries:
        if put:
            store.put(INDEX, put)
        times.append(seconds(lambda query=query: store.query(INDEX, query)))  # type: ignore[misc]
    report.row("vectors.query", kind=name, n=len(times), **report.percentiles_ms(times))


def seconds(work: Callable[[], object]) -> float:
    """Time *work*."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def peak_mib() -> float:
    """Give the most memory this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    import sys

    report.row("machine", **report.machine())
    main(sys.argv[1:])
