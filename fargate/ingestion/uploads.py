"""Jobs whose bytes are still to come."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.domain.access import Tenant
from chalicelib.domain.acting import act_for
from chalicelib.domain.identifiers import ingest_job_of
from chalicelib.domain.jobs import ENDED, Job, Progress
from chalicelib.errors import NotFound
from chalicelib.ports.blobs import BlobKey
from chalicelib.ports.clock import Clock
from chalicelib.repositories import keys
from fargate.ingestion import messages
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


def queue_arrived(stores: Stores, clock: Clock, key: BlobKey) -> None:
    """
    Queue the job whose raw bytes arrived at *key*; to be told twice does no harm.

    Raises `NotFound` for a key that no upload was opened for, or that holds nothing.
    """
    try:
        tenant, document_id, attempt = keys.blob_owner(key)
    except ValueError:
        raise NotFound(f"No upload was opened for {key.path!r}.") from None
    with act_for(tenant):
        job = stores.jobs.get(tenant, ingest_job_of(attempt))
        if job.document_id != document_id or stores.blobs.head(key) is None:
            raise NotFound(f"No upload has arrived at {key.path!r}.")
        if awaits_upload(job):
            messages.send(stores.queue, tenant, begin_after_upload(stores, clock, tenant, job))
