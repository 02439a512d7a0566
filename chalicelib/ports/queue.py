"""Work to be done at least once, shaped like SQS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from pydantic import JsonValue

MAX_DELIVERIES = 5
MAX_BODY_BYTES = 256_000
MAX_DELAY_S = 900
MAX_LEASE_S = 43_200
MAX_RECEIVE = 10
GROUP_PATTERN = r"[A-Za-z0-9_.-]{1,128}"


class QueueName(StrEnum):
    """One queue for each kind of worker."""

    INGESTION = "ingestion"
    EVALUATION = "evaluation"


@dataclass(frozen=True, slots=True)
class Delivery:
    """
    A message on loan until its lease ends.

    *receipt* belongs to this loan alone: a later delivery of the same message makes it void.
    *attempt* counts deliveries from 1.
    """

    message_id: str
    receipt: str
    body: Mapping[str, JsonValue]
    attempt: int


@dataclass(frozen=True, slots=True)
class Depth:
    """How much is in a queue: waiting, on loan, given up; *oldest_s* is the age of the oldest waiting message."""

    waiting: int
    leased: int
    dead: int
    oldest_s: float


class Queue(Protocol):
    """
    The work queue: every message is delivered until it is acknowledged, and may be delivered twice.

    A message not acknowledged by its `MAX_DELIVERIES`-th delivery goes to the dead letters. Messages may belong to a
    group, which is whose work it is: while several groups wait, the one with the least on loan is served first, so that
    nobody's backlog holds up the others.

    A lease is above 0 and at most `MAX_LEASE_S`. All calls are safe from any thread and raise `Unavailable` when the
    queue does not answer, `StorageFull` when there is no space left, and `InvalidRequest` for a number out of its
    bounds or a body over `MAX_BODY_BYTES` (its JSON in UTF-8).
    """

    def send(
        self, queue: QueueName, body: Mapping[str, JsonValue], *, group: str | None = None, delay_s: float = 0
    ) -> str:
        """
        Add a message of *group*, to be delivered after *delay_s* (0 to `MAX_DELAY_S`); give its id.

        A group's name is `GROUP_PATTERN`. The message is kept once this returns.
        """
        ...

    def receive(self, queue: QueueName, *, limit: int = 1, lease_s: float = 60) -> Sequence[Delivery]:
        """
        Borrow at most *limit* (1 to `MAX_RECEIVE`) messages for *lease_s*, the oldest of a group first as a rule.

        Gives nothing when none is ready: at once, or where asking again costs money, after waiting some seconds.
        """
        ...

    def extend(self, queue: QueueName, receipt: str, lease_s: float) -> None:
        """Let the loan end *lease_s* from now. Raises `Conflict` when the loan is over."""
        ...

    def ack(self, queue: QueueName, receipt: str) -> None:
        """Say that the work is done; a void receipt changes nothing."""
        ...

    def release(self, queue: QueueName, receipt: str, *, delay_s: float = 0) -> None:
        """Give the message back, to be delivered after *delay_s*; a void receipt changes nothing."""
        ...

    def depth(self, queue: QueueName) -> Depth:
        """Count; on AWS an estimate."""
        ...

    def dead(self, queue: QueueName, *, limit: int = 10) -> Sequence[Delivery]:
        """Look at *limit* (1 to `MAX_RECEIVE`) dead letters without taking them."""
        ...

    def redrive(self, queue: QueueName) -> int:
        """Put every dead letter back, its deliveries forgotten; give how many."""
        ...
