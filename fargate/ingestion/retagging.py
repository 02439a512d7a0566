"""New metadata and access lists for vectors that are there already; nothing is embedded again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from chalicelib.domain.access import Tenant
from chalicelib.domain.documents import Chunk, Document, DocumentStatus, Metadata
from chalicelib.domain.identifiers import DocumentId
from chalicelib.domain.metadata import with_platform_keys
from chalicelib.errors import Conflict
from chalicelib.ports.clock import Clock
from chalicelib.ports.vectors import MAX_GET
from chalicelib.repositories import keys
from chalicelib.repositories.documents import UPDATE_TRIES
from fargate.ingestion.artefacts import Artefacts
from fargate.ingestion.stores import Stores


def inherited(attachment: Document, *, metadata: Metadata, acl: Sequence[str]) -> Document:
    """Give an attachment with what holds for the document it was found in; a tombstone stays as it is."""
    if attachment.status is DocumentStatus.DELETED:
        return attachment
    return replace(attachment, metadata=metadata, acl=acl)


class Retagging:
    """Brings the vectors of a published version in line with what its document's row says."""

    def __init__(self, stores: Stores, clock: Clock) -> None:
        self._stores = stores
        self._artefacts = Artefacts(stores, clock)

    def retag(self, tenant: Tenant, document_id: DocumentId) -> None:
        """
        Give every published vector the metadata and access list that the document has when this returns, and the same
        to its attachments.

        Raises `Conflict` if they change faster than they can be written.
        """
        document = self._stores.documents.get(tenant, document_id)
        for _ in range(UPDATE_TRIES):
            self._retag_as(tenant, document)
            before, document = document, self._stores.documents.get(tenant, document_id)
            self._take_back(tenant, before, document)
            if (before.metadata, before.acl, before.published) == (document.metadata, document.acl, document.published):
                self._hand_down(tenant, document)
                return
        raise Conflict(f"Document {document_id} changed {UPDATE_TRIES} times while its metadata was being written.")

    def _hand_down(self, tenant: Tenant, holder: Document) -> None:
        for attachment in self._stores.documents.attachments(tenant, holder.document_id):
            inherit = partial(inherited, metadata=holder.metadata, acl=holder.acl)
            found = self._stores.documents.update(tenant, attachment, inherit)
            if found.status is not DocumentStatus.DELETED:
                self.retag(tenant, attachment)

    def _retag_as(self, tenant: Tenant, document: Document) -> None:
        published = document.published
        if published is None:
            return
        cursor: str | None = None
        while True:
            page = self._stores.chunks.page(
                tenant, document.document_id, published.attempt, limit=MAX_GET, cursor=cursor
            )
            chunks, cursor = page
            self._put(tenant, document, chunks)
            if cursor is None:
                return

    def _take_back(self, tenant: Tenant, before: Document, now: Document) -> None:
        """Remove what was tagged, if it was replaced or deleted meanwhile: some of it may have been written after."""
        tagged = before.published
        if tagged is not None and (now.published is None or now.published.attempt != tagged.attempt):
            self._artefacts.remove(tenant, now, tagged.attempt, tagged.chunks)

    def _put(self, tenant: Tenant, document: Document, chunks: Sequence[Chunk]) -> None:
        assert document.published is not None
        index = keys.vector_index(tenant, document.index, document.published.generation)
        metadata = with_platform_keys(
            document.metadata, document_id=document.document_id, attempt=document.published.attempt, acl=document.acl
        )
        records = self._stores.vectors.get(index, [chunk.chunk_id for chunk in chunks])
        stale = [replace(record, metadata=metadata) for record in records if record.metadata != metadata]
        if stale:
            # Should the version be replaced and swept before this, the vectors come back; these rows lead to them.
            self._stores.chunks.put(tenant, chunks)
            self._stores.vectors.put(index, stale)
