"""Schedules by name, and those that are due, of all tenants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from chalicelib.domain.access import Tenant
from chalicelib.domain.acting import PLATFORM, act_for
from chalicelib.domain.schedules import LastRun, Schedule, next_time
from chalicelib.errors import ConditionFailed, Conflict, NotFound
from chalicelib.ports.table import Delete, IndexName, Item, Put, Query, Table, TableName
from chalicelib.repositories import keys
from chalicelib.repositories.audit import Note, told
from chalicelib.repositories.codec import Codec
from chalicelib.repositories.versioned import all_beside

MAX_SCHEDULES = 200
CLAIM = timedelta(minutes=5)
"""Whoever took a due schedule and fell silent for so long did not do it."""

_schedules = Codec(Schedule)


class Schedules:
    """The schedules of all tenants; a person reaches those of one."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def all(self, tenant: Tenant) -> list[Schedule]:
        """Give every schedule, by name."""
        return [_schedules.load(item) for item in all_beside(self._table, keys.schedule(tenant, "*"), MAX_SCHEDULES)]

    def get(self, tenant: Tenant, name: str) -> Schedule:
        """Give the schedule. Raises `NotFound`."""
        item = self._table.get(keys.schedule(tenant, name))
        if item is None:
            raise NotFound(f"There is no schedule {name!r}.")
        return _schedules.load(item)

    def create(self, tenant: Tenant, schedule: Schedule, note: Note | None = None) -> Schedule:
        """Store a new schedule. Raises `Conflict` for a name that is taken, or too many."""
        if len(self.all(tenant)) >= MAX_SCHEDULES:
            raise Conflict(f"There are {MAX_SCHEDULES} schedules, which is as many as there can be; delete one first.")
        made = replace(schedule, version=1)
        try:
            self._table.write(Put(_item(tenant, made), if_absent=True), *told(note, None, _schedules.dump(made)))
        except ConditionFailed as lost:
            raise Conflict(f"A schedule {schedule.name!r} exists already; change it, or choose another name.") from lost
        return made

    def update(
        self, tenant: Tenant, name: str, change: Callable[[Schedule], Schedule], note: Note | None = None
    ) -> Schedule:
        """Store what *change* makes of the schedule. Raises `NotFound`, and `Conflict` if it changed meanwhile."""
        current = self.get(tenant, name)
        changed = replace(change(current), version=current.version + 1)
        event = told(note, _schedules.dump(current), _schedules.dump(changed))
        try:
            self._table.write(Put(_item(tenant, changed), if_version=current.version), *event)
        except ConditionFailed as lost:
            raise Conflict(f"Schedule {name!r} ran or was changed meanwhile; read it again.") from lost
        return changed

    def delete(self, tenant: Tenant, schedule: Schedule, note: Note | None = None) -> Schedule:
        """Take *schedule* away and give it. Raises `Conflict` if it has another version by now."""
        gone = Delete(keys.schedule(tenant, schedule.name), if_version=schedule.version)
        try:
            self._table.write(gone, *told(note, _schedules.dump(schedule), None))
        except ConditionFailed as lost:
            raise Conflict(f"Schedule {schedule.name!r} ran or was changed meanwhile; read it again.") from lost
        return schedule

    def due(self, now: datetime, *, limit: int = 50) -> list[tuple[Tenant, Schedule]]:
        """Give at most *limit* schedules whose time has come, of any tenant, longest due first."""
        last = _moment(now) + "~"
        with act_for(PLATFORM):
            page = self._table.query(
                Query(TableName.JOBS, keys.due_schedules(), IndexName.GSI1, last=last, limit=limit)
            )
        return [(keys.tenant_of(item.key), _schedules.load(item)) for item in page.items]

    def claim(self, tenant: Tenant, schedule: Schedule, now: datetime) -> Schedule | None:
        """Take a due schedule, so that nobody else runs it within `CLAIM`; None where somebody else was first."""
        taken = replace(schedule, next_at=now + CLAIM, version=schedule.version + 1)
        try:
            self._table.write(Put(_item(tenant, taken), if_version=schedule.version))
        except ConditionFailed:
            return None
        return taken

    def ran(self, tenant: Tenant, taken: Schedule, last: LastRun) -> None:
        """Note what came of a schedule that was taken, and when it is due next; one that changed meanwhile stays."""
        due = next_time(taken.cron, taken.time_zone, last.at)
        done = replace(taken, next_at=due, last=last, version=taken.version + 1)
        try:
            self._table.write(Put(_item(tenant, done), if_version=taken.version))
        except ConditionFailed:
            return


def _item(tenant: Tenant, schedule: Schedule) -> Item:
    key, due = keys.schedule(tenant, schedule.name), None
    if schedule.next_at is not None:
        due = keys.due_schedules(), f"{_moment(schedule.next_at)}#{tenant.tenant_id}#{schedule.name}"
    return Item(key, _schedules.dump(schedule), version=schedule.version, gsi1=due)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")
