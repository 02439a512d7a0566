"""
One version of a document from its bytes to its publication.

    download → parse → text blob → chunk rows → vectors → publish → sweep → job

Every name is made from the version's attempt, so a step that is done again overwrites itself, and a message that comes
twice does no harm. Readers see the published attempt only, so they see the old version until the one conditional
write that publishes the new one. Whoever finds at any step that the document was deleted, or that a newer version
is published, stops and removes what it made.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from chalicelib.domain.access import Tenant
from chalicelib.domain.documents import (
    Chunk,
    Document,
    DocumentVersion,
    ParsedDocument,
    Published,
    Rejection,
    Span,
)
from chalicelib.domain.identifiers import AttemptId, DocumentId, ingested_by
from chalicelib.domain.indexes import Generation
from chalicelib.domain.jobs import Job
from chalicelib.domain.metadata import with_platform_keys
from chalicelib.errors import DocumentRejected
from chalicelib.observability.spans import span
from chalicelib.ports.clock import Clock
from chalicelib.ports.vectors import VectorIndexName, VectorRecord
from chalicelib.repositories import keys
from fargate.ingestion import standing
from fargate.ingestion.artefacts import Artefacts
from fargate.ingestion.attachments import Attachments
from fargate.ingestion.burial import bury
from fargate.ingestion.cutting import embedded_texts, name_chunks, spans_of
from fargate.ingestion.languages import language_of
from fargate.ingestion.retagging import Retagging
from fargate.ingestion.reuse import EarlierVectors, vectors_of
from fargate.ingestion.standing import DELETED, Overtaken, check_stands
from fargate.ingestion.stores import Stores
from fargate.ingestion.tools import Tools
from fargate.ingestion.tracking import Tracker

EMBEDDED_AT_ONCE = 256
"""Chunks embedded between two looks at whether the document still stands; at most `MAX_PUT`."""
_COPIED_AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done: one version, for one generation of its index; *language* is all that is known of its text."""

    tenant: Tenant
    tracker: Tracker
    document: Document
    version: DocumentVersion
    generation: Generation
    language: str


@dataclass(frozen=True, slots=True)
class _Entries:
    """Chunks with the texts that were embedded for them, and their vectors."""

    chunks: Sequence[Chunk]
    texts: Sequence[str]
    vectors: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What readers see in the end, and how many texts were *embedded* for it; None where another worker did it."""

    published: Published
    embedded: int | None


class Pipeline:
    """Ingests versions, any number at once. Store calls run in threads, a few together, so the loop stays free."""

    def __init__(self, stores: Stores, tools: Tools, clock: Clock, *, embedded_at_once: int = EMBEDDED_AT_ONCE) -> None:
        self._embedded_at_once = embedded_at_once
        self._stores = stores
        self._tools = tools
        self._clock = clock
        self._artefacts = Artefacts(stores, clock)
        self._attachments = Attachments(stores, clock)
        self._retagging = Retagging(stores, clock)

    async def run(self, tenant: Tenant, job: Job) -> None:
        """
        Do an ingestion job to its end: published, refused, or overtaken.

        Raises what a store or model raises; the job can then be done again from the start.
        """
        try:
            with span("ingestion.document", job_id=job.job_id):
                await self._ingest(tenant, job)
        except Overtaken as overtaken:
            await asyncio.to_thread(self._yield, tenant, job, overtaken.why)
        except DocumentRejected as rejected:
            await asyncio.to_thread(self.fail, tenant, job, Rejection(rejected.reason, rejected.detail))

    def fail(self, tenant: Tenant, job: Job, why: Rejection) -> None:
        """End the job as failed, with the reason on the document; a version published before stays published."""
        document_id, number, attempt = _subject(job)
        at = self._clock.now()
        document = self._stores.documents.update(
            tenant, document_id, lambda one: standing.failed(one, number, attempt, why, at)
        )
        self._artefacts.sweep(tenant, document_id, loser=attempt)
        if document.published is not None:
            # The newest metadata and access list hold for the older version too.
            self._retagging.retag(tenant, document_id)
        self._tracker(tenant, job).fail(why)

    async def _ingest(self, tenant: Tenant, job: Job) -> None:
        with tempfile.NamedTemporaryFile(prefix="ragstone-") as file:
            work = await asyncio.to_thread(self._fetch, tenant, job, file)
            if work is None:
                return
            with span("ingestion.parse"):
                parsed = await self._tools.sandbox.parse(
                    Path(file.name),
                    name=work.version.name,
                    media_type=work.version.media_type,
                    language=work.language,
                )
        work = await asyncio.to_thread(_in_its_language, work, parsed)
        chunks = await self._cut(work, parsed)
        try:
            await asyncio.to_thread(self._take_in_attachments, work, parsed)
            await self._index(work, parsed, chunks)
        except Overtaken as overtaken:
            mine = work.version.attempt
            if overtaken.by != mine:
                await asyncio.to_thread(self._artefacts.remove, tenant, work.document, mine, len(chunks))
            raise

    def _fetch(self, tenant: Tenant, job: Job, file: IO[bytes]) -> Work | None:
        """Give the work with its bytes in *file*, or None when they were published already, and now are again."""
        work = self._begin(tenant, job)
        if work.version.sha256 and self._republish(work):
            return None
        digest = self._download(work, file)
        _check_digest(work.version, digest)
        work = replace(work, version=replace(work.version, sha256=digest))
        return None if self._republish(work) else work

    def _begin(self, tenant: Tenant, job: Job) -> Work:
        document_id, number, attempt = _subject(job)
        tracker = self._tracker(tenant, job)
        # First, so that a job which was cancelled while it waited is known before anything is made.
        tracker.start("parsing")
        document = self._stores.documents.update(
            tenant, document_id, lambda one: standing.processing(one, number, attempt)
        )
        index = self._stores.indexes.find(tenant, document.index)
        if index is None or index.deleting:
            bury(self._stores, tenant, document_id, at=self._clock.now())
            raise Overtaken(Rejection("deleted", f"The index {document.index!r} was deleted before it was ready."))
        version = self._stores.documents.version(tenant, document_id, number)
        language = version.language or index.generation.recipe.language
        return Work(tenant, tracker, document, version, index.generation, language)

    def _republish(self, work: Work) -> bool:
        """Publish what is published already under the new number, if the bytes are the same; say whether it was."""
        published = work.document.published
        if published is None or not self._is_same(work, published):
            return False
        self._retagging.retag(work.tenant, work.document.document_id)
        again = replace(published, version=work.version.number)
        if self._publish(work, again, instead_of=published).published != again:
            return False
        self._finish(work.tenant, work.tracker, work.document.document_id, _Outcome(again, 0))
        return True

    def _is_same(self, work: Work, published: Published) -> bool:
        if published.sha256 != work.version.sha256 or published.generation != work.generation.number:
            return False
        # The name and the declared type decide which parser reads the bytes, the language how their words are found.
        before = self._stores.documents.version(work.tenant, work.document.document_id, published.version)
        return _how_to_read(before) == _how_to_read(work.version)

    def _download(self, work: Work, file: IO[bytes]) -> str:
        digest = hashlib.sha256()
        key = keys.raw_blob(work.tenant, work.document.document_id, work.version.attempt)
        with self._stores.blobs.open(key) as source:
            while piece := source.read(_COPIED_AT_ONCE):
                digest.update(piece)
                file.write(piece)
        file.flush()
        return digest.hexdigest()

    async def _cut(self, work: Work, parsed: ParsedDocument) -> list[Chunk]:
        recipe = work.generation.recipe
        chunker, embedder = self._tools.chunkers.get(recipe.chunker), self._tools.embedder(recipe.embedder)
        with span("ingestion.chunk"):
            spans = await spans_of(parsed, chunker, embedder)
        return await asyncio.to_thread(self._keep, work, parsed, spans)

    def _keep(self, work: Work, parsed: ParsedDocument, spans: Sequence[Span]) -> list[Chunk]:
        document_id, attempt = work.document.document_id, work.version.attempt
        chunks = name_chunks(parsed, spans, document_id, attempt)
        if not chunks:
            raise DocumentRejected("empty", f"{work.version.name} holds no text that could be searched.")
        work.tracker.report("chunking", 0, len(chunks))
        self._stores.parsed.put(work.tenant, document_id, attempt, replace(parsed, attachments=()))
        self._stores.chunks.put(work.tenant, chunks)
        return chunks

    def _take_in_attachments(self, work: Work, parsed: ParsedDocument) -> None:
        if parsed.attachments:
            document = self._stores.documents.get(work.tenant, work.document.document_id)
            check_stands(document, work.version.number, work.version.attempt)
            attempt, created_by = work.version.attempt, work.tracker.created_by
            self._attachments.take_in(work.tenant, document, attempt, parsed.attachments, created_by=created_by)

    async def _index(self, work: Work, parsed: ParsedDocument, chunks: Sequence[Chunk]) -> None:
        embedder = self._tools.embedder(work.generation.recipe.embedder)
        earlier = EarlierVectors(self._stores.vectors, _vector_index(work), work.document.published)
        embedded = 0
        for start in range(0, len(chunks), self._embedded_at_once):
            batch = chunks[start : start + self._embedded_at_once]
            texts = embedded_texts(parsed.title, batch, work.generation.recipe.context)
            vectors, new = await vectors_of(texts, earlier, embedder)
            embedded += new
            entries = _Entries(batch, texts, vectors)
            done = start + len(batch)
            outcome = _Outcome(_published(work, parsed, done), embedded) if done == len(chunks) else None
            await asyncio.to_thread(self._store, work, entries, total=len(chunks), outcome=outcome)

    def _store(self, work: Work, entries: _Entries, *, total: int, outcome: _Outcome | None) -> None:
        """Write some of *total* vectors, and after the last of them let readers see the *outcome*."""
        document = self._put_vectors(work, entries)
        work.tracker.report("embedding", entries.chunks[-1].ordinal + 1, total)
        if outcome is not None:
            visible = self._publish(replace(work, document=document), outcome.published)
            if (visible.metadata, visible.acl) != (work.document.metadata, work.document.acl):
                self._retagging.retag(work.tenant, document.document_id)
            self._finish(work.tenant, work.tracker, document.document_id, outcome)

    def _put_vectors(self, work: Work, entries: _Entries) -> Document:
        """Write vectors, all tagged as the work began, unless their version has been overtaken; give the document."""
        document = self._stores.documents.get(work.tenant, work.document.document_id)
        check_stands(document, work.version.number, work.version.attempt)
        known = work.document
        metadata = with_platform_keys(
            known.metadata, document_id=known.document_id, attempt=work.version.attempt, acl=known.acl
        )
        records = [
            VectorRecord(chunk.chunk_id, vector, text, metadata, work.language)
            for chunk, text, vector in zip(entries.chunks, entries.texts, entries.vectors, strict=True)
        ]
        with span("ingestion.index", chunks=len(records)):
            self._stores.vectors.put(_vector_index(work), records)
        return document

    def _publish(self, work: Work, published: Published, *, instead_of: Published | None = None) -> Document:
        """Let readers see *published*, unless it was to replace *instead_of* and that is gone; give the document."""
        now, number, attempt = self._clock.now(), work.version.number, work.version.attempt

        def visible(document: Document) -> Document:
            if instead_of is not None and document.published != instead_of:
                check_stands(document, number, attempt)
                return document
            return standing.published(document, published, attempt, now)

        document_id = work.document.document_id
        return self._stores.documents.update(work.tenant, document_id, visible, known=work.document)

    def _finish(self, tenant: Tenant, tracker: Tracker, document_id: DocumentId, outcome: _Outcome) -> None:
        published = outcome.published
        if published.version > 1:
            self._artefacts.sweep(tenant, document_id)
        result = {
            "document_id": document_id,
            "version": published.version,
            "chunks": published.chunks,
            "embedded": outcome.embedded,
        }
        tracker.succeed(result, published.chunks)

    def _yield(self, tenant: Tenant, job: Job, why: Rejection | None) -> None:
        document_id, _, attempt = _subject(job)
        tracker = self._tracker(tenant, job)
        published = self._stores.documents.get(tenant, document_id).published
        if why is None and published is not None:
            self._retagging.retag(tenant, document_id)  # whoever published it may have died before that
            self._finish(tenant, tracker, document_id, _Outcome(published, None))
            return
        self._artefacts.sweep(tenant, document_id, loser=attempt)
        tracker.cancel(why or DELETED)

    def _tracker(self, tenant: Tenant, job: Job) -> Tracker:
        return Tracker(self._stores.jobs, self._clock, tenant, job)


def _check_digest(version: DocumentVersion, digest: str) -> None:
    if version.sha256 is not None and version.sha256 != digest:
        detail = f"Its bytes have the SHA-256 {digest}, and {version.sha256} was announced; send the file again."
        raise DocumentRejected("checksum_mismatch", detail)


def _in_its_language(work: Work, parsed: ParsedDocument) -> Work:
    if work.version.language is not None:
        return work
    return replace(work, language=language_of(parsed.text, otherwise=work.generation.recipe.language))


def _how_to_read(version: DocumentVersion) -> tuple[str, str | None, str | None]:
    return version.name, version.media_type, version.language


def _vector_index(work: Work) -> VectorIndexName:
    return keys.vector_index(work.tenant, work.document.index, work.generation.number)


def _subject(job: Job) -> tuple[DocumentId, int, AttemptId]:
    assert job.document_id is not None
    assert job.document_version is not None
    return job.document_id, job.document_version, ingested_by(job.job_id, job.retries)


def _published(work: Work, parsed: ParsedDocument, chunks: int) -> Published:
    assert work.version.sha256 is not None
    return Published(
        version=work.version.number,
        attempt=work.version.attempt,
        generation=work.generation.number,
        chunks=chunks,
        pages=parsed.pages,
        title=parsed.title,
        language=work.language,
        sha256=work.version.sha256,
        warnings=parsed.warnings,
    )
