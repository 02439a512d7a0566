"""
Jobs whose message was lost are queued again.

A message is lost when the process died, or the queue failed, between storing the job and queueing it, or when a worker
died at every delivery. Jobs that have not ended stand in a secondary index over all tenants, which a job leaves when
it ends: that costs nothing beyond the job's own row, cannot disagree with it, and is as short as the work that is open.
A job that nobody has written to for a while, and whose message cannot be among those waiting because they are
younger, gets a new message. Should the old one turn up after all, the job is done twice, which does no harm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chalicelib.domain.access import Tenant
from chalicelib.domain.acting import act_for
from chalicelib.domain.documents import Rejection
from chalicelib.domain.identifiers import ingested_by
from chalicelib.domain.jobs import Job, JobKind
from chalicelib.observability.logs import get_logger
from chalicelib.ports.clock import Clock
from chalicelib.ports.queue import QueueName
from chalicelib.repositories import keys
from fargate.ingestion import messages
from fargate.ingestion.pipeline import Pipeline
from fargate.ingestion.stores import Stores
from fargate.ingestion.tracking import INTERNAL, Tracker
from fargate.ingestion.uploads import awaits_upload, begin_after_upload

STALE_AFTER_S = 900
"""Longer than a message is ever held back, and than a worker at work goes without writing to its job."""

UPLOAD_WAIT_S = 2 * 3_600
"""Longer than an upload stays open."""

MAX_RECOVERIES = 3

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Recovery:
    """Finds them and queues them; safe to run anywhere, any number of times, by several at once."""

    stores: Stores
    pipeline: Pipeline
    clock: Clock

    def recover(self) -> int:
        """Look through the jobs of all tenants; give how many were queued again or given up."""
        before = self._untouched_since()
        return sum(self._recover(tenant, job, before) for tenant, job in self.stores.jobs.unfinished(before))

    def begin_uploads(self) -> int:
        """Begin with files that were uploaded, where nothing tells of them; give how many."""
        unfinished = self.stores.jobs.unfinished(self.clock.now())
        return sum(self._begin_upload(tenant, job) for tenant, job in unfinished if awaits_upload(job))

    def _begin_upload(self, tenant: Tenant, job: Job) -> bool:
        with act_for(tenant):
            return self._begun(tenant, job)

    def _untouched_since(self) -> datetime:
        oldest_waiting_s = self.stores.queue.depth(QueueName.INGESTION).oldest_s
        return self.clock.now() - timedelta(seconds=STALE_AFTER_S + oldest_waiting_s)

    def _recover(self, tenant: Tenant, job: Job, before: datetime) -> bool:
        with act_for(tenant):
            if awaits_upload(job):
                return self._recover_upload(tenant, job)
            return self._recover_work(tenant, job, before)

    def _recover_work(self, tenant: Tenant, job: Job, before: datetime) -> bool:
        if job.recoveries >= MAX_RECOVERIES:
            why = f"It was begun {MAX_RECOVERIES + 1} times and its worker never came to an end."
            self._give_up(tenant, job, Rejection(INTERNAL, why))
            return True
        return self._requeue(tenant, job, before)

    def _requeue(self, tenant: Tenant, job: Job, before: datetime) -> bool:
        now = self.clock.now()

        def claimed(current: Job) -> Job:
            # Of several that find the job at once, one alone writes here and sends the message.
            if current.updated_at > before:
                return current
            return replace(current, recoveries=current.recoveries + 1, updated_at=now)

        current = self.stores.jobs.update(tenant, job.job_id, claimed)
        if current.version == job.version:
            return False
        _log.warning("job_requeued", job_id=job.job_id, recoveries=current.recoveries)
        messages.send(self.stores.queue, tenant, current)
        return True

    def _recover_upload(self, tenant: Tenant, job: Job) -> bool:
        if self._begun(tenant, job):
            return True
        if job.created_at > self.clock.now() - timedelta(seconds=UPLOAD_WAIT_S):
            return False
        self._give_up(tenant, job, Rejection("upload_expired", "Its bytes were never uploaded; submit it again."))
        return True

    def _begun(self, tenant: Tenant, job: Job) -> bool:
        assert job.document_id is not None
        if self.stores.blobs.head(keys.raw_blob(tenant, job.document_id, ingested_by(job.job_id))) is None:
            return False
        messages.send(self.stores.queue, tenant, begin_after_upload(self.stores, self.clock, tenant, job))
        return True

    def _give_up(self, tenant: Tenant, job: Job, why: Rejection) -> None:
        _log.error("job_given_up", job_id=job.job_id, code=why.code)
        if job.kind is JobKind.INGEST:
            self.pipeline.fail(tenant, job, why)
        else:
            Tracker(self.stores.jobs, self.clock, tenant, job).fail(why)
