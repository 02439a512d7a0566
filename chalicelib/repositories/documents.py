"""Documents, their versions and their external ids."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from chalicelib.domain.access import Principal, Tenant, may_read
from chalicelib.domain.documents import Document, DocumentStatus, DocumentVersion
from chalicelib.domain.identifiers import AttemptId, DocumentId
from chalicelib.errors import ConditionFailed, Conflict, NotFound
from chalicelib.ports.table import (
    MAX_BATCH_GET,
    MAX_WRITE_OPERATIONS,
    Delete,
    IndexName,
    Item,
    Operation,
    Page,
    Put,
    Query,
    Table,
    TableName,
)
from chalicelib.repositories import keys
from chalicelib.repositories.codec import Codec

UPDATE_TRIES = 20
_LOOKED_AT_A_PAGE = 1_000
_ATTACHMENT = "attachment#"

_documents = Codec(Document)
_versions = Codec(DocumentVersion)


Found = tuple[list[Document], str | None]
"""Some documents, and the cursor of the next page."""


@dataclass(frozen=True, slots=True)
class DocumentFilter:
    """Which documents to list; what is None does not narrow. Deleted ones show only when asked for by status."""

    index: str | None = None
    status: DocumentStatus | None = None
    external_id: str | None = None
    name_contains: str | None = None
    attached_to: DocumentId | None = None


class Documents:
    """The documents of all tenants, one tenant at a time."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, tenant: Tenant, document_id: DocumentId) -> Document:
        """Give the document, deleted or not. Raises `NotFound`."""
        item = self._table.get(keys.document(tenant, document_id))
        if item is None:
            raise missing(document_id)
        return _documents.load(item)

    def batch_get(self, tenant: Tenant, document_ids: Sequence[DocumentId]) -> dict[DocumentId, Document]:
        """Give those of at most 100 distinct documents that exist."""
        found = self._table.batch_get([keys.document(tenant, one) for one in document_ids]) if document_ids else ()
        documents = [_documents.load(item) for item in found]
        return {document.document_id: document for document in documents}

    def readable(self, principal: Principal, wanted: Collection[DocumentId]) -> dict[DocumentId, Document]:
        """
        Give those of any number of documents whose text *principal* may read now: not deleted, in one of its groups,
        and for an attachment, found in what readers see of a document that it may read.
        """
        found = self._all(principal.tenant, wanted)
        known = dict(found)
        while above := {one.holder.document_id for one in known.values() if one.holder} - known.keys():
            holders = self._all(principal.tenant, above)
            if not holders:
                break
            known |= holders
        return {key: one for key, one in found.items() if _is_readable(principal, one, known)}

    def by_external_id(self, tenant: Tenant, index: str, external_id: str) -> DocumentId | None:
        """Give the document of *index* that bears *external_id*, or None."""
        item = self._table.get(keys.external_id(tenant, index, external_id))
        return DocumentId(str(item.data["document_id"])) if item else None

    def adding(self, tenant: Tenant, document: Document, version: DocumentVersion) -> list[Operation]:
        """
        Give the operations that store a new version of a document, to be written together with its job.

        A first version claims the external id; a later one must find the document as it was read.
        """
        first = version.number == 1
        operations: list[Operation] = [
            Put(_item(tenant, document), if_absent=first, if_version=None if first else document.version),
            Put(
                Item(keys.document_version(tenant, document.document_id, version.number), _versions.dump(version)),
                if_absent=True,
            ),
        ]
        if first and document.holder is not None:
            link = keys.attachment(tenant, document.holder.document_id, document.document_id)
            operations.append(Put(Item(link, {"attempt": document.holder.attempt}), if_absent=True))
        if first and document.external_id is not None:
            claim = keys.external_id(tenant, document.index, document.external_id)
            operations.append(Put(Item(claim, {"document_id": document.document_id}), if_absent=True))
        return operations

    def replacing(self, tenant: Tenant, document: Document) -> Operation:
        """Give the operation that replaces a document as it was read by *document*, which has the same row version."""
        return Put(_item(tenant, document), if_version=document.version)

    def renaming_attempt(self, tenant: Tenant, version: DocumentVersion) -> Operation:
        """Give the operation that stores a version under another attempt, to be written together with its document."""
        key = keys.document_version(tenant, version.document_id, version.number)
        return Put(Item(key, _versions.dump(version)))

    def deleting(self, tenant: Tenant, document: Document) -> list[Operation]:
        """
        Give the operations that turn the document, as it was read, into *document*, its tombstone.

        They free its external id at once, so that the next submission under it begins a new document.
        """
        operations: list[Operation] = [Put(_item(tenant, document), if_version=document.version)]
        if document.external_id is not None:
            operations.append(Delete(keys.external_id(tenant, document.index, document.external_id)))
        return operations

    def version(self, tenant: Tenant, document_id: DocumentId, number: int) -> DocumentVersion:
        """Give one version. Raises `NotFound`."""
        item = self._table.get(keys.document_version(tenant, document_id, number))
        if item is None:
            raise NotFound(f"There is no version {number} of document {document_id}.")
        return _versions.load(item)

    def versions(self, tenant: Tenant, document_id: DocumentId) -> list[DocumentVersion]:
        """Give every version, oldest first."""
        return [_versions.load(item) for item in self._rows(tenant, document_id, "version#")]

    def attachments(self, tenant: Tenant, document_id: DocumentId) -> dict[DocumentId, AttemptId]:
        """Give the attachments found in the document, each with the attempt that found it."""
        rows = self._rows(tenant, document_id, _ATTACHMENT)
        return {DocumentId(row.key.sort.removeprefix(_ATTACHMENT)): AttemptId(str(row.data["attempt"])) for row in rows}

    def forget_attachment(self, tenant: Tenant, document_id: DocumentId, attachment: DocumentId) -> None:
        """Remove the row that leads from a document to an attachment."""
        self._table.write(Delete(keys.attachment(tenant, document_id, attachment)))

    def update(
        self,
        tenant: Tenant,
        document_id: DocumentId,
        change: Callable[[Document], Document],
        *,
        known: Document | None = None,
    ) -> Document:
        """
        Replace the document by what *change* makes of it, once, whatever others write meanwhile.

        *change* may be called several times; it raises to leave the document as it is. *known* is how the document was
        read a moment ago, to save reading it again; a write shows whether it still is so. Raises `NotFound`.
        """
        for _ in range(UPDATE_TRIES):
            current, known = known or self.get(tenant, document_id), None
            changed = change(current)
            if changed == current:
                return current
            try:
                self._table.write(Put(_item(tenant, changed), if_version=current.version))
            except ConditionFailed:
                continue
            return replace(changed, version=current.version + 1)
        raise Conflict(f"Document {document_id} changed {UPDATE_TRIES} times while it was being updated; try again.")

    def list(self, tenant: Tenant, wanted: DocumentFilter, *, limit: int, cursor: str | None) -> Found:
        """Give at most *limit* documents, newest first (attachments by id), and the cursor of the next page."""
        if wanted.attached_to is not None:
            return self._attached(tenant, wanted.attached_to, wanted, limit=limit, cursor=cursor)
        if wanted.index is not None and wanted.external_id is not None:
            document_id = self.by_external_id(tenant, wanted.index, wanted.external_id)
            found = self.batch_get(tenant, [document_id] if document_id else [])
            return [document for document in found.values() if _matches(document, wanted)], None
        listed: list[Document] = []
        looked_at = 0
        while True:
            page = self._page(tenant, wanted.index, limit - len(listed), cursor)
            listed += [one for one in map(_documents.load, page.items) if _matches(one, wanted)]
            looked_at += len(page.items)
            cursor = page.cursor
            if cursor is None or len(listed) >= limit or looked_at >= _LOOKED_AT_A_PAGE:
                return listed, cursor

    def _attached(
        self, tenant: Tenant, holder: DocumentId, wanted: DocumentFilter, *, limit: int, cursor: str | None
    ) -> Found:
        after = [one for one in self.attachments(tenant, holder) if cursor is None or one > cursor]
        matching = [one for one in self._all(tenant, after).values() if _matches(one, wanted)]
        listed = sorted(matching, key=lambda one: one.document_id)
        return listed[:limit], listed[limit - 1].document_id if len(listed) > limit else None

    def all_of(self, tenant: Tenant, index: str) -> Iterator[Document]:
        """Give every document of *index*, deleted ones too."""
        cursor: str | None = None
        while True:
            page = self._page(tenant, index, 500, cursor)
            yield from map(_documents.load, page.items)
            if page.cursor is None:
                return
            cursor = page.cursor

    def forget_versions(self, tenant: Tenant, document_id: DocumentId) -> int:
        """Remove the rows of all versions; give how many there were."""
        rows = list(self._rows(tenant, document_id, "version#"))
        for start in range(0, len(rows), MAX_WRITE_OPERATIONS):
            self._table.write(*(Delete(item.key) for item in rows[start : start + MAX_WRITE_OPERATIONS]))
        return len(rows)

    def _all(self, tenant: Tenant, wanted: Collection[DocumentId]) -> dict[DocumentId, Document]:
        found: dict[DocumentId, Document] = {}
        sought = sorted(wanted)
        for start in range(0, len(sought), MAX_BATCH_GET):
            found |= self.batch_get(tenant, sought[start : start + MAX_BATCH_GET])
        return found

    def _page(self, tenant: Tenant, index: str | None, limit: int, cursor: str | None) -> Page:
        secondary = IndexName.GSI2 if index is None else IndexName.GSI1
        partition = keys.documents_of(tenant, index)
        query = Query(TableName.DOCUMENTS, partition, secondary, descending=True, limit=limit, cursor=cursor)
        return self._table.query(query)

    def _rows(self, tenant: Tenant, document_id: DocumentId, prefix: str) -> Iterator[Item]:
        key = keys.document(tenant, document_id)
        cursor: str | None = None
        while True:
            page = self._table.query(Query(key.table, key.partition, prefix=prefix, cursor=cursor))
            yield from page.items
            if page.cursor is None:
                return
            cursor = page.cursor


def missing(document_id: DocumentId) -> NotFound:
    """Give what is raised for a document that does not exist or cannot be reached, the same for both."""
    return NotFound(f"There is no document {document_id}.")


def _is_readable(principal: Principal, document: Document, known: Mapping[DocumentId, Document]) -> bool:
    if document.status is DocumentStatus.DELETED or not may_read(principal, document.acl):
        return False
    if document.holder is None:
        return True
    holder = known.get(document.holder.document_id)
    if holder is None or holder.published is None or holder.published.attempt != document.holder.attempt:
        return False
    return _is_readable(principal, holder, known)


def _item(tenant: Tenant, document: Document) -> Item:
    return Item(
        keys.document(tenant, document.document_id),
        _documents.dump(document),
        version=document.version + 1,
        gsi1=(keys.documents_of(tenant, document.index), document.document_id),
        gsi2=(keys.documents_of(tenant, None), document.document_id),
    )


def _matches(document: Document, wanted: DocumentFilter) -> bool:
    status_fits = (
        document.status is not DocumentStatus.DELETED if wanted.status is None else document.status is wanted.status
    )
    return (
        status_fits
        and wanted.index in (None, document.index)
        and wanted.external_id in (None, document.external_id)
        and (wanted.name_contains is None or wanted.name_contains.casefold() in document.name.casefold())
    )
