"""Which documents a caller can reach: those of the indexes that its roles are not kept out of."""

from __future__ import annotations

from chalicelib.domain.access import Principal
from chalicelib.domain.documents import Document
from chalicelib.domain.identifiers import DocumentId
from chalicelib.domain.indexes import Index
from chalicelib.errors import NotFound
from chalicelib.repositories.documents import missing
from fargate.ingestion.stores import Stores


def document_in_reach(stores: Stores, principal: Principal, document_id: DocumentId) -> tuple[Document, Index]:
    """Give the document, deleted or not, with its index. Raises the same `NotFound` whatever stands in the way."""
    document = stores.documents.get(principal.tenant, document_id)
    try:
        return document, stores.indexes.permitted(principal, document.index)
    except NotFound:
        raise missing(document_id) from None
