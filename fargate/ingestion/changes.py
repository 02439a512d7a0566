"""What holds for a document from now on: its metadata and who may read it, changed without a new version."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from chalicelib.contracts.documents import DocumentChange
from chalicelib.domain.access import Principal, Tenant
from chalicelib.domain.documents import Document, DocumentStatus
from chalicelib.domain.identifiers import DocumentId, Entropy
from chalicelib.domain.jobs import Job, JobKind, new_job
from chalicelib.domain.metadata import check_user_metadata
from chalicelib.errors import ConditionFailed, Conflict
from chalicelib.ports.clock import Clock
from chalicelib.repositories.documents import UPDATE_TRIES
from fargate.ingestion import messages
from fargate.ingestion.reach import document_in_reach
from fargate.ingestion.retagging import Retagging
from fargate.ingestion.standing import DELETED
from fargate.ingestion.stores import Stores
from fargate.ingestion.tracking import Tracker


class Changes:
    """Changes the row at once, which is what permissions are decided by, and leaves the vectors to a job."""

    def __init__(self, stores: Stores, clock: Clock, entropy: Entropy = secrets.token_bytes) -> None:
        self._stores = stores
        self._clock = clock
        self._entropy = entropy

    def change(self, principal: Principal, document_id: DocumentId, change: DocumentChange) -> tuple[Document, Job]:
        """See `Ingestor.change`. Raises `InvalidRequest` for what no store could hold."""
        for _ in range(UPDATE_TRIES):
            document, _ = document_in_reach(self._stores, principal, document_id)
            now = self._clock.now()
            changed = _changed(document, change, now)
            job = retag_job(document, created_by=principal.subject, at=now, entropy=self._entropy)
            with suppress(ConditionFailed):
                self._stores.table.write(
                    self._stores.documents.replacing(principal.tenant, changed),
                    self._stores.jobs.adding(principal.tenant, job),
                )
                messages.send(self._stores.queue, principal.tenant, job)
                return replace(changed, version=document.version + 1), job
        raise Conflict(f"Document {document_id} changed {UPDATE_TRIES} times meanwhile; try again.")


def retag_job(document: Document, *, created_by: str, at: datetime, entropy: Entropy) -> Job:
    """Give the job that brings the vectors of *document* in line with its row."""
    kind, document_id = JobKind.RETAG, document.document_id
    return new_job(kind, index=document.index, document_id=document_id, created_by=created_by, at=at, entropy=entropy)


def retag(stores: Stores, clock: Clock, tenant: Tenant, job: Job) -> None:
    """Do such a job; to be done any number of times. Where no version is published yet, ingestion tags it itself."""
    assert job.document_id is not None
    tracker = Tracker(stores.jobs, clock, tenant, job)
    tracker.start("retagging")
    Retagging(stores, clock).retag(tenant, job.document_id)
    document = stores.documents.get(tenant, job.document_id)
    if document.status is DocumentStatus.DELETED:
        tracker.cancel(DELETED)
        return
    chunks = document.published.chunks if document.published else 0
    tracker.succeed({"document_id": document.document_id, "chunks": chunks}, chunks)


def _changed(document: Document, change: DocumentChange, at: datetime) -> Document:
    if document.status is DocumentStatus.DELETED:
        raise Conflict(f"Document {document.document_id} was deleted; nothing of it can be changed.")
    if document.holder is not None:
        raise Conflict(
            f"Document {document.document_id} was found in {document.holder.document_id}, and follows it: change that."
        )
    if change.if_revision not in (None, document.version):
        raise Conflict(
            f'Document {document.document_id} has changed since: its ETag is "{document.version}" now. Read it again.'
        )
    given = change.model_fields_set
    metadata = change.metadata if "metadata" in given else document.metadata
    acl: Sequence[str] = change.acl if "acl" in given else document.acl
    check_user_metadata(metadata, acl)
    return replace(document, metadata=metadata, acl=tuple(acl), updated_at=at)
