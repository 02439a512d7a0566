"""What of the stored knowledge a caller reaches: rows by role and index, texts by access list as well."""

from __future__ import annotations

from collections.abc import Collection

from chalicelib.domain.access import Principal, may_use_index
from chalicelib.domain.documents import Document
from chalicelib.domain.identifiers import DocumentId
from chalicelib.edge.dependencies import Edge
from chalicelib.errors import NotFound
from chalicelib.repositories.documents import missing


def managed(edge: Edge, principal: Principal, document_id: str) -> Document:
    """Give a document whose row *principal* may see, deleted or not. Raises `NotFound`."""
    document = edge.documents.get(principal.tenant, DocumentId(document_id))
    if not may_use_index(principal, document.index):
        raise missing(document.document_id)
    return document


def readable(edge: Edge, principal: Principal, document_id: str) -> Document:
    """Give a document whose text *principal* may read now. Raises `NotFound`."""
    found = readable_among(edge, principal, [DocumentId(document_id)])
    if not found:
        raise missing(DocumentId(document_id))
    return found[DocumentId(document_id)]


def readable_among(edge: Edge, principal: Principal, wanted: Collection[DocumentId]) -> dict[DocumentId, Document]:
    """Give those of any number of documents whose text *principal* may read now."""
    found = edge.documents.readable(principal, wanted)
    open_indexes = {name for name in {one.index for one in found.values()} if _is_open(edge, principal, name)}
    return {key: one for key, one in found.items() if one.index in open_indexes}


def _is_open(edge: Edge, principal: Principal, index: str) -> bool:
    try:
        edge.indexes.permitted(principal, index)
    except NotFound:
        return False
    return True
