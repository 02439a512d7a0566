"""
Measure the local embedding model: `python -m bench embedding`, or `python -m bench.embedding --chunks 300 --streams 2`.

The chunks are English sentences from a seeded grammar, each of about 250 tokens. The rate counts tokenising and
embedding together, as ingestion sees them; per core-second, it can be compared on a machine that others use too.
Questions are asked on an idle model, and then while chunks are being embedded.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import resource
import time
from collections.abc import Sequence
from contextlib import closing

from bench import report
from chalicelib.ports.models import Purpose
from fargate.adapters.minilm import MiniLmTokenizer
from fargate.adapters.openvino_models import EmbedderOptions, OpenVinoEmbedder

WARM_UP = 16
QUESTIONS = 200
SENTENCE_TOKENS = (225, 254)
SUBJECTS = ("The engineer", "A policy", "Every tenant", "The invoice", "Our office", "The network", "This contract")
VERBS = ("describes", "replaces", "requires", "limits", "encrypts", "approves", "measures", "archives", "schedules")
OBJECTS = ("the backup", "an account", "its retention period", "the storage class", "a monthly report", "the keys")
ENDINGS = ("before the audit", "in every region", "without notice", "for thirty days", "at the end of the year")


def main(arguments: Sequence[str] = ()) -> None:
    """Print a row for loading, throughput, one question at a time, and questions under load."""
    options = _options(arguments)
    settings = EmbedderOptions(
        streams=options.streams, threads=options.threads, batch_tokens=options.batch_tokens, precision=options.precision
    )
    began = time.perf_counter()
    with closing(OpenVinoEmbedder(settings)) as embedder:
        report.row("embedding.load", seconds=round(time.perf_counter() - began, 2), precision=embedder.precision)
        chance = random.Random(report.SEED)
        chunks = _chunks(chance, options.chunks)
        asyncio.run(embedder.embed(chunks[:WARM_UP], Purpose.DOCUMENT))
        _tokenizing(embedder, "".join(chunks))
        _throughput(embedder, chunks, settings)
        _questions(embedder, "embedding.question", [_question(chance) for _ in range(QUESTIONS)])
        asyncio.run(_under_load(embedder, chunks, [_question(chance) for _ in range(QUESTIONS // 4)]))
    report.row("embedding.memory", peak_rss_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=1_500)
    parser.add_argument("--streams", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-tokens", type=int, default=256)
    parser.add_argument("--precision", choices=["auto", "f32"], default="auto")
    return parser.parse_args(arguments)


def _tokenizing(embedder: OpenVinoEmbedder, text: str) -> None:
    began = time.process_time()
    tokens = len(embedder.token_spans(text).starts)
    megabytes_per_s = len(text) / 1e6 / (time.process_time() - began)
    report.row("embedding.token_spans", tokens=tokens, megabytes_per_core_s=round(megabytes_per_s, 2))


def _throughput(embedder: OpenVinoEmbedder, chunks: Sequence[str], settings: EmbedderOptions) -> None:
    load, cpu = os.getloadavg()[0], time.process_time()
    began = time.perf_counter()
    embedded = asyncio.run(embedder.embed(chunks, Purpose.DOCUMENT))
    seconds, spent = time.perf_counter() - began, time.process_time() - cpu
    report.row(
        "embedding.documents",
        chunks=len(chunks),
        mean_tokens=round(sum(embedded.tokens) / len(chunks)),
        chunks_per_s=round(len(chunks) / seconds, 1),
        chunks_per_core_s=round(len(chunks) / spent, 1),
        cores_used=round(spent / seconds, 2),
        streams=settings.streams,
        threads=settings.threads,
        batch_tokens=settings.batch_tokens,
        load_before=round(load, 2),
    )


def _questions(embedder: OpenVinoEmbedder, what: str, questions: Sequence[str]) -> None:
    async def each() -> list[float]:
        return [await _timed(embedder, question) for question in questions]

    report.row(what, count=len(questions), **report.percentiles_ms(asyncio.run(each())))


async def _under_load(embedder: OpenVinoEmbedder, chunks: Sequence[str], questions: Sequence[str]) -> None:
    documents = asyncio.create_task(embedder.embed(chunks, Purpose.DOCUMENT))
    await asyncio.sleep(0.5)
    seconds = [await _timed(embedder, question) for question in questions]
    busy = not documents.done()
    documents.cancel()
    report.row("embedding.question_under_load", busy=busy, count=len(questions), **report.percentiles_ms(seconds))


async def _timed(embedder: OpenVinoEmbedder, question: str) -> float:
    began = time.perf_counter()
    await embedder.embed([question], Purpose.QUERY)
    return time.perf_counter() - began


def _chunks(chance: random.Random, count: int) -> list[str]:
    tokenizer = MiniLmTokenizer()
    return [_chunk(chance, tokenizer) for _ in range(count)]


def _chunk(chance: random.Random, tokenizer: MiniLmTokenizer) -> str:
    target, text, tokens = chance.randint(*SENTENCE_TOKENS), "", 0
    while tokens < target:
        sentence = _sentence(chance)
        tokens += len(tokenizer.spans(sentence).starts)
        text += sentence + " "
    return text


def _sentence(chance: random.Random) -> str:
    words = [chance.choice(words) for words in (SUBJECTS, VERBS, OBJECTS, ENDINGS)]
    return f"{' '.join(words)}, as section {chance.randrange(1, 400)} says."


def _question(chance: random.Random) -> str:
    return f"Who {chance.choice(VERBS)} {chance.choice(OBJECTS)} {chance.choice(ENDINGS)}?"


if __name__ == "__main__":
    import sys

    report.row("machine", **report.machine())
    main(sys.argv[1:])
