"""Jobs: long work, and how far it is."""

from __future__ import annotations

from chalicelib.contracts.common import ListOf
from chalicelib.contracts.documents import JobAccepted, JobView
from chalicelib.contracts.queries import JobsQuery, NoQuery
from chalicelib.contracts.rendering import job_view
from chalicelib.domain.access import Permission, Principal, may_use_index
from chalicelib.domain.identifiers import JobId
from chalicelib.domain.jobs import Job
from chalicelib.edge.operations import Call, Resource
from chalicelib.repositories.jobs import missing

jobs = Resource("jobs", "Long work, and how far it is")


@jobs.get("/jobs", permission=Permission.KNOWLEDGE_READ, query=JobsQuery, returns=ListOf[JobView], summary="List jobs")
def list_jobs(call: Call[JobsQuery]) -> ListOf[JobView]:
    """Newest first, those on indexes within the caller's reach; with `parent` its children, in order of line."""
    asked = call.input
    parent = JobId(asked.parent) if asked.parent else None
    found, cursor = call.edge.jobs.list(
        call.principal.tenant, status=asked.status, limit=asked.limit, cursor=asked.cursor, parent=parent
    )
    return ListOf[JobView](items=[job_view(job) for job in found if _reaches(call.principal, job)], next_cursor=cursor)


@jobs.get("/jobs/{job_id}", permission=Permission.KNOWLEDGE_READ, query=NoQuery, returns=JobView, summary="Read a job")
def get_job(call: Call[NoQuery]) -> JobView:
    """Its status, progress and result, or the reason why it failed."""
    job = call.edge.jobs.get(call.principal.tenant, JobId(call.path["job_id"]))
    if not _reaches(call.principal, job):
        raise missing(job.job_id)
    return job_view(job)


@jobs.act("/jobs/{job_id}/cancel", permission=Permission.DOCUMENTS_WRITE, returns=JobAccepted, summary="Cancel a job")
def cancel_job(call: Call[NoQuery]) -> JobAccepted:
    """
    An ingestion that waits ends at once; one that runs ends at its next step, and what it made is removed. A version
    that was ready before stays as it was. A batch ends with all its children. Fails with 409 for a job that has ended,
    and for deletions.
    """
    return call.edge.wait(call.edge.ingestor.cancel(call.principal, JobId(call.path["job_id"])))


@jobs.act("/jobs/{job_id}/retry", permission=Permission.DOCUMENTS_WRITE, returns=JobAccepted, summary="Retry a job")
def retry_job(call: Call[NoQuery]) -> JobAccepted:
    """
    An ingestion that failed or was cancelled starts anew, with the bytes that were sent, as the same version of its
    document. Of a batch that has ended, all children that failed or were cancelled do. Fails with 409 where a newer
    version was submitted since, and for a job that has not failed.
    """
    return call.edge.wait(call.edge.ingestor.retry(call.principal, JobId(call.path["job_id"])))


def _reaches(principal: Principal, job: Job) -> bool:
    return job.index is None or may_use_index(principal, job.index)
