"""A data folder with a searchable index of any size, written through the platform's own repositories and stores."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.texts import Words
from chalicelib.bootstrap import Core, core
from chalicelib.domain.access import EVERYONE, Tenant
from chalicelib.domain.acting import act_for
from chalicelib.domain.documents import BlockKind, Chunk, Document, DocumentStatus, DocumentVersion, Published
from chalicelib.domain.identifiers import AttemptId, DocumentId, JobId, TenantId, chunk_id, ingest_job_of, new_id
from chalicelib.domain.indexes import Generation, GenerationStatus, Index, Recipe
from chalicelib.domain.metadata import with_platform_keys
from chalicelib.domain.releases import Release, ReleaseConfig, ReleaseStatus
from chalicelib.ports.vectors import VectorIndexSpec, VectorRecord
from chalicelib.repositories import keys
from chalicelib.repositories.aliases import Aliases
from chalicelib.repositories.chunks import Chunks
from chalicelib.repositories.documents import Documents
from chalicelib.repositories.indexes import Indexes
from chalicelib.repositories.releases import Releases
from chalicelib.settings import Settings
from fargate.adapters.sqlite_vectors import SqliteVectors

INDEX = "bench"
DIMENSION = 384
CHUNK_WORDS = 60
DOCUMENT_CHUNKS = 20
LOTS = 1_000
"""The documents' `lot` counts to this again and again, so that a filter on it passes as many as one likes."""
_DOCUMENTS_AT_ONCE = 25
_NOW = datetime(2026, 11, 22, tzinfo=UTC)


def fill(folder: Path, chunks: int, seed: int) -> None:
    """
    Give *folder* an index of *chunks* chunks and a live release that asks it.

    Texts are 60 words by frequency, vectors random directions, and 20 chunks make a document. All are published
    and everybody's.
    """
    settings = Settings(data_dir=folder)
    tenant = Tenant(TenantId(settings.tenant))
    with act_for(tenant), core(settings) as base, closing(SqliteVectors(folder / "vectors")) as vectors:
        _make_index(base, vectors, tenant)
        made = _documents(chunks // DOCUMENT_CHUNKS, seed)
        while some := list(islice(made, _DOCUMENTS_AT_ONCE)):
            _store(base, vectors, tenant, some)


def contents(chunks: int, seed: int) -> tuple[list[str], list[str], NDArray[np.float32]]:
    """Give the keys, texts and vectors of the chunks that `fill` makes, in order."""
    made = list(_documents(chunks // DOCUMENT_CHUNKS, seed))
    keys_of = [str(chunk.chunk_id) for one in made for chunk in one.chunks()]
    return keys_of, [text for one in made for text in one.texts], np.concatenate([one.vectors for one in made])


class _Made:
    """A document with its version, its chunks and their vectors; *number* counts from 0."""

    def __init__(self, number: int, rng: np.random.Generator, words: Words) -> None:
        self.lot = number % LOTS
        self.document_id = DocumentId(new_id("doc", _NOW, rng.bytes))
        self.attempt = AttemptId(new_id("att", _NOW, rng.bytes))
        self.texts = [words.text(CHUNK_WORDS) for _ in range(DOCUMENT_CHUNKS)]
        self.vectors = rng.standard_normal((DOCUMENT_CHUNKS, DIMENSION), dtype=np.float32)
        self.vectors /= np.linalg.norm(self.vectors, axis=1, keepdims=True)

    def document(self) -> Document:
        size, sha256 = sum(map(len, self.texts)), hashlib.sha256("".join(self.texts).encode()).hexdigest()
        return Document(
            document_id=self.document_id,
            index=INDEX,
            name=f"{self.document_id}.md",
            media_type="text/markdown",
            status=DocumentStatus.READY,
            latest_version=1,
            size_bytes=size,
            created_at=_NOW,
            updated_at=_NOW,
            metadata={"year": 2000 + size % 26, "team": f"team-{size % 8}", "lot": self.lot},
            published=Published(1, self.attempt, 1, DOCUMENT_CHUNKS, None, str(self.document_id), "en", sha256),
            job_id=self._job_id,
        )

    def version(self) -> DocumentVersion:
        whole = self.document()
        return DocumentVersion(
            self.document_id, 1, self.attempt, whole.size_bytes, None, whole.media_type, whole.name, _NOW
        )

    def chunks(self) -> Iterator[Chunk]:
        start = 0
        for ordinal, text in enumerate(self.texts):
            yield Chunk(
                chunk_id=chunk_id(self.attempt, ordinal),
                document_id=self.document_id,
                ordinal=ordinal,
                text=text,
                tokens=2 * CHUNK_WORDS,
                start=start,
                end=start + len(text),
                kind=BlockKind.TEXT,
                heading_path=("Handbook", f"Part {ordinal}"),
                page=None,
            )
            start += len(text) + 2

    def records(self) -> Iterator[VectorRecord]:
        whole = self.document()
        metadata = with_platform_keys(
            whole.metadata, document_id=self.document_id, attempt=self.attempt, acl=[EVERYONE]
        )
        for chunk, vector in zip(self.chunks(), self.vectors, strict=True):
            yield VectorRecord(chunk.chunk_id, vector.astype("<f4").tobytes(), chunk.text, metadata)

    @property
    def _job_id(self) -> JobId:
        return ingest_job_of(self.attempt)


def _make_index(base: Core, vectors: SqliteVectors, tenant: Tenant) -> None:
    generation = Generation(1, Recipe(), GenerationStatus.LIVE, _NOW)
    Indexes(base.table).create(tenant, Index(INDEX, "Random", generation, _NOW, _NOW))
    vectors.create(keys.vector_index(tenant, INDEX, generation.number), VectorIndexSpec(DIMENSION))
    config = ReleaseConfig(INDEX, generation.number, generation.recipe)
    releases = Releases(base.table)
    release = releases.create(tenant, Release(config, ReleaseStatus.DRAFT, _NOW, "bench"))
    Aliases(base.table, releases).promote(tenant, release, at=_NOW, by="bench", reason="")


def _documents(count: int, seed: int) -> Iterator[_Made]:
    rng, words = np.random.default_rng(seed), Words(seed)
    return (_Made(number, rng, words) for number in range(count))


def _store(base: Core, vectors: SqliteVectors, tenant: Tenant, made: list[_Made]) -> None:
    documents = Documents(base.table)
    base.table.write(
        *(operation for one in made for operation in documents.adding(tenant, one.document(), one.version()))
    )
    Chunks(base.table).put(tenant, [chunk for one in made for chunk in one.chunks()])
    vectors.put(keys.vector_index(tenant, INDEX, 1), [record for one in made for record in one.records()])
