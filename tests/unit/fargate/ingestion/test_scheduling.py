"""Schedules that are due, and who lets them happen."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from chalicelib.adapters.sqlite_table import SqliteTable
from chalicelib.contracts.ingestions import IngestionCreate
from chalicelib.domain.access import Permission, Principal, Tenant, allows, may_use_index
from chalicelib.domain.identifiers import TenantId
from chalicelib.domain.schedules import LastRun, Schedule, ScheduleKind, next_time
from chalicelib.errors import NotFound
from chalicelib.repositories.schedules import CLAIM, Schedules
from fargate.ingestion.scheduling import Scheduler
from tests.fakes.clock import HandClock
from tests.fakes.scripted_services import ScriptedIngestor

ACME, RIVAL = Tenant(TenantId("acme")), Tenant(TenantId("rival"))
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR_S = 3_600.0


@pytest.fixture
def clock() -> HandClock:
    return HandClock(NOON)


@pytest.fixture
def schedules(tmp_path: Path, clock: HandClock) -> Iterator[Schedules]:
    table = SqliteTable(tmp_path / "table.sqlite", clock)
    yield Schedules(table)
    table.close()


def made(schedules: Schedules, name: str = "hourly", tenant: Tenant = ACME, **fields: Any) -> Schedule:
    """Store a schedule of every full hour."""
    kind = fields.pop("kind", ScheduleKind.SWEEP)
    due = next_time("0 * * * *", "UTC", NOON)
    schedule = Schedule(name, kind, "handbook", "0 * * * *", "UTC", due, NOON, NOON, "ann", **fields)
    return schedules.create(tenant, schedule)


def ran(schedules: Schedules, clock: HandClock, ingestor: ScriptedIngestor) -> int:
    return asyncio.run(Scheduler(schedules, ingestor, clock).run_due())


def test_a_schedule_happens_when_it_is_due_and_once(schedules: Schedules, clock: HandClock) -> None:
    """Not before, and not again until the next time; it says what came of it."""
    made(schedules)
    ingestor = ScriptedIngestor()
    assert ran(schedules, clock, ingestor) == 0
    clock.advance(HOUR_S)
    assert [ran(schedules, clock, ingestor) for _ in range(3)] == [1, 0, 0]
    schedule = schedules.get(ACME, "hourly")
    assert schedule.last is not None
    assert (schedule.last.at, schedule.last.error) == (clock.now(), None)
    assert schedule.last.job_id
    assert schedule.next_at == datetime(2026, 11, 23, 14, tzinfo=UTC)


def test_it_acts_in_its_own_name_on_its_index_alone(schedules: Schedules, clock: HandClock) -> None:
    """With what the kind needs and no more."""
    made(schedules, kind=ScheduleKind.SYNC, ingestion={"prefix": "2026/", "acl": ["hr"]})
    clock.advance(HOUR_S)
    ingestor = ScriptedIngestor()
    ran(schedules, clock, ingestor)
    ((principal, request),) = ingestor.asked
    assert isinstance(principal, Principal)
    assert (principal.tenant, principal.subject) == (ACME, "schedule:hourly")
    assert allows(principal, Permission.DOCUMENTS_WRITE)
    assert not allows(principal, Permission.RELEASES_WRITE)
    assert may_use_index(principal, "handbook")
    assert not may_use_index(principal, "wiki")
    assert request == IngestionCreate(index="handbook", prefix="2026/", acl=["hr"])


def test_times_that_passed_are_made_up_for_once(schedules: Schedules, clock: HandClock) -> None:
    """After a day without anybody it runs once, and then at the next hour."""
    made(schedules)
    clock.advance(24.5 * HOUR_S)
    ingestor = ScriptedIngestor()
    assert [ran(schedules, clock, ingestor) for _ in range(2)] == [1, 0]
    assert schedules.get(ACME, "hourly").next_at == datetime(2026, 11, 24, 13, tzinfo=UTC)


def test_of_many_tasks_one_runs_it(schedules: Schedules, clock: HandClock) -> None:
    """Twenty look at the same moment."""
    for name in ("a", "b", "c"):
        made(schedules, name)
    clock.advance(HOUR_S)
    ingestor = ScriptedIngestor()

    async def all_look() -> list[int]:
        return await asyncio.gather(*(Scheduler(schedules, ingestor, clock).run_due() for _ in range(20)))

    assert sum(asyncio.run(all_look())) == len(ingestor.asked) == 3


def test_one_that_was_taken_and_not_done_is_taken_again(schedules: Schedules, clock: HandClock) -> None:
    """Whoever took it died: a few minutes later it is due again."""
    made(schedules)
    clock.advance(HOUR_S)
    ((tenant, due),) = schedules.due(clock.now())
    assert schedules.claim(tenant, due, clock.now()) is not None
    ingestor = ScriptedIngestor()
    assert ran(schedules, clock, ingestor) == 0
    clock.advance(CLAIM.total_seconds())
    assert ran(schedules, clock, ingestor) == 1


def test_what_fails_is_told_and_stops_nobody_else(schedules: Schedules, clock: HandClock) -> None:
    """The index is gone, say; the next time it is tried again."""
    made(schedules)
    made(schedules, "theirs", RIVAL)
    clock.advance(HOUR_S)
    assert ran(schedules, clock, ScriptedIngestor(failure=NotFound("There is no index 'handbook'."))) == 2
    last = schedules.get(ACME, "hourly").last
    assert last is not None
    assert (last.job_id, last.error) == (None, "not_found: There is no index 'handbook'.")
    clock.advance(HOUR_S)
    assert ran(schedules, clock, ScriptedIngestor()) == 2


def test_one_that_is_not_enabled_is_never_due(schedules: Schedules, clock: HandClock) -> None:
    """Nor one that was changed while it ran: the change stays."""
    schedule = made(schedules)
    clock.advance(HOUR_S)
    ((tenant, due),) = schedules.due(clock.now())
    taken = schedules.claim(tenant, due, clock.now())
    assert taken is not None
    schedules.update(ACME, schedule.name, lambda one: replace(one, next_at=None))
    schedules.ran(ACME, taken, LastRun(clock.now()))
    clock.advance(24 * HOUR_S)
    assert schedules.due(clock.now()) == []


def test_the_loop_looks_until_it_is_told_to_stop(schedules: Schedules, clock: HandClock) -> None:
    """And goes on after a look that failed."""
    made(schedules)
    clock.advance(HOUR_S)
    ingestor = ScriptedIngestor(failure=ValueError("unforeseen"))

    async def scenario() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(Scheduler(schedules, ingestor, clock).run(stop, 0.001))
        while not ingestor.asked:
            await asyncio.sleep(0.001)
        ingestor.failure = None
        clock.advance(CLAIM.total_seconds())
        while schedules.get(ACME, "hourly").last is None:
            await asyncio.sleep(0.001)
        stop.set()
        await running

    asyncio.run(scenario())
