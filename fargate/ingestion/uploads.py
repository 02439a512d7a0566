"""Jobs whose bytes are still to come."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.domain.access import Tenant
from chalicelib.domain.jobs import ENDED, Job, Progress
from chalicelib.ports.clock import Clock
from fargate.ingestion.intake import AWAITING_UPLOAD
from fargate.ingestion.stores import Stores


def awaits_upload(job: Job) -> bool:
    """Say whether the job has not begun because its bytes had not arrived."""
    return job.status not in ENDED and job.progress.stage == AWAITING_UPLOAD


def begin_after_upload(stores: Stores, clock: Clock, tenant: Tenant, job: Job) -> Job:
    """Note that the bytes of the job are here; give the job, to be queued."""

    def arrived(current: Job) -> Job:
        if not awaits_upload(current):
            return current
        return replace(current, progress=Progress(stage="queued"), updated_at=clock.now())

    return stores.jobs.update(tenant, job.job_id, arrived)
