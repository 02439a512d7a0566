"""
What is made from documents, and its removal: chunk rows, vectors, parsed texts.

Chunk rows are written before vectors, and removed after vectors and parsed texts. So whatever may be in a vector index
can always be found from the chunk rows of its document, however often a worker died between two steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from chalicelib.domain.access import Tenant
from chalicelib.domain.documents import Document, DocumentStatus
from chalicelib.domain.identifiers import AttemptId, ChunkId, DocumentId, attempt_of, chunk_id, first_of
from chalicelib.errors import NotFound
from chalicelib.ports.blobs import BlobKey, Bucket
from chalicelib.ports.clock import Clock
from chalicelib.ports.vectors import MAX_DELETE, MAX_GET, VectorIndexName
from chalicelib.repositories import keys
from fargate.ingestion.burial import bury
from fargate.ingestion.stores import Stores


@dataclass(frozen=True, slots=True)
class Holdings:
    """How much is kept of a document."""

    versions: int
    attachments: int
    chunks: int
    vectors: int
    blobs: int
    runs: int
    feedback: int


class Artefacts:
    """Removes what no reader can see any more. Everything here can be done twice, and by two at once."""

    def __init__(self, stores: Stores, clock: Clock) -> None:
        self._stores = stores
        self._clock = clock

    def sweep(self, tenant: Tenant, document_id: DocumentId, *, loser: AttemptId | None = None) -> int:
        """
        Remove what belongs neither to the published version nor to a newer one, and what *loser* made; give how many
        chunks that were.

        Raw bytes of old versions stay. Of a deleted document nothing stays.
        """
        document = self._stores.documents.get(tenant, document_id)
        if document.status is DocumentStatus.DELETED:
            return self.erase(tenant, document)
        keeps = self.keeps(tenant, document, loser)
        shown = document.published
        doomed = [
            one
            for one in self._stores.chunks.ids(tenant, document_id)
            if not keeps(attempt_of(one)) or (shown and attempt_of(one) == shown.attempt and not shown.shows(one))
        ]
        attempts = {attempt for one in doomed if not keeps(attempt := attempt_of(one))} | (
            {loser} if loser and not keeps(loser) else set()
        )
        self._discard_attachments(tenant, document_id, lambda attempt: not keeps(attempt))
        self._remove(tenant, document, doomed, [keys.text_blob(tenant, document_id, one) for one in sorted(attempts)])
        return len(doomed)

    def keeps(self, tenant: Tenant, document: Document, loser: AttemptId | None = None) -> Callable[[AttemptId], bool]:
        """Give what tells whether an attempt is published, or may still be: those at newer versions but for *loser*."""
        published = document.published
        after = published.version if published else 0
        versions = self._stores.documents.versions(tenant, document.document_id)
        newer = {first_of(version.attempt) for version in versions if version.number > after}
        given_up = {*document.abandoned, loser}

        def keep(attempt: AttemptId) -> bool:
            if published is not None and attempt == published.attempt:
                return True
            return first_of(attempt) in newer and attempt not in given_up

        return keep

    def remove(self, tenant: Tenant, document: Document, attempt: AttemptId, chunks: int) -> None:
        """
        Remove what an attempt that is not published, and never will be, made of *chunks* chunks.

        For a worker that wrote vectors after others had taken away the rows that lead to them.
        """
        chunk_ids = [chunk_id(attempt, ordinal) for ordinal in range(chunks)]
        self._discard_attachments(tenant, document.document_id, lambda found_by: found_by == attempt)
        self._remove(tenant, document, chunk_ids, [keys.text_blob(tenant, document.document_id, attempt)])

    def erase(self, tenant: Tenant, document: Document) -> int:
        """
        Remove everything that was made of the document, its bytes, its attachments and what runs quote and feedback may
        repeat of it included; its row stays as a tombstone. Give how many chunks there were.
        """
        self._discard_attachments(tenant, document.document_id, lambda _: True)
        self._stores.mentions.forget(tenant, document.document_id)
        self._stores.feedback.forget(tenant, document.document_id)
        chunk_ids = list(self._stores.chunks.ids(tenant, document.document_id))
        self._remove(tenant, document, chunk_ids, self._blobs(tenant, document.document_id))
        self._stores.documents.forget_versions(tenant, document.document_id)
        return len(chunk_ids)

    def holdings(self, tenant: Tenant, document_id: DocumentId) -> Holdings:
        """Count what `erase` will remove."""
        document = self._stores.documents.get(tenant, document_id)
        chunk_ids = list(self._stores.chunks.ids(tenant, document_id))
        return Holdings(
            versions=len(self._stores.documents.versions(tenant, document_id)),
            attachments=len(self._stores.documents.attachments(tenant, document_id)),
            chunks=len(chunk_ids),
            vectors=self._count_vectors(tenant, document, chunk_ids),
            blobs=len(self._blobs(tenant, document_id)),
            runs=sum(1 for _ in self._stores.mentions.of(tenant, document_id)),
            feedback=sum(1 for _ in self._stores.feedback.of_document(tenant, document_id)),
        )

    def _discard_attachments(
        self, tenant: Tenant, document_id: DocumentId, doomed: Callable[[AttemptId], bool]
    ) -> None:
        """Delete the attachments that a *doomed* attempt found; the row that leads to each goes last."""
        for attachment, attempt in self._stores.documents.attachments(tenant, document_id).items():
            if doomed(attempt):
                self.erase(tenant, bury(self._stores, tenant, attachment, at=self._clock.now()))
                self._stores.documents.forget_attachment(tenant, document_id, attachment)

    def _remove(
        self, tenant: Tenant, document: Document, chunk_ids: Sequence[ChunkId], blobs: Sequence[BlobKey]
    ) -> None:
        if chunk_ids:
            self._remove_vectors(tenant, document, chunk_ids)
        self._stores.blobs.delete(blobs)
        # Last, because they lead to all the rest.
        self._stores.chunks.delete(tenant, document.document_id, chunk_ids)

    def _count_vectors(self, tenant: Tenant, document: Document, chunk_ids: Sequence[ChunkId]) -> int:
        found = 0
        for index in self._generations(tenant, document):
            for start in range(0, len(chunk_ids), MAX_GET):
                with suppress(NotFound):
                    found += len(self._stores.vectors.get(index, chunk_ids[start : start + MAX_GET]))
        return found

    def _generations(self, tenant: Tenant, document: Document) -> Sequence[VectorIndexName]:
        return self._stores.vectors.indexes(keys.vector_indexes(tenant, document.index))

    def _remove_vectors(self, tenant: Tenant, document: Document, chunk_ids: Sequence[ChunkId]) -> None:
        for index in self._generations(tenant, document):
            for start in range(0, len(chunk_ids), MAX_DELETE):
                with suppress(NotFound):  # the index was dropped meanwhile, with all that was in it
                    self._stores.vectors.delete(index, chunk_ids[start : start + MAX_DELETE])

    def _blobs(self, tenant: Tenant, document_id: DocumentId) -> list[BlobKey]:
        prefix = keys.blobs_of(tenant, document_id)
        return [info.key for bucket in (Bucket.CHUNKS, Bucket.RAW) for info in self._stores.blobs.list(bucket, prefix)]
