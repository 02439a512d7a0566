"""Documents that are ingested already, in embedded stores, and may be changed behind the search index's back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from chalicelib.adapters.sqlite_table import SqliteTable
from chalicelib.domain.access import EVERYONE, Principal, Role, Tenant
from chalicelib.domain.documents import (
    BlockKind,
    Chunk,
    Document,
    DocumentStatus,
    DocumentVersion,
    MetadataValue,
    Published,
)
from chalicelib.domain.identifiers import AttemptId, ChunkId, DocumentId, TenantId, chunk_id
from chalicelib.domain.indexes import Generation, GenerationStatus, Index, Recipe
from chalicelib.domain.metadata import with_platform_keys
from chalicelib.domain.releases import Release, ReleaseConfig
from chalicelib.ports.vectors import VectorIndex, VectorIndexSpec, VectorRecord
from chalicelib.repositories import keys
from chalicelib.repositories.chunks import Chunks
from chalicelib.repositories.documents import Documents
from chalicelib.repositories.effective_release import EffectiveRelease
from chalicelib.repositories.indexes import Indexes
from chalicelib.repositories.prompts import Prompts
from chalicelib.repositories.releases import Releases
from chalicelib.repositories.remembered_answers import RememberedAnswers
from chalicelib.repositories.runs import Runs
from fargate.adapters.sqlite_vectors import SqliteVectors
from fargate.generation.service import GenerationService
from fargate.retrieval.service import RetrievalService
from tests.fakes.clock import HandClock
from tests.fakes.embedder import DIMENSION, BagOfWords, vector
from tests.fakes.models import TalkingGateway
from tests.fakes.releases import go_live

ACME = Tenant(TenantId("acme"))
INDEX = "handbook"
BETWEEN = "\n\n"
"""What stands between two chunks in a document's text."""


def reader(*groups: str, tenant: Tenant = ACME, indexes: frozenset[str] | None = None) -> Principal:
    """Give a reader who is in *groups*."""
    return Principal(tenant, "rita", frozenset({Role.READER}), frozenset(groups), indexes)


@dataclass
class Knowledge:
    """One tenant's index, `handbook`, under its live release."""

    table: SqliteTable
    vectors: VectorIndex
    clock: HandClock
    tenant: Tenant = ACME
    embedder: BagOfWords = field(default_factory=BagOfWords)
    gateway: TalkingGateway = field(default_factory=TalkingGateway)
    texts: dict[DocumentId, str] = field(default_factory=dict)
    lead: str | None = BETWEEN
    """What chunks say stands before them."""
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.documents = Documents(self.table)
        self.chunks = Chunks(self.table)
        self.runs = Runs(self.table, 30)
        self.indexes = Indexes(self.table)
        self.releases = Releases(self.table)
        self.prompts = Prompts(self.table)
        self.effective = EffectiveRelease(self.releases, self.indexes, self.prompts, self.clock)
        self.physical = keys.vector_index(self.tenant, INDEX, 1)
        now = self.clock.now()
        generation = Generation(1, Recipe(), GenerationStatus.LIVE, now)
        self.indexes.create(self.tenant, Index(INDEX, "", generation, now, now))
        self.vectors.create(self.physical, VectorIndexSpec(DIMENSION))
        self.release(ReleaseConfig(INDEX, 1, Recipe()))

    def release(self, config: ReleaseConfig) -> Release:
        """Make *config* the live release."""
        return go_live(self.table, self.tenant, config, self.clock.now(), "ada")

    def retrieval(self) -> RetrievalService:
        """Give the service over these stores."""
        return RetrievalService(
            documents=self.documents,
            chunks=self.chunks,
            runs=self.runs,
            releases=self.effective,
            vectors=self.vectors,
            embedders={"local/minilm": self.embedder},
            gateway=self.gateway,
            clock=self.clock,
        )

    def generation(self, **parts: Any) -> GenerationService:
        """Give the service over these stores, without a gateway, with some of its *parts* replaced or added."""
        whole: dict[str, Any] = {
            "releases": self.effective,
            "retriever": self.retrieval(),
            "runs": self.runs,
            "remembered": RememberedAnswers(self.table, self.runs),
            "embedders": {"local/minilm": self.embedder},
            "clock": self.clock,
        }
        return GenerationService(**(whole | parts))

    def add(
        self,
        *chunks: str,
        acl: Sequence[str] = (EVERYONE,),
        metadata: Mapping[str, MetadataValue] | None = None,
        name: str | None = None,
    ) -> DocumentId:
        """Publish a document of these chunks; give its id."""
        number = next(self._numbers)
        now = self.clock.now()
        document = Document(
            document_id=DocumentId(f"doc_{number:04d}"),
            index=INDEX,
            name=name or f"document {number}",
            media_type="text/plain",
            status=DocumentStatus.READY,
            latest_version=1,
            size_bytes=1,
            created_at=now,
            updated_at=now,
            metadata=metadata or {},
            acl=tuple(acl),
        )
        attempt = self._index(document, chunks)
        published = Published(1, attempt, 1, len(chunks), None, document.name, "en", "0" * 64)
        version = DocumentVersion(document.document_id, 1, attempt, 1, None, "text/plain", document.name, now)
        self.table.write(*self.documents.adding(self.tenant, replace(document, published=published), version))
        return document.document_id

    def republish(self, document_id: DocumentId, *chunks: str, generation: int = 1) -> None:
        """Publish other chunks of a document; the old ones stay in the search index."""
        attempt = self._index(self.documents.get(self.tenant, document_id), chunks)

        def publish(document: Document) -> Document:
            assert document.published is not None
            version = document.published.version + 1
            counted = replace(document.published, version=version, chunks=len(chunks))
            published = replace(counted, attempt=attempt, generation=generation)
            return replace(document, published=published, latest_version=version)

        self.documents.update(self.tenant, document_id, publish)

    def change(self, document_id: DocumentId, **fields: object) -> None:
        """Change the document's row; the search index is not told."""
        self.documents.update(self.tenant, document_id, lambda document: replace(document, **fields))  # type: ignore[arg-type]

    def _index(self, document: Document, texts: Sequence[str]) -> AttemptId:
        attempt = AttemptId(f"att_{next(self._numbers):06d}")
        self.texts[document.document_id] = BETWEEN.join(texts)
        chunks = [replace(one, lead=self.lead) for one in _chunks(document.document_id, attempt, texts)]
        self.chunks.put(self.tenant, chunks)
        metadata = with_platform_keys(
            document.metadata, document_id=document.document_id, attempt=attempt, acl=document.acl
        )
        records = [VectorRecord(one.chunk_id, vector(one.text), one.text, metadata) for one in chunks]
        self.vectors.put(self.physical, records)
        return attempt


def _chunks(document_id: DocumentId, attempt: AttemptId, texts: Sequence[str]) -> Iterator[Chunk]:
    start = 0
    for ordinal, text in enumerate(texts):
        name = ChunkId(chunk_id(attempt, ordinal))
        place = (start, start + len(text))
        yield Chunk(name, document_id, ordinal, text, len(text.split()), *place, BlockKind.TEXT, ("Top",), None)
        start += len(text) + len(BETWEEN)


@contextmanager
def knowledge(folder: Path) -> Iterator[Knowledge]:
    """Open an empty one whose stores lie in *folder*."""
    clock = HandClock()
    table = SqliteTable(folder / "table.sqlite", clock)
    vectors = SqliteVectors(folder / "vectors")
    try:
        yield Knowledge(table, vectors, clock)
    finally:
        vectors.close()
        table.close()
