"""Schedules: work on an index that is done again and again without anybody asking."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from chalicelib.contracts.common import Identifier, IndexName, Metadata, RequestModel, ResponseModel, Timestamp
from chalicelib.contracts.documents import Acl
from chalicelib.contracts.indexes import Language
from chalicelib.contracts.ingestions import ImportPath, ImportPrefix, IngestionCreate
from chalicelib.domain.access import EVERYONE
from chalicelib.domain.schedules import NAME_PATTERN, Schedule, ScheduleKind

ScheduleName = Annotated[
    str,
    StringConstraints(pattern=NAME_PATTERN),
    Field(description="Lower-case letters, digits and hyphens, a letter first", examples=["nightly"]),
]
Cron = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    Field(description="Minute, hour, day, month, weekday, as crontab has them", examples=["30 2 * * 1-5"]),
]
TimeZone = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_+/-]+$"),
    Field(description="In which the cron expression is read", examples=["Europe/Berlin"]),
]


class ScheduledIngestion(RequestModel):
    """What is taken in each time: a *manifest*, or all files whose path begins with *prefix*."""

    manifest: ImportPath | None = None
    prefix: ImportPrefix | None = None
    language: Language | None = None
    metadata: Metadata = Field(default_factory=dict)
    acl: Acl = Field(default_factory=lambda: [EVERYONE])

    @model_validator(mode="after")
    def _one_source(self) -> ScheduledIngestion:
        if (self.manifest is None) is (self.prefix is None):
            raise ValueError("give exactly one of manifest and prefix")
        return self


class ScheduleCreate(RequestModel):
    """A new schedule; a `sync` says what it takes in."""

    name: ScheduleName
    kind: ScheduleKind = Field(strict=False)
    index: IndexName
    cron: Cron
    time_zone: TimeZone = "UTC"
    enabled: bool = True
    ingestion: ScheduledIngestion | None = None

    @model_validator(mode="after")
    def _fits(self) -> ScheduleCreate:
        if (self.kind is ScheduleKind.SYNC) is (self.ingestion is None):
            raise ValueError("a sync needs an ingestion, and nothing else takes one")
        return self


class SchedulePatch(RequestModel):
    """What is to change; what is left out stays."""

    cron: Cron | None = None
    time_zone: TimeZone | None = None
    enabled: bool | None = None
    ingestion: ScheduledIngestion | None = Field(None, description="Of a sync")


class LastRunView(ResponseModel):
    """When it ran, and the job that came of it, or why there is none."""

    at: Timestamp
    job_id: Identifier | None
    error: str | None


class ScheduleView(ResponseModel):
    """A schedule; *next_at* is null while it is not enabled."""

    name: str
    kind: ScheduleKind
    index: str
    cron: str
    time_zone: str
    next_at: Timestamp | None
    ingestion: ScheduledIngestion | None
    last: LastRunView | None
    created_at: Timestamp
    updated_at: Timestamp
    updated_by: str
    revision: int = Field(validation_alias="version")


def ingestion_of(schedule: Schedule) -> IngestionCreate:
    """Give what a `sync` asks for."""
    return IngestionCreate.model_validate({"index": schedule.index, **(schedule.ingestion or {})})
