"""What the platform's own code finds for the questions of a set: the passages that a reranker is given."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bench import report
from chalicelib.domain.access import Tenant
from chalicelib.domain.documents import Chunk
from chalicelib.domain.identifiers import AttemptId, DocumentId, TenantId
from chalicelib.domain.indexes import Recipe
from chalicelib.domain.releases import RetrievalSettings
from chalicelib.domain.runs import Passage
from chalicelib.ports.models import Embedder, Purpose
from chalicelib.ports.vectors import MAX_PUT, VectorIndexSpec, VectorQuery, VectorRecord
from chalicelib.repositories import keys
from fargate.adapters.sqlite_vectors import SqliteVectors
from fargate.ingestion.chunkers import registry as chunkers
from fargate.ingestion.cutting import embedded_texts, name_chunks, spans_of
from fargate.ingestion.parsers import registry as parsers
from fargate.ingestion.parsers.source import Source
from fargate.retrieval.ranking import Ranking

_INDEX = keys.vector_index(Tenant(TenantId("bench")), "candidates", 1)


@dataclass(frozen=True, slots=True)
class File:
    """A document of a set: its *name* is what a user would have called it, its *key* what the judgements call it."""

    key: str
    name: str
    data: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A question."""

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Found:
    """A question, and its passages in the order of the fusion; *keys* say which file each is of."""

    asked: Asked
    passages: Sequence[Passage]
    keys: Sequence[str]


async def find(
    files: Sequence[File],
    asked: Sequence[Asked],
    embedder: Embedder,
    *,
    language: str,
    blur: float = 0.0,
    depth: int = 100,
) -> list[Found]:
    """
    Parse, cut, embed and search as the platform does by default, 100 candidates a leg, and give the *depth* best.

    With *blur* every chunk's vector is mixed with noise of that length: an embedder that knows the field less well.
    """
    chunks = [chunk for file in files for chunk in await _cut(file, embedder, language)]
    texts = [text for _, _, text in chunks]
    vectors = _blurred((await embedder.embed(texts, Purpose.DOCUMENT)).vectors, blur)
    asking = (await embedder.embed([one.text for one in asked], Purpose.QUERY)).vectors
    with tempfile.TemporaryDirectory() as place, closing(SqliteVectors(Path(place))) as store:
        store.create(_INDEX, VectorIndexSpec(embedder.info.dimension, language))
        records = [
            VectorRecord(chunk.chunk_id, vector, text, {"file": file.key})
            for (file, chunk, text), vector in zip(chunks, vectors, strict=True)
        ]
        for start in range(0, len(records), MAX_PUT):
            store.put(_INDEX, records[start : start + MAX_PUT])
        by_key = {str(chunk.chunk_id): (file, chunk) for file, chunk, _ in chunks}
        return [_found(one, store, vector, by_key, depth) for one, vector in zip(asked, asking, strict=True)]


def _blurred(vectors: Sequence[bytes], blur: float) -> list[bytes]:
    rows = np.stack([np.frombuffer(vector, "<f4") for vector in vectors])
    noise = np.random.default_rng(report.SEED).standard_normal(rows.shape) / np.sqrt(rows.shape[1])
    mixed = rows + blur * noise
    return [bytes(row.astype("<f4").data) for row in mixed / np.linalg.norm(mixed, axis=1, keepdims=True)]


def _found(
    asked: Asked, store: SqliteVectors, vector: bytes, chunks: Mapping[str, tuple[File, Chunk]], depth: int
) -> Found:
    hits = store.query(_INDEX, VectorQuery(RetrievalSettings().candidates, vector, asked.text))
    ranked = RANKING.order([hits])[:depth]
    return Found(
        asked,
        [
            replace(_passage(*chunks[one.hit.key]), score=one.score, reasons=replace(one.reasons(), fused_rank=rank))
            for rank, one in enumerate(ranked, 1)
        ],
        [str(one.hit.metadata["file"]) for one in ranked],
    )


RANKING = Ranking.of(RetrievalSettings())


async def _cut(file: File, embedder: Embedder, language: str) -> list[tuple[File, Chunk, str]]:
    recipe = Recipe(language=language)
    parsed = parsers.parse(Source(file.data, file.name, parsers.sniff(file.data, file.name, file.media_type), language))
    spans = await spans_of(parsed, chunkers.get(recipe.chunker), embedder)
    chunks = name_chunks(parsed, spans, DocumentId(f"doc_{file.key}"), AttemptId(f"att_{file.key}"))
    texts = embedded_texts(parsed.title, chunks, recipe.context)
    return [(file, chunk, text) for chunk, text in zip(chunks, texts, strict=True)]


def _passage(file: File, chunk: Chunk) -> Passage:
    return Passage(
        chunk_id=chunk.chunk_id,
        document_id=chunk.document_id,
        external_id=file.key,
        name=file.name,
        version=1,
        page=chunk.page,
        heading_path=chunk.heading_path,
        text=chunk.text,
        start=chunk.start,
        end=chunk.end,
        context=chunk.context,
        score=0.0,
    )
