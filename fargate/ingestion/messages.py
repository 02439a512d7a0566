"""What the ingestion queue carries: which job to do. The job's row says the rest."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from chalicelib.domain.access import Tenant
from chalicelib.domain.identifiers import JobId, TenantId
from chalicelib.domain.jobs import Job
from chalicelib.ports.queue import Queue, QueueName


def send(queue: Queue, tenant: Tenant, job: Job) -> None:
    """
    Queue *job* among its tenant's. Document and version are named for whoever looks at dead letters.

    Raises `Unavailable`.
    """
    body: dict[str, JsonValue] = {
        "tenant": tenant.tenant_id,
        "job_id": job.job_id,
        "document_id": job.document_id,
        "version": job.document_version,
    }
    queue.send(QueueName.INGESTION, body, group=tenant.tenant_id)


def read(body: Mapping[str, JsonValue]) -> tuple[Tenant, JobId]:
    """Give the tenant and job that *body* names. Raises `ValueError` for what `send` never wrote."""
    tenant_id, job_id = body.get("tenant"), body.get("job_id")
    if not isinstance(tenant_id, str) or not isinstance(job_id, str):
        raise ValueError("A message without tenant and job_id is none of ours.")  # noqa: TRY004 - it is data, not a type
    return Tenant(TenantId(tenant_id)), JobId(job_id)
