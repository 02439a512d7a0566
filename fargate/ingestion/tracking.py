"""A job's own record of how far it is and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from chalicelib.domain.access import Tenant
from chalicelib.domain.documents import Rejection
from chalicelib.domain.jobs import ENDED, Job, JobStatus, Progress
from chalicelib.ports.clock import Clock
from chalicelib.repositories.jobs import Jobs

INTERNAL = "internal"
"""The code of a failure that was nobody's but ours; such a job is done again when its message comes again."""

REPORT_EVERY_S = 1.0


def is_to_be_done(job: Job) -> bool:
    """Say whether a message that names *job* still asks for work."""
    ended_well = job.error is None or job.error.code != INTERNAL
    return job.status not in ENDED or (job.status is JobStatus.FAILED and not ended_well)


class Tracker:
    """
    Writes one job's row: when it starts, when it ends, and in between at most once a second.

    A job that ended, or that its owner let start anew, stays as it is, whatever a worker that lost its lease still has
    to say.
    """

    def __init__(self, jobs: Jobs, clock: Clock, tenant: Tenant, job: Job) -> None:
        self._jobs = jobs
        self._clock = clock
        self._tenant = tenant
        self._job = job
        self._retries = job.retries
        self._reported_at = clock.monotonic()
        self._counting_since: float | None = None

    @property
    def created_by(self) -> str:
        """Who asked for the job."""
        return self._job.created_by

    def start(self, stage: str, *, result: Mapping[str, Any] | None = None) -> None:
        """Say that work begins; *result* is what is known of its outcome already."""

        def begin(job: Job) -> Job:
            if not is_to_be_done(job) or job.retries != self._retries:
                return job
            progress = Progress(stage=stage)
            return replace(
                job,
                status=JobStatus.RUNNING,
                progress=progress,
                error=None,
                result=result,
                updated_at=self._clock.now(),
            )

        self._job = self._jobs.update(self._tenant, self._job.job_id, begin, known=self._job)

    def report(self, stage: str, done: int, total: int) -> None:
        """Say how far it is; the first call of these starts the clock of the rate."""
        now = self._clock.monotonic()
        if self._counting_since is None:
            self._counting_since = now
        if now - self._reported_at < REPORT_EVERY_S:
            return
        self._reported_at = now
        elapsed = now - self._counting_since
        rate = done / elapsed if done and elapsed > 0 else None
        eta = (total - done) / rate if rate else None
        self._change(lambda job: replace(job, progress=Progress(done, total, stage, rate, eta)))

    def succeed(self, result: Mapping[str, Any], units: int) -> None:
        """End well, after *units* of whatever the job counts."""
        progress = Progress(units, units, "done")
        self._change(lambda job: replace(job, status=JobStatus.SUCCEEDED, progress=progress, result=result))

    def fail(self, why: Rejection) -> None:
        """End badly."""
        self._change(lambda job: replace(job, status=JobStatus.FAILED, error=why))

    def cancel(self, why: Rejection) -> None:
        """End because there is nothing left to do it for."""
        self._change(lambda job: replace(job, status=JobStatus.CANCELLED, error=why))

    def _change(self, change: Callable[[Job], Job]) -> None:
        def unless_ended(job: Job) -> Job:
            if job.status in ENDED or job.retries != self._retries:
                return job
            return replace(change(job), updated_at=self._clock.now())

        self._job = self._jobs.update(self._tenant, self._job.job_id, unless_ended, known=self._job)
