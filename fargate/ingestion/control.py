"""What the owner of a job can do to it: let it end, or let it start anew."""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from chalicelib.domain.access import Tenant
from chalicelib.domain.batches import Batch
from chalicelib.domain.documents import Document, DocumentStatus
from chalicelib.domain.identifiers import DocumentId, Entropy, JobId, ingested_by
from chalicelib.domain.jobs import ENDED, Job, JobKind, JobStatus, Progress
from chalicelib.errors import ConditionFailed, Conflict
from chalicelib.ports.clock import Clock
from chalicelib.ports.table import Operation
from chalicelib.repositories import keys
from chalicelib.repositories.documents import UPDATE_TRIES
from fargate.ingestion import messages, standing
from fargate.ingestion.changes import retag_job
from fargate.ingestion.standing import CANCELLED, Overtaken
from fargate.ingestion.stores import Stores

MAX_RETRIES = 20
"""After so many the document itself is sent again; each leaves a note on the document's row."""


class Control:
    """Writes job and document together, so that what a job says and what may be published never differ."""

    def __init__(self, stores: Stores, clock: Clock, entropy: Entropy = secrets.token_bytes) -> None:
        self._stores = stores
        self._clock = clock
        self._entropy = entropy

    def cancel(self, tenant: Tenant, job_id: JobId) -> Job:
        """See `Ingestor.cancel`."""
        for _ in range(UPDATE_TRIES):
            job = self._stores.jobs.get(tenant, job_id)
            if job.cancelling and job.status not in ENDED:
                return job
            if job.batch is not None:
                with suppress(ConditionFailed):
                    return self._cancel_batch(tenant, job, job.batch)
                continue
            document_id, number = _cancellable(job)
            document = self._stores.documents.get(tenant, document_id)
            with suppress(ConditionFailed):
                return self._cancel(tenant, job, document, number)
        raise _restless(job_id)

    def retry(self, tenant: Tenant, job_id: JobId) -> Job:
        """See `Ingestor.retry`."""
        for _ in range(UPDATE_TRIES):
            job = self._stores.jobs.get(tenant, job_id)
            if job.batch is not None:
                with suppress(ConditionFailed):
                    return self._retry_batch(tenant, job, job.batch)
                continue
            document_id, number = _retriable(job)
            document = self._stores.documents.get(tenant, document_id)
            self._check_newest(tenant, job, document, number)
            with suppress(ConditionFailed):
                return self._retry(tenant, job, document, number)
        raise _restless(job_id)

    def _cancel(self, tenant: Tenant, job: Job, document: Document, number: int) -> Job:
        now = self._clock.now()
        try:
            given_up = standing.cancelled(document, number, ingested_by(job.job_id, job.retries), now)
        except Overtaken as overtaken:
            why = overtaken.why.detail if overtaken.why else "Its document is ready."
            raise Conflict(f"Job {job.job_id} is about to end. {why}") from None
        ending = replace(job, cancelling=True, updated_at=now)
        if job.status is JobStatus.QUEUED:
            ending = replace(ending, status=JobStatus.CANCELLED, error=CANCELLED)
        follower = self._follower(document, number, job)
        self._stores.table.write(
            self._stores.documents.replacing(tenant, given_up),
            self._stores.jobs.replacing(tenant, ending),
            *(self._stores.jobs.adding(tenant, one) for one in follower),
        )
        for one in follower:
            messages.send(self._stores.queue, tenant, one)
        return ending

    def _cancel_batch(self, tenant: Tenant, job: Job, batch: Batch) -> Job:
        """Let a batch end: at once if nothing was handed out yet; otherwise its next turn cancels its children."""
        _check_not_ended(job)
        ending = replace(job, cancelling=True, updated_at=self._clock.now())
        if batch.lines is None and job.status is JobStatus.QUEUED:
            result = {"index": job.index, **batch.outcome()}
            ending = replace(ending, status=JobStatus.CANCELLED, error=CANCELLED, result=result)
        self._stores.table.write(self._stores.jobs.replacing(tenant, ending))
        if ending.status is JobStatus.CANCELLED:
            self._stores.blobs.delete([keys.manifest_blob(tenant, job.job_id)])
        else:
            messages.send(self._stores.queue, tenant, ending)  # at once; the one of this turn that comes later is void
        return ending

    def _retry_batch(self, tenant: Tenant, job: Job, batch: Batch) -> Job:
        """Let the turns of a batch begin again, to look through its children for those that failed."""
        if job.status not in ENDED:
            raise Conflict(f"Job {job.job_id} is {job.status}; only one that has ended can be retried.")
        if not batch.failed and not batch.cancelled:
            raise Conflict(f"Job {job.job_id} cannot be retried: none of its documents failed or was cancelled.")
        self._check_index(tenant, job, job.index or "")
        now = self._clock.now()
        anew = replace(
            batch, again=0, open=(), succeeded=0, failed=0, cancelled=0, failures=(), turn=batch.turn + 1, began_at=now
        )
        again = replace(
            _waiting_again(job, at=now), status=JobStatus.RUNNING, progress=Progress(stage="retrying"), batch=anew
        )
        self._stores.table.write(self._stores.jobs.replacing(tenant, again))
        messages.send(self._stores.queue, tenant, again)
        return again

    def _follower(self, document: Document, number: int, job: Job) -> list[Job]:
        """Give the job that tags the version before as the cancelled one would have been: that holds for it too."""
        if document.published is None or document.latest_version != number:
            return []
        return [retag_job(document, created_by=job.created_by, at=self._clock.now(), entropy=self._entropy)]

    def _check_newest(self, tenant: Tenant, job: Job, document: Document, number: int) -> None:
        """Raise `Conflict` unless the version can still become what readers see."""
        if document.status is DocumentStatus.DELETED:
            raise Conflict(f"Job {job.job_id} cannot be retried: its document was deleted.")
        if document.latest_version != number:
            raise Conflict(f"Job {job.job_id} cannot be retried: version {document.latest_version} came after its own.")
        if document.published is not None and document.published.version >= number:
            raise Conflict(f"Job {job.job_id} cannot be retried: its document is ready.")
        self._check_index(tenant, job, document.index)
        raw = keys.raw_blob(tenant, document.document_id, ingested_by(job.job_id))
        if job.source is None and self._stores.blobs.head(raw) is None:
            raise Conflict(f"Job {job.job_id} cannot be retried: its bytes never arrived. Submit the document again.")

    def _check_index(self, tenant: Tenant, job: Job, name: str) -> None:
        index = self._stores.indexes.find(tenant, name)
        if index is None or index.deleting:
            raise Conflict(f"Job {job.job_id} cannot be retried: the index {name!r} was deleted.")

    def _retry(self, tenant: Tenant, job: Job, document: Document, number: int) -> Job:
        now = self._clock.now()
        before, after = ingested_by(job.job_id, job.retries), ingested_by(job.job_id, job.retries + 1)
        version = self._stores.documents.version(tenant, document.document_id, number)
        again = replace(_waiting_again(job, at=now), retries=job.retries + 1)
        operations: list[Operation] = [
            self._stores.documents.replacing(tenant, standing.retried(document, number, before, now)),
            self._stores.documents.renaming_attempt(tenant, replace(version, attempt=after)),
            self._stores.jobs.replacing(tenant, again),
        ]
        self._stores.table.write(*operations)
        messages.send(self._stores.queue, tenant, again)
        return again


def _waiting_again(job: Job, *, at: datetime) -> Job:
    return replace(
        job,
        status=JobStatus.QUEUED,
        progress=Progress(),
        error=None,
        result=None,
        recoveries=0,
        cancelling=False,
        updated_at=at,
    )


def _check_not_ended(job: Job) -> None:
    if job.status in ENDED:
        raise Conflict(f"Job {job.job_id} has {job.status} already; there is nothing to cancel.")


def _cancellable(job: Job) -> tuple[DocumentId, int]:
    """Give the version that *job* works on. Raises `Conflict` unless it can be cancelled."""
    _check_not_ended(job)
    if job.kind is not JobKind.INGEST:
        raise Conflict(f"Job {job.job_id} is of the kind {job.kind}, which cannot be cancelled.")
    return _subject(job)


def _retriable(job: Job) -> tuple[DocumentId, int]:
    """Give the version that *job* worked on. Raises `Conflict` unless the job, for its part, can be retried."""
    if job.status not in {JobStatus.FAILED, JobStatus.CANCELLED}:
        raise Conflict(f"Job {job.job_id} is {job.status}; only one that failed or was cancelled can be retried.")
    if job.kind is not JobKind.INGEST:
        raise Conflict(f"Job {job.job_id} is of the kind {job.kind}, which cannot be retried; ask for it again.")
    if job.document_id is None:
        raise Conflict(f"Job {job.job_id} cannot be retried: its line holds no document. Mend the line.")
    if job.retries >= MAX_RETRIES:
        raise Conflict(f"Job {job.job_id} was retried {MAX_RETRIES} times; submit the document again.")
    return _subject(job)


def _subject(job: Job) -> tuple[DocumentId, int]:
    assert job.document_id is not None
    assert job.document_version is not None
    return job.document_id, job.document_version


def _restless(job_id: JobId) -> Conflict:
    return Conflict(f"Job {job_id} changed {UPDATE_TRIES} times meanwhile; try again.")
