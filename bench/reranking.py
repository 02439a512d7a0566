"""
What the local reranker adds to hybrid search: `python -m bench.reranking FOLDER… [--language ar] [--cache FILE]`.

A *FOLDER* holds a set in BEIR form, as for `bench.fusions`. Documents are read, cut, embedded, searched, fused and
reranked by the platform's own code, and each stands where its best chunk does. Printed are nDCG@10 of both, the mean
paired difference with a seeded bootstrap's 95 % interval over questions, and processor time.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from bench import report
from bench.candidates import Asked, File, Found, find
from bench.chunkers import KeptEmbeddings
from bench.fusions import interval, judged_questions, ndcg, rows_of
from chalicelib.ports.models import Embedder
from fargate.adapters.openvino_models import OpenVinoEmbedder
from fargate.retrieval.rerankers.features import FEATURES, scaled_features
from fargate.retrieval.rerankers.local import DEPTH, committed_weights


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a row for each set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--language", default="en", help="of the lexical analysis and the reranker")
    parser.add_argument("--cache", type=Path, help="a file that keeps embeddings from run to run")
    options = parser.parse_args(arguments)
    with closing(OpenVinoEmbedder()) as model:
        embedder = KeptEmbeddings(model, options.cache)
        for folder in options.folders:
            _measure(folder, options.language, embedder)
            embedder.keep()


def _measure(folder: Path, language: str, embedder: Embedder) -> None:
    questions = judged_questions(folder)
    asked = [Asked(key, question.text) for key, question in questions.items()]
    found = asyncio.run(find(_files(folder), asked, embedder, language=language))
    started = time.process_time()
    orders = [_order(one, language) for one in found]
    spent = time.process_time() - started
    gains = [questions[one.asked.key].gains for one in found]
    hybrid = np.array([ndcg(_distinct(one.keys), gain) for one, gain in zip(found, gains, strict=True)])
    reranked = np.array([ndcg(_distinct(order), gain) for order, gain in zip(orders, gains, strict=True)])
    report.row(
        "reranking",
        set=folder.name,
        questions=len(found),
        hybrid=round(float(hybrid.mean()), 4),
        reranked=round(float(reranked.mean()), 4),
        difference=interval(reranked - hybrid),
        ms_per_question=round(1_000 * spent / len(found), 1),
    )


def _files(folder: Path) -> list[File]:
    return [
        File(
            key=str(row["_id"]),
            name=row.get("title") or str(row["_id"]),
            data="\n\n".join(part for part in (row.get("title"), row["text"]) if part).encode(),
            media_type="text/markdown" if str(row["_id"]).endswith(".md") else "text/plain",
        )
        for row in rows_of(folder / "corpus.jsonl")
    ]


def _order(found: Found, language: str) -> list[str]:
    """Give the keys of *found* with the first `DEPTH` passages in the reranker's order, equal scores by chunk id."""
    first = found.passages[:DEPTH]
    weights = committed_weights()
    scores = scaled_features(found.asked.text, language, first) @ np.array([weights[name] for name in FEATURES])
    order = sorted(range(len(first)), key=lambda place: (-scores[place], first[place].chunk_id))
    return [*(found.keys[place] for place in order), *found.keys[DEPTH:]]


def _distinct(keys: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(keys))


if __name__ == "__main__":
    main()
