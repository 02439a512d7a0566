"""How a document is hidden for ever: a tombstone in its place, before anything of it is taken away."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from chalicelib.domain.access import Tenant
from chalicelib.domain.documents import Document, DocumentStatus
from chalicelib.domain.identifiers import DocumentId, JobId
from chalicelib.errors import ConditionFailed, Conflict
from chalicelib.ports.table import Operation
from chalicelib.repositories.documents import UPDATE_TRIES
from fargate.ingestion.stores import Stores


def bury(
    stores: Stores,
    tenant: Tenant,
    document_id: DocumentId,
    *,
    at: datetime,
    job_id: JobId | None = None,
    together_with: Sequence[Operation] = (),
) -> Document:
    """
    Put a tombstone in the document's place, in one write with other rows; one that stands already stays as it is.

    Nobody can read the document from then on, nothing that is still under way can revive it, and its external id is
    free. Give the tombstone, which names the job that takes the rest away.
    """
    for _ in range(UPDATE_TRIES):
        document = stores.documents.get(tenant, document_id)
        if document.status is DocumentStatus.DELETED:
            return document
        dead = _tombstone(document, at, job_id or document.job_id)
        with suppress(ConditionFailed):
            stores.table.write(*stores.documents.deleting(tenant, dead), *together_with)
            return dead
    raise Conflict(f"Document {document_id} changed {UPDATE_TRIES} times while it was being deleted; try again.")


def _tombstone(document: Document, at: datetime, job_id: JobId | None) -> Document:
    return replace(
        document,
        status=DocumentStatus.DELETED,
        published=None,
        metadata={},
        error=None,
        job_id=job_id,
        updated_at=at,
    )
