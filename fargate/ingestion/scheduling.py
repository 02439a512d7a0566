"""Whoever looks, from time to time, which schedules are due, and lets them happen."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime

from chalicelib.contracts.schedules import ingestion_of
from chalicelib.domain.access import Principal, Role, Tenant
from chalicelib.domain.acting import act_for
from chalicelib.domain.identifiers import JobId
from chalicelib.domain.schedules import LastRun, Schedule, ScheduleKind
from chalicelib.errors import RagError
from chalicelib.observability.logs import get_logger
from chalicelib.observability.spans import span, start_trace
from chalicelib.ports.clock import Clock
from chalicelib.ports.services import Ingestor
from chalicelib.repositories.schedules import Schedules

EVERY_S = 30.0

log = get_logger(__name__)


class Scheduler:
    """
    Runs in every task of the ingestion service; of many, one takes each schedule that is due.

    A time that passed while nobody looked is made up for once. What a schedule asks for is done in its own name, with
    an editor's rights on its index and no other.
    """

    def __init__(self, schedules: Schedules, ingestor: Ingestor, clock: Clock) -> None:
        self._schedules = schedules
        self._ingestor = ingestor
        self._clock = clock

    async def run(self, stop: asyncio.Event, every_s: float = EVERY_S) -> None:
        """Look every *every_s* until *stop*; a look that fails is made again."""
        while not stop.is_set():
            try:
                await self.run_due()
            except Exception:  # the rim: whatever is wrong with a schedule or the store, the next look may go well
                log.exception("schedules_not_looked_at")
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), every_s)

    async def run_due(self) -> int:
        """Let every due schedule happen that nobody else has taken, and say how many did."""
        now = self._clock.now()
        due = await asyncio.to_thread(self._schedules.due, now)
        count = 0
        for tenant, schedule in due:
            with act_for(tenant):
                count += await self._run(tenant, schedule, now)
        return count

    async def _run(self, tenant: Tenant, schedule: Schedule, now: datetime) -> bool:
        taken = await asyncio.to_thread(self._schedules.claim, tenant, schedule, now)
        if taken is None:
            return False
        last = await self._happen(tenant, taken)
        await asyncio.to_thread(self._schedules.ran, tenant, taken, last)
        return True

    async def _happen(self, tenant: Tenant, schedule: Schedule) -> LastRun:
        start_trace()
        now = self._clock.now()
        with span("ingestion.schedule", kind=schedule.kind.value):
            try:
                job_id = await self._asked(_principal(tenant, schedule), schedule)
            except RagError as error:
                log.warning("schedule_failed", tenant=tenant.tenant_id, schedule=schedule.name, code=error.code)
                return LastRun(now, error=f"{error.code}: {error.detail}")
        log.info("schedule_ran", tenant=tenant.tenant_id, schedule=schedule.name, job_id=job_id)
        return LastRun(now, job_id)

    async def _asked(self, principal: Principal, schedule: Schedule) -> JobId:
        if schedule.kind is ScheduleKind.SWEEP:
            accepted = await self._ingestor.sweep(principal, schedule.index)
        else:
            accepted = await self._ingestor.ingest(principal, ingestion_of(schedule))
        return JobId(accepted.job.job_id)


def _principal(tenant: Tenant, schedule: Schedule) -> Principal:
    reach = frozenset({schedule.index})
    return Principal(tenant, f"schedule:{schedule.name}", frozenset({Role.EDITOR}), indexes=reach)
