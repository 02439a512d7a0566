"""Jobs by id, and a tenant's jobs newest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from chalicelib.domain.access import Tenant
from chalicelib.domain.acting import PLATFORM, act_for
from chalicelib.domain.identifiers import JobId
from chalicelib.domain.jobs import ENDED, Job, JobStatus
from chalicelib.errors import ConditionFailed, Conflict, NotFound
from chalicelib.ports.table import MAX_BATCH_GET, IndexName, Item, Operation, Put, Query, Table, TableName
from chalicelib.repositories import keys
from chalicelib.repositories.codec import Codec

UPDATE_TRIES = 20
_LOOKED_AT_A_PAGE = 1_000

_jobs = Codec(Job)


class Jobs:
    """The jobs of all tenants, one tenant at a time."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, tenant: Tenant, job_id: JobId) -> Job:
        """Give the job. Raises `NotFound`."""
        item = self._table.get(keys.job(tenant, job_id))
        if item is None:
            raise missing(job_id)
        return _jobs.load(item)

    def find(self, tenant: Tenant, job_id: JobId) -> Job | None:
        """Give the job, or None."""
        item = self._table.get(keys.job(tenant, job_id))
        return _jobs.load(item) if item else None

    def batch_get(self, tenant: Tenant, job_ids: Sequence[JobId]) -> dict[JobId, Job]:
        """Give those jobs that exist, of any number."""
        sought = [keys.job(tenant, one) for one in job_ids]
        found: list[Job] = []
        for start in range(0, len(sought), MAX_BATCH_GET):
            found += map(_jobs.load, self._table.batch_get(sought[start : start + MAX_BATCH_GET]))
        return {job.job_id: job for job in found}

    def adding(self, tenant: Tenant, job: Job) -> Operation:
        """Give the operation that stores a new job, to be written together with what it works on."""
        return Put(_item(tenant, job), if_absent=True)

    def replacing(self, tenant: Tenant, job: Job) -> Operation:
        """Give the operation that replaces a job as it was read by *job*, which has the same row version."""
        return Put(_item(tenant, job), if_version=job.version)

    def update(self, tenant: Tenant, job_id: JobId, change: Callable[[Job], Job], *, known: Job | None = None) -> Job:
        """
        Replace the job by what *change* makes of it, whatever others write meanwhile. Raises `NotFound`.

        *known* is how the job was read a moment ago, to save reading it again; a write shows whether it still is so.
        """
        for _ in range(UPDATE_TRIES):
            current, known = known or self.get(tenant, job_id), None
            changed = change(current)
            if changed == current:
                return current
            try:
                self._table.write(Put(_item(tenant, changed), if_version=current.version))
            except ConditionFailed:
                continue
            return replace(changed, version=current.version + 1)
        raise Conflict(f"Job {job_id} changed {UPDATE_TRIES} times while it was being updated; try again.")

    def list(
        self, tenant: Tenant, *, status: JobStatus | None, limit: int, cursor: str | None, parent: JobId | None = None
    ) -> tuple[list[Job], str | None]:
        """
        Give at most *limit* jobs, newest first, and the cursor of the next page: the children of *parent*, in order of
        line, or all that are nobody's children.
        """
        partition = keys.children_of(tenant, parent) if parent else keys.jobs_of(tenant)
        listed: list[Job] = []
        looked_at = 0
        while True:
            query = Query(TableName.JOBS, partition, IndexName.GSI1, descending=parent is None)
            page = self._table.query(replace(query, limit=limit - len(listed), cursor=cursor))
            listed += [job for job in map(_jobs.load, page.items) if status in (None, job.status)]
            looked_at += len(page.items)
            cursor = page.cursor
            if cursor is None or len(listed) >= limit or looked_at >= _LOOKED_AT_A_PAGE:
                return listed, cursor

    def failed(self, tenant: Tenant) -> Iterator[Job]:
        """Give the jobs of the tenant that failed, newest first, the children of a batch behind it."""
        for job in self._all(keys.jobs_of(tenant)):
            if job.status is JobStatus.FAILED:
                yield job
            if job.batch is not None and job.batch.failed:
                children = self._all(keys.children_of(tenant, job.job_id))
                yield from (child for child in children if child.status is JobStatus.FAILED)

    def unfinished(self, before: datetime) -> Iterator[tuple[Tenant, Job]]:
        """
        Give the jobs of all tenants that have not ended and were last written before *before*, with their tenants.

        They stand in a secondary index that a job leaves when it ends, so this costs what is unfinished, not what
        there ever was.
        """
        for shard in range(keys.UNFINISHED_SHARDS):
            cursor: str | None = None
            while True:
                query = Query(TableName.JOBS, keys.unfinished_jobs(shard), IndexName.GSI2, last=_moment(before))
                with act_for(PLATFORM):
                    page = self._table.query(replace(query, cursor=cursor))
                yield from ((keys.tenant_of(item.key), _jobs.load(item)) for item in page.items)
                if page.cursor is None:
                    break
                cursor = page.cursor

    def _all(self, partition: str) -> Iterator[Job]:
        cursor: str | None = None
        while True:
            query = Query(TableName.JOBS, partition, IndexName.GSI1, descending=True, cursor=cursor)
            page = self._table.query(query)
            yield from map(_jobs.load, page.items)
            if page.cursor is None:
                return
            cursor = page.cursor


def missing(job_id: JobId) -> NotFound:
    """Give what is raised for a job that does not exist or cannot be reached, the same for both."""
    return NotFound(f"There is no job {job_id}.")


def _item(tenant: Tenant, job: Job) -> Item:
    unfinished = (keys.unfinished_jobs(keys.shard_of(job.job_id)), f"{_moment(job.updated_at)}#{job.job_id}")
    return Item(
        keys.job(tenant, job.job_id),
        _jobs.dump(job),
        version=job.version + 1,
        gsi1=_listed(tenant, job),
        gsi2=None if job.status in ENDED else unfinished,
    )


def _listed(tenant: Tenant, job: Job) -> tuple[str, str]:
    if job.parent_id is None:
        return keys.jobs_of(tenant), job.job_id
    return keys.children_of(tenant, job.parent_id), f"{job.line or 0:08d}"


def _moment(at: datetime) -> str:
    # Written out to the microsecond in every case, so that the texts sort as the times do.
    return at.astimezone(UTC).isoformat(timespec="microseconds")
