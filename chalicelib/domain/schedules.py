"""Schedules: work on an index that is done again and again without anybody asking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from chalicelib.domain.identifiers import JobId

NAME_PATTERN = r"^[a-z][a-z0-9-]{0,62}$"


class ScheduleKind(StrEnum):
    """`sync` takes in what lies in the index's import area; `sweep` looks for what no document accounts for."""

    SYNC = "sync"
    SWEEP = "sweep"


@dataclass(frozen=True, slots=True)
class LastRun:
    """When a schedule last ran, and the job that came of it, or why there is none."""

    at: datetime
    job_id: JobId | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """
    One schedule; *next_at* is when it is due, None while it is not enabled.

    *cron* is read in *time_zone*. *ingestion* says, as `IngestionCreate` does, what a `sync` takes in.
    """

    name: str
    kind: ScheduleKind
    index: str
    cron: str
    time_zone: str
    next_at: datetime | None
    created_at: datetime
    updated_at: datetime
    updated_by: str
    ingestion: Mapping[str, Any] | None = None
    last: LastRun | None = None
    version: int = 0


def next_time(cron: str, time_zone: str, after: datetime) -> datetime:
    """
    Give the first time after *after* that a cron expression of five fields names, in UTC.

    Times that a clock skips when summer begins are due when it goes on. Raises `ValueError`, with what is wrong, for an
    expression or a zone that there is not, and for one that names no time.
    """
    try:
        return next(CronSim(cron, after.astimezone(ZoneInfo(time_zone)))).astimezone(UTC)
    except (ZoneInfoNotFoundError, ValueError, IsADirectoryError) as unknown:
        raise ValueError(f"There is no time zone {time_zone[:64]!r}; write one such as Europe/Berlin.") from unknown
    except CronSimError as wrong:
        raise ValueError(f"{wrong} in {cron[:64]!r}; write five fields: minute hour day month weekday.") from wrong
    except StopIteration:
        raise ValueError(f"No time fits {cron[:64]!r}.") from None
