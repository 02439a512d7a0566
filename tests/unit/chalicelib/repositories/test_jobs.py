"""Jobs as they are stored, and the list of those that have not ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from chalicelib.adapters.sqlite_table import SqliteTable
from chalicelib.domain.access import Tenant
from chalicelib.domain.batches import Batch
from chalicelib.domain.documents import Rejection
from chalicelib.domain.identifiers import DocumentId, JobId, TenantId
from chalicelib.domain.jobs import ENDED, Job, JobKind, JobStatus, Progress
from chalicelib.errors import NotFound
from chalicelib.repositories.jobs import Jobs
from tests.fakes.clock import HandClock

ACME = Tenant(TenantId("acme"))
RIVAL = Tenant(TenantId("rival"))
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
JOB = Job(
    JobId("job_1"), JobKind.INGEST, JobStatus.QUEUED, NOW, NOW, "handbook", DocumentId("doc_1"), 3,
    Progress(1, 2, "embedding", 0.5, 2.0), Rejection("internal", "It failed."), {"chunks": 2}, "ada", 1,
)  # fmt: skip


@pytest.fixture
def table(tmp_path: Path) -> Iterator[SqliteTable]:
    table = SqliteTable(tmp_path / "table.sqlite", HandClock())
    yield table
    table.close()


@pytest.fixture
def jobs(table: SqliteTable) -> Jobs:
    return Jobs(table)


def add(table: SqliteTable, job: Job, tenant: Tenant = ACME) -> None:
    table.write(Jobs(table).adding(tenant, job))


def test_a_job_comes_back_as_it_was_stored(table: SqliteTable, jobs: Jobs) -> None:
    """Every field survives; to another tenant it is missing."""
    add(table, JOB)
    assert jobs.get(ACME, JOB.job_id) == replace(JOB, version=1)
    with pytest.raises(NotFound):
        jobs.get(RIVAL, JOB.job_id)


def test_an_update_begins_again_from_what_others_wrote(table: SqliteTable, jobs: Jobs) -> None:
    """A reading that is out of date costs another try, and loses nothing."""
    add(table, JOB)
    known = jobs.get(ACME, JOB.job_id)
    jobs.update(ACME, JOB.job_id, lambda job: replace(job, created_by="eve"), known=known)
    updated = jobs.update(ACME, JOB.job_id, lambda job: replace(job, recoveries=2), known=known)
    assert (updated.created_by, updated.recoveries, updated.version) == ("eve", 2, 3)
    assert jobs.get(ACME, JOB.job_id) == updated


def test_jobs_are_listed_newest_first_and_by_status(table: SqliteTable, jobs: Jobs) -> None:
    """Only the tenant's own."""
    for number, status in enumerate(JobStatus):
        add(table, replace(JOB, job_id=JobId(f"job_{number}"), status=status))
    add(table, replace(JOB, job_id=JobId("job_9")), RIVAL)
    found, cursor = jobs.list(ACME, status=None, limit=10, cursor=None)
    assert ([job.job_id for job in found], cursor) == (["job_4", "job_3", "job_2", "job_1", "job_0"], None)
    found, _ = jobs.list(ACME, status=JobStatus.FAILED, limit=10, cursor=None)
    assert [job.job_id for job in found] == ["job_3"]


def test_only_jobs_that_have_not_ended_are_unfinished(table: SqliteTable, jobs: Jobs) -> None:
    """Of every tenant, each with its tenant; one that ends leaves the list."""
    for number, status in enumerate(JobStatus):
        add(table, replace(JOB, job_id=JobId(f"job_{number}"), status=status))
    add(table, replace(JOB, job_id=JobId("job_9")), RIVAL)
    later = NOW + timedelta(seconds=1)
    assert {(tenant.tenant_id, job.job_id) for tenant, job in jobs.unfinished(later)} == {
        ("acme", "job_0"), ("acme", "job_1"), ("rival", "job_9"),
    }  # fmt: skip
    for status in ENDED:
        jobs.update(ACME, JobId("job_1"), lambda job, status=status: replace(job, status=status))  # type: ignore[misc]
    jobs.update(RIVAL, JobId("job_9"), lambda job: replace(job, status=JobStatus.CANCELLED))
    assert {job.job_id for _, job in jobs.unfinished(later)} == {"job_0"}


def test_a_job_written_to_lately_is_not_among_the_unfinished_of_before(table: SqliteTable, jobs: Jobs) -> None:
    """Times compare as times, with or without a fraction, in whatever zone they are told."""
    elsewhere = timezone(timedelta(hours=5))
    add(table, replace(JOB, updated_at=NOW + timedelta(microseconds=5)))
    assert list(jobs.unfinished(NOW)) == []
    assert list(jobs.unfinished((NOW + timedelta(microseconds=5)).astimezone(elsewhere))) == []
    assert len(list(jobs.unfinished((NOW + timedelta(microseconds=6)).astimezone(elsewhere)))) == 1
    assert len(list(jobs.unfinished(NOW + timedelta(seconds=1)))) == 1
    jobs.update(ACME, JOB.job_id, lambda job: replace(job, updated_at=NOW + timedelta(hours=1)))
    assert list(jobs.unfinished(NOW + timedelta(seconds=1))) == []


def test_any_number_of_unfinished_jobs_is_found(table: SqliteTable, jobs: Jobs) -> None:
    """Page after page, each once."""
    names = {f"job_{number:04d}" for number in range(450)}
    for name in names:
        add(table, replace(JOB, job_id=JobId(name)))
    found = [job.job_id for _, job in jobs.unfinished(NOW + timedelta(seconds=1))]
    assert (len(found), set(found)) == (450, names)


def test_children_are_listed_by_their_parent(table: SqliteTable, jobs: Jobs) -> None:
    """In order of line, in no other list, and to no other tenant."""
    parent = replace(JOB, kind=JobKind.BATCH, batch=Batch(lines=3, failed=1))
    add(table, parent)
    for line, status in ((12, JobStatus.FAILED), (2, JobStatus.SUCCEEDED), (3, JobStatus.QUEUED)):
        child = replace(JOB, job_id=JobId(f"job_c{line}"), parent_id=parent.job_id, line=line, status=status)
        add(table, child)
    found, cursor = jobs.list(ACME, status=None, limit=2, cursor=None, parent=parent.job_id)
    rest, _ = jobs.list(ACME, status=None, limit=2, cursor=cursor, parent=parent.job_id)
    assert [job.line for job in (*found, *rest)] == [2, 3, 12]
    assert [job.job_id for job in jobs.list(ACME, status=None, limit=9, cursor=None)[0]] == [parent.job_id]
    assert jobs.list(RIVAL, status=None, limit=9, cursor=None, parent=parent.job_id)[0] == []
    assert [job.job_id for job in jobs.failed(ACME)] == ["job_c12"]
    assert [job.job_id for job in jobs.batch_get(ACME, [JobId("job_c3"), JobId("job_none")]).values()] == ["job_c3"]
    assert jobs.find(RIVAL, parent.job_id) is None
