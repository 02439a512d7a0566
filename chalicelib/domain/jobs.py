"""Long work as its owner sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from chalicelib.domain.batches import Batch
from chalicelib.domain.documents import Rejection
from chalicelib.domain.identifiers import DocumentId, Entropy, JobId, new_id


class JobKind(StrEnum):
    """What a job does."""

    INGEST = "ingest"
    DELETE = "delete"
    DELETE_INDEX = "delete_index"
    RETAG = "retag"
    SWEEP = "sweep"
    BATCH = "batch"


class JobStatus(StrEnum):
    """`queued` → `running` → one of the three ends."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = frozenset({JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED})


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is: *done* of *total* units of *stage*."""

    done: int = 0
    total: int = 0
    stage: str = "queued"
    rate_per_s: float | None = None
    eta_s: float | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of long work."""

    job_id: JobId
    kind: JobKind
    status: JobStatus
    created_at: datetime
    updated_at: datetime
    index: str | None = None
    document_id: DocumentId | None = None
    document_version: int | None = None
    progress: Progress = field(default_factory=Progress)
    error: Rejection | None = None
    result: Mapping[str, Any] | None = None
    created_by: str = ""
    recoveries: int = 0
    """How often its message was lost and sent again."""
    retries: int = 0
    """How often its owner let it start anew."""
    cancelling: bool = False
    """Whether its owner wants it to end; a worker that has it in hand ends it at its next step."""
    parent_id: JobId | None = None
    line: int | None = None
    """Which line of its parent's manifest it does, from 1."""
    source: str | None = None
    """Where its bytes lie in the import area, until it takes them over."""
    batch: Batch | None = None
    """What is handed out to its children, where it has some."""
    version: int = 0


def new_job(
    kind: JobKind, *, index: str, document_id: DocumentId | None, created_by: str, at: datetime, entropy: Entropy
) -> Job:
    """Give a job that waits to be done."""
    return Job(
        job_id=JobId(new_id("job", at, entropy)),
        kind=kind,
        status=JobStatus.QUEUED,
        created_at=at,
        updated_at=at,
        index=index,
        document_id=document_id,
        created_by=created_by,
    )
