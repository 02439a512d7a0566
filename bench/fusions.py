"""
How well each fusion ranks: `python -m bench.fusions FOLDER… [--language ar] [--cache FILE]`.

A *FOLDER* holds a set in BEIR form: `corpus.jsonl` and `queries.jsonl` (`_id`, `title`, `text`) and `qrels/test.tsv`.
Its documents are read as plain text, cut, embedded and searched by the platform's own code, and a document stands where
its best chunk does. Printed are nDCG@10 and recall@10 over the questions, and the mean paired difference in nDCG@10
from the fixed weight of .6, with a seeded percentile bootstrap's 95 % interval over questions.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench import report
from bench.chunkers import KeptEmbeddings
from chalicelib.domain.access import Tenant
from chalicelib.domain.identifiers import AttemptId, DocumentId, TenantId
from chalicelib.domain.indexes import Component, Recipe
from chalicelib.domain.releases import RetrievalSettings, Strategy
from chalicelib.ports.models import Purpose
from chalicelib.ports.vectors import MAX_PUT, Hit, VectorIndexSpec, VectorQuery, VectorRecord
from chalicelib.repositories import keys
from fargate.adapters.openvino_models import OpenVinoEmbedder
from fargate.adapters.sqlite_vectors import SqliteVectors
from fargate.ingestion.chunkers import registry
from fargate.ingestion.cutting import embedded_texts, name_chunks, spans_of
from fargate.ingestion.parsers import plain
from fargate.ingestion.parsers.source import Source
from fargate.retrieval.ranking import Ranking

CONVEX = Component("convex", {"dense_weight": 0.6})
RUNS: Mapping[str, RetrievalSettings] = {
    "convex .6": RetrievalSettings(fusion=CONVEX),
    "dense": RetrievalSettings(strategy=Strategy.DENSE),
    "lexical": RetrievalSettings(strategy=Strategy.LEXICAL),
    "rrf": RetrievalSettings(fusion=Component("rrf")),
    "auto": RetrievalSettings(),
}
CUT = 10
SAMPLES = 4_000
_INDEX = keys.vector_index(Tenant(TenantId("bench")), "fusions", 1)


@dataclass(frozen=True, slots=True)
class Judged:
    """A question, and the gain of each document that answers it."""

    text: str
    gains: Mapping[str, int]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a row for each set and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--language", default="en", help="of the lexical analysis")
    parser.add_argument("--cache", type=Path, help="a file that keeps embeddings from run to run")
    options = parser.parse_args(arguments)
    with closing(OpenVinoEmbedder()) as model:
        embedder = KeptEmbeddings(model, options.cache)
        for folder in options.folders:
            asyncio.run(_measure(folder, options.language, embedder))
            embedder.keep()


async def _measure(folder: Path, language: str, embedder: KeptEmbeddings) -> None:
    questions = list(judged_questions(folder).values())
    with tempfile.TemporaryDirectory() as place, closing(SqliteVectors(Path(place))) as vectors:
        vectors.create(_INDEX, VectorIndexSpec(embedder.info.dimension, language))
        for row in rows_of(folder / "corpus.jsonl"):
            await _add(row, vectors, embedder)
        asked = await embedder.embed([question.text for question in questions], Purpose.QUERY)
        found = [
            vectors.query(_INDEX, VectorQuery(RetrievalSettings().candidates, vector, question.text))
            for question, vector in zip(questions, asked.vectors, strict=True)
        ]
    _report(folder.name, questions, found)


async def _add(row: Mapping[str, Any], vectors: SqliteVectors, embedder: KeptEmbeddings) -> None:
    """Cut, embed and put a document; the metadata of its chunks name it."""
    recipe, name = Recipe(), str(row["_id"])
    parsed = plain.parse(Source(row["text"].encode(), name, "text/plain"))
    spans = await spans_of(parsed, registry.get(recipe.chunker), embedder)
    chunks = name_chunks(parsed, spans, DocumentId(f"doc_{name}"), AttemptId(f"att_{name}"))
    texts = embedded_texts(row.get("title") or "", chunks, recipe.context)
    embedded = await embedder.embed(texts, Purpose.DOCUMENT)
    records = [
        VectorRecord(chunk.chunk_id, vector, text, {"document": name})
        for chunk, vector, text in zip(chunks, embedded.vectors, texts, strict=True)
    ]
    for start in range(0, len(records), MAX_PUT):
        vectors.put(_INDEX, records[start : start + MAX_PUT])


def _report(name: str, questions: Sequence[Judged], found: Sequence[Sequence[Hit]]) -> None:
    baseline: NDArray[np.float64] | None = None
    for run, settings in RUNS.items():
        ranking = Ranking.of(settings)
        ranked = [_documents(ranking, settings.strategy, hits) for hits in found]
        pairs = list(zip(ranked, questions, strict=True))
        gains = np.array([ndcg(documents, question.gains) for documents, question in pairs])
        recalls = [recall(documents, question.gains) for documents, question in pairs]
        baseline = gains if baseline is None else baseline
        report.row(
            "fusions",
            set=name,
            run=run,
            questions=len(questions),
            ndcg_at_10=round(float(gains.mean()), 4),
            recall_at_10=round(float(np.mean(recalls)), 4),
            against_convex=interval(gains - baseline),
        )


def _documents(ranking: Ranking, strategy: Strategy, hits: Sequence[Hit]) -> list[str]:
    """Give the documents of *hits*, best first; a single leg ranks only what it brought itself."""
    brought = {
        Strategy.DENSE: [hit for hit in hits if hit.dense_rank is not None],
        Strategy.LEXICAL: [hit for hit in hits if hit.lexical_rank is not None],
    }.get(strategy, hits)
    return list(dict.fromkeys(str(one.hit.metadata["document"]) for one in ranking.order([brought])))


def ndcg(ranked: Sequence[str], gains: Mapping[str, int]) -> float:
    """Give nDCG at 10, with 2^gain − 1 over log2 of rank + 1: Burges and others, ICML 2005; 1 is ideal."""
    reached = _discounted([gains.get(document, 0) for document in ranked[:CUT]])
    return reached / _discounted(sorted(gains.values(), reverse=True)[:CUT])


def recall(ranked: Sequence[str], gains: Mapping[str, int]) -> float:
    """Give the share of the documents with a gain that are among the first 10."""
    wanted = {document for document, gain in gains.items() if gain > 0}
    return len(wanted & set(ranked[:CUT])) / len(wanted)


def _discounted(gains: Sequence[int]) -> float:
    return math.fsum((2**gain - 1) / math.log2(rank + 1) for rank, gain in enumerate(gains, 1))


def interval(differences: NDArray[np.float64]) -> tuple[float, float, float]:
    """Give the mean, and the 2.5th and 97.5th percentile of bootstrapped means."""
    drawn = np.random.default_rng(report.SEED).integers(0, len(differences), (SAMPLES, len(differences)))
    low, high = np.percentile(differences[drawn].mean(axis=1), [2.5, 97.5])
    return round(float(differences.mean()), 4), round(float(low), 4), round(float(high), 4)


def judged_questions(folder: Path) -> dict[str, Judged]:
    """Give the questions of a set in BEIR form that something answers, by id."""
    gains: dict[str, dict[str, int]] = {}
    for line in (folder / "qrels" / "test.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        question, document, gain = line.split("\t")
        gains.setdefault(question, {})[document] = int(gain)
    texts = {str(row["_id"]): str(row["text"]) for row in rows_of(folder / "queries.jsonl")}
    return {key: Judged(text, gains[key]) for key, text in texts.items() if any(gains.get(key, {}).values())}


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """Give the rows of a JSON Lines file."""
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


if __name__ == "__main__":
    main()
