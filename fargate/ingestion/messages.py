"""
What the ingestion queue carries: which job to do, whose row says the rest.

On AWS it also carries which raw blob has arrived, as an EventBridge rule writes it: ``{"uploaded": "<path>"}``.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from chalicelib.domain.access import Tenant
from chalicelib.domain.identifiers import JobId, TenantId
from chalicelib.domain.jobs import Job
from chalicelib.observability.spans import trace_header
from chalicelib.ports.blobs import BlobKey, Bucket
from chalicelib.ports.queue import Queue, QueueName

_BATCHES = ".batches"


def send(queue: Queue, tenant: Tenant, job: Job, *, delay_s: float = 0) -> None:
    """
    Queue *job* among its tenant's, to be done in the trace of whoever asks for it; a batch's children have their own.

    Document and version are named for whoever looks at dead letters.

    A batch's message names its turn, and does not wait behind the batch's own children. Raises `Unavailable`.
    """
    body: dict[str, JsonValue] = {
        "tenant": tenant.tenant_id,
        "job_id": job.job_id,
        "document_id": job.document_id,
        "version": job.document_version,
        "trace": trace_header() if job.parent_id is None else None,
    }
    group: str = tenant.tenant_id
    if job.batch is not None:
        body["turn"] = job.batch.turn
        group += _BATCHES
    queue.send(QueueName.INGESTION, body, group=group, delay_s=delay_s)


def arrived(body: Mapping[str, JsonValue]) -> BlobKey | None:
    """Give the raw blob whose arrival *body* tells of, or None where it tells of a job."""
    path = body.get("uploaded")
    return BlobKey(Bucket.RAW, path) if isinstance(path, str) else None


def turn_of(body: Mapping[str, JsonValue]) -> int:
    """Give the turn that a batch's message names. Raises `ValueError` for what `send` never wrote."""
    turn = body.get("turn")
    if not isinstance(turn, int):
        raise ValueError("A message without a turn is of no batch.")  # noqa: TRY004 - it is data, not a type
    return turn


def trace_of(body: Mapping[str, JsonValue]) -> str | None:
    """Give the header of the trace that the message goes on with, if it names one."""
    trace = body.get("trace")
    return trace if isinstance(trace, str) else None


def read(body: Mapping[str, JsonValue]) -> tuple[Tenant, JobId]:
    """Give the tenant and job that *body* names. Raises `ValueError` for what `send` never wrote."""
    tenant_id, job_id = body.get("tenant"), body.get("job_id")
    if not isinstance(tenant_id, str) or not isinstance(job_id, str):
        raise ValueError("A message without tenant and job_id is none of ours.")  # noqa: TRY004 - it is data, not a type
    return Tenant(TenantId(tenant_id)), JobId(job_id)
