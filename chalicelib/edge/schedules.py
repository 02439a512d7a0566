"""Schedules: work on an index that is done again and again without anybody asking."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from chalicelib.contracts.common import ListOf
from chalicelib.contracts.documents import JobAccepted
from chalicelib.contracts.queries import NoQuery
from chalicelib.contracts.schedules import ScheduleCreate, SchedulePatch, ScheduleView, ingestion_of
from chalicelib.domain.access import Permission, may_use_index
from chalicelib.domain.schedules import Schedule, ScheduleKind, next_time
from chalicelib.edge.operations import SAME_ANSWER, Call, Resource
from chalicelib.errors import Conflict, InvalidRequest, NotFound

schedules = Resource("schedules", "Work on an index that is done without anybody asking")


@schedules.post(
    "/schedules",
    permission=Permission.DOCUMENTS_WRITE,
    body=ScheduleCreate,
    returns=ScheduleView,
    status=201,
    repeat=SAME_ANSWER,
    raises=(NotFound, Conflict),
    summary="Make a schedule",
)
def create_schedule(call: Call[ScheduleCreate]) -> ScheduleView:
    """
    It runs within half a minute of each time that it names; times that nobody was there for are made up for once.

    What it does it does in its own name (`schedule:…`), with an editor's rights on its index and no other.
    """
    given, now = call.input, call.edge.clock.now()
    call.edge.indexes.permitted(call.principal, given.index)
    due = _due(given.cron, given.time_zone, now)
    schedule = Schedule(
        given.name,
        given.kind,
        given.index,
        given.cron,
        given.time_zone,
        due if given.enabled else None,
        now,
        now,
        call.principal.subject,
        ingestion=given.ingestion.model_dump(mode="json") if given.ingestion else None,
    )
    note = call.note("schedule.create", f"schedules/{given.name}")
    return ScheduleView.model_validate(call.edge.schedules.create(call.principal.tenant, schedule, note))


@schedules.get(
    "/schedules",
    permission=Permission.DOCUMENTS_WRITE,
    query=NoQuery,
    returns=ListOf[ScheduleView],
    summary="List the schedules",
)
def list_schedules(call: Call[NoQuery]) -> ListOf[ScheduleView]:
    """By name, those of indexes within reach."""
    found = call.edge.schedules.all(call.principal.tenant)
    reached = [one for one in found if may_use_index(call.principal, one.index)]
    return ListOf[ScheduleView](items=[ScheduleView.model_validate(one) for one in reached])


@schedules.get(
    "/schedules/{schedule}",
    permission=Permission.DOCUMENTS_WRITE,
    query=NoQuery,
    returns=ScheduleView,
    revision=lambda view: view.revision,
    summary="Read a schedule",
)
def get_schedule(call: Call[NoQuery]) -> ScheduleView:
    """With when it is due, and what came of it last."""
    return ScheduleView.model_validate(_reached(call))


@schedules.patch(
    "/schedules/{schedule}",
    permission=Permission.DOCUMENTS_WRITE,
    body=SchedulePatch,
    returns=ScheduleView,
    revision=lambda view: view.revision,
    summary="Change a schedule",
)
def change_schedule(call: Call[SchedulePatch]) -> ScheduleView:
    """When it runs, whether it does, and what a sync takes in."""
    given, name, now = call.input, _reached(call).name, call.edge.clock.now()

    def change(schedule: Schedule) -> Schedule:
        call.check_version(f"Schedule {name!r}", schedule.version)
        if given.ingestion is not None and schedule.kind is not ScheduleKind.SYNC:
            raise InvalidRequest(f"Schedule {name!r} takes in nothing; leave out ingestion.")
        cron, zone = given.cron or schedule.cron, given.time_zone or schedule.time_zone
        enabled = schedule.next_at is not None if given.enabled is None else given.enabled
        return replace(
            schedule,
            cron=cron,
            time_zone=zone,
            next_at=_due(cron, zone, now) if enabled else None,
            ingestion=given.ingestion.model_dump(mode="json") if given.ingestion else schedule.ingestion,
            updated_at=now,
            updated_by=call.principal.subject,
        )

    note = call.note("schedule.change", f"schedules/{name}")
    return ScheduleView.model_validate(call.edge.schedules.update(call.principal.tenant, name, change, note))


@schedules.delete(
    "/schedules/{schedule}",
    permission=Permission.DOCUMENTS_WRITE,
    returns=ScheduleView,
    one_revision=True,
    summary="Delete a schedule",
)
def delete_schedule(call: Call[NoQuery]) -> ScheduleView:
    """Jobs that came of it go on."""
    schedule = _reached(call)
    call.check_version(f"Schedule {schedule.name!r}", schedule.version)
    note = call.note("schedule.delete", f"schedules/{schedule.name}")
    return ScheduleView.model_validate(call.edge.schedules.delete(call.principal.tenant, schedule, note))


@schedules.act(
    "/schedules/{schedule}/run",
    permission=Permission.DOCUMENTS_WRITE,
    returns=JobAccepted,
    summary="Run a schedule now",
)
def run_schedule(call: Call[NoQuery]) -> JobAccepted:
    """In the caller's name; when it is due next stays as it is."""
    schedule, ingestor = _reached(call), call.edge.ingestor
    if schedule.kind is ScheduleKind.SWEEP:
        return call.edge.wait(ingestor.sweep(call.principal, schedule.index))
    return call.edge.wait(ingestor.ingest(call.principal, ingestion_of(schedule)))


def _reached(call: Call[Any]) -> Schedule:
    """Give the schedule of the path, if its index is within reach. Raises `NotFound`."""
    schedule = call.edge.schedules.get(call.principal.tenant, call.path["schedule"])
    if not may_use_index(call.principal, schedule.index):
        raise NotFound(f"There is no schedule {schedule.name!r}.")
    return schedule


def _due(cron: str, time_zone: str, now: datetime) -> datetime:
    try:
        return next_time(cron, time_zone, now)
    except ValueError as wrong:
        place = "time_zone" if "time zone" in str(wrong) else "cron"
        raise InvalidRequest(f"The schedule is not valid. {wrong}", [{"loc": [place], "msg": str(wrong)}]) from wrong
