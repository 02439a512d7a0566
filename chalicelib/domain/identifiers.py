"""Typed, sortable identifiers: a prefix that says what it names, then time and chance in Crockford's base 32."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NewType

TenantId = NewType("TenantId", str)
DocumentId = NewType("DocumentId", str)
AttemptId = NewType("AttemptId", str)
ChunkId = NewType("ChunkId", str)
JobId = NewType("JobId", str)
RunId = NewType("RunId", str)
ReleaseId = NewType("ReleaseId", str)
KeyId = NewType("KeyId", str)
FeedbackId = NewType("FeedbackId", str)

ID_PATTERN = r"^[A-Za-z0-9_-]{1,64}$"
TENANT_PATTERN = r"^[a-z0-9][a-z0-9-]{1,18}[a-z0-9]$"
# With a tenant's id (at most 20 characters) and a generation number, it fits into a vector index's 63 characters.
INDEX_NAME_PATTERN = r"^[a-z0-9][a-z0-9-]{1,30}[a-z0-9]$"

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_RETRY = "-"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME_DIGITS = 10
_CHANCE_DIGITS = 16

Entropy = Callable[[int], bytes]


def new_id(prefix: str, at: datetime, entropy: Entropy = secrets.token_bytes) -> str:
    """
    Make ``<prefix>_`` and 26 digits: 48 bits of milliseconds, then 80 bits of *entropy*.

    Ids of one prefix sort by time of making, to the millisecond. Layout as in the ULID specification, in lower case.
    """
    milliseconds = (at - _EPOCH) // timedelta(milliseconds=1)  # exact, which seconds in a float are not
    return f"{prefix}_{_digits(milliseconds, _TIME_DIGITS)}{_digits(int.from_bytes(entropy(10)), _CHANCE_DIGITS)}"


def first_id_at(prefix: str, at: datetime) -> str:
    """Give what sorts before every id of *prefix* that `new_id` makes at or after *at*, and after all older ones."""
    return f"{prefix}_{_digits((at - _EPOCH) // timedelta(milliseconds=1), _TIME_DIGITS)}"


def derived_id(prefix: str, origin: str, *parts: str) -> str:
    """Name what follows from *origin*, an id: the same parts always give the same name, which sorts beside it."""
    digest = hashlib.sha256("\0".join((origin, *parts)).encode()).digest()
    time_digits = origin.rpartition("_")[2][:_TIME_DIGITS]
    return f"{prefix}_{time_digits}{_digits(int.from_bytes(digest[:10]), _CHANCE_DIGITS)}"


def chunk_id(attempt: AttemptId, ordinal: int) -> ChunkId:
    """Name the chunk at *ordinal* of an ingestion attempt; the same attempt always gives the same names."""
    return ChunkId(f"chk_{attempt.removeprefix('att_')}_{ordinal:05d}")


def attempt_of(chunk: str) -> AttemptId:
    """Give the ingestion attempt that made *chunk*."""
    return AttemptId("att_" + chunk.removeprefix("chk_").rpartition("_")[0])


def ordinal_of(chunk: str) -> int:
    """Give the place of *chunk* among those of its attempt."""
    return int(chunk.rpartition("_")[2])


def ingest_job_of(attempt: AttemptId) -> JobId:
    """Name the job that ingests what *attempt* names, so that the one leads to the other without a lookup."""
    return JobId("job_" + first_of(attempt).removeprefix("att_"))


def ingested_by(job_id: JobId, retries: int = 0) -> AttemptId:
    """
    Give back the attempt whose job `ingest_job_of` named; after *retries* of the job, the attempt of the last one.

    Each retry has an attempt of its own, so that a worker that is late with the one before cannot touch what it makes.
    """
    first = "att_" + job_id.removeprefix("job_")
    return AttemptId(f"{first}{_RETRY}{retries}" if retries else first)


def first_of(attempt: AttemptId) -> AttemptId:
    """Give the first attempt at what *attempt* is a retry of; the bytes that were sent bear its name."""
    return AttemptId(attempt.partition(_RETRY)[0])


def is_id(text: str) -> bool:
    """Say whether *text* has the form of an identifier."""
    return re.fullmatch(ID_PATTERN, text) is not None


def is_tenant_id(text: str) -> bool:
    """Say whether *text* may be a tenant's id; nothing else may come near a partition key."""
    return re.fullmatch(TENANT_PATTERN, text) is not None


def _digits(number: int, width: int) -> str:
    return "".join([_PAIRS[(number >> (5 * place)) & 1_023] for place in range(width - 2, -1, -2)])
