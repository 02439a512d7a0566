"""
Documents over HTTP until they can be searched, against the embedding of the same chunks by itself.

`python -m bench ingestion`, or `python -m bench.ingestion --documents 300`. Both halves use the same model with the
same streams and threads, one after the other. The time is from the first request to the last document's publication;
rates per core-second (processor time of the platform alone) are the ones to compare on a machine that others use too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import platform, report, texts
from chalicelib.client.api import Client
from chalicelib.contracts.documents import DocumentCreate, DocumentView
from chalicelib.contracts.indexes import IndexCreate
from chalicelib.domain.documents import DocumentStatus
from chalicelib.ports.models import Purpose
from chalicelib.settings import Settings
from fargate.adapters.openvino_models import EmbedderOptions, OpenVinoEmbedder
from fargate.ingestion.cutting import embedded_text

INDEX = "bench"
DOCUMENTS = 300
WARM_UP = 5
CALLERS = 8
STREAMS, THREADS = (Settings.model_fields[f"embedding_{name}"].default for name in ("streams", "threads"))


@dataclass(frozen=True, slots=True)
class Spent:
    """What *chunks* chunks took, and how much processor time of it."""

    chunks: int
    seconds: float
    cpu_s: float


def main(arguments: Sequence[str] = ()) -> None:
    """Print a row for ingestion, one for embedding alone, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=DOCUMENTS)
    count = parser.parse_args(arguments).documents
    with tempfile.TemporaryDirectory() as folder:
        with platform.running(Path(folder) / "data") as running:
            chunks, spent = ingest(running, count)
        whole = _row("ingestion.documents", spent, count)
        alone = _row("ingestion.embedding_alone", embed_alone(Path(folder) / "chunks.json", chunks))
    report.row(
        "ingestion.ratio",
        of_embedding_alone=round(whole["chunks_per_s"] / alone["chunks_per_s"], 3),
        per_core_second=round(whole["chunks_per_core_s"] / alone["chunks_per_core_s"], 3),
    )


def ingest(running: platform.Platform, count: int) -> tuple[list[str], Spent]:
    """Send *count* documents; give the texts that were embedded for them, and what it took until all were ready."""
    client = running.client
    client.create_index(IndexCreate(name=INDEX))
    handbooks = list(texts.handbooks(WARM_UP + count, report.SEED))
    _send(client, handbooks[:WARM_UP])
    cpu, began = running.cpu_s(), time.time()
    documents = _send(client, handbooks[WARM_UP:])
    seconds = max(document.updated_at.timestamp() for document in documents) - began
    spent = Spent(sum(document.chunks for document in documents), seconds, running.cpu_s() - cpu)
    titles = {title + ".md": title for title, _ in handbooks}
    return [text for document in documents for text in _embedded(client, document, titles[document.name])], spent


def embed_alone(path: Path, chunks: Sequence[str]) -> Spent:
    """Embed *chunks*, through a file at *path*, in a fresh process that does nothing else."""
    path.write_text(json.dumps(chunks), encoding="utf-8")
    program = f"from bench.ingestion import embed_file; embed_file({str(path)!r})"
    done = subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.PIPE)
    return Spent(**json.loads(done.stdout))


def embed_file(path: str) -> None:
    """Embed the texts of the JSON file at *path*; print what that took."""
    chunks = json.loads(Path(path).read_text(encoding="utf-8"))
    with closing(OpenVinoEmbedder(EmbedderOptions(streams=STREAMS, threads=THREADS))) as embedder:
        asyncio.run(embedder.embed(chunks[:16], Purpose.DOCUMENT))
        cpu, began = time.process_time(), time.perf_counter()
        asyncio.run(embedder.embed(chunks, Purpose.DOCUMENT))
        spent = Spent(len(chunks), time.perf_counter() - began, time.process_time() - cpu)
    print(json.dumps(asdict(spent)))


def _send(client: Client, handbooks: Sequence[tuple[str, str]]) -> list[DocumentView]:
    requests = [DocumentCreate(index=INDEX, name=f"{title}.md", text=text) for title, text in handbooks]
    with ThreadPoolExecutor(CALLERS) as callers:
        accepted = list(callers.map(client.create_document, requests))
    # One after the other, so that the waiting takes next to nothing from the work.
    documents = [client.wait_for_documents([one.document.document_id])[0] for one in accepted]
    assert all(document.status is DocumentStatus.READY for document in documents)
    return documents


def _embedded(client: Client, document: DocumentView, title: str) -> list[str]:
    chunks = client.chunks(document.document_id)
    return [embedded_text(title, chunk.heading_path, chunk.text, header=chunk.context) for chunk in chunks]


def _row(what: str, spent: Spent, documents: int | None = None) -> dict[str, float]:
    seconds, chunks = spent.seconds, spent.chunks
    rates = {"chunks_per_s": round(chunks / seconds, 1), "chunks_per_core_s": round(chunks / spent.cpu_s, 1)}
    sent = {} if documents is None else {"documents": documents, "documents_per_s": round(documents / seconds, 2)}
    conditions = {"callers": CALLERS, "streams": STREAMS, "threads": THREADS, "seed": report.SEED}
    load = round(os.getloadavg()[0], 2)
    report.row(what, chunks=chunks, seconds=round(seconds, 2), **sent, **rates, **conditions, load_1min=load)
    return rates


if __name__ == "__main__":
    report.row("machine", **report.machine())
    main(sys.argv[1:])
