"""The seam for whoever counts: asked before every upstream call, told after it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from chalicelib.contracts.gateway import CallLabels
from chalicelib.domain.access import Principal
from chalicelib.domain.prices import Price, Tokens
from chalicelib.domain.routes import Deployment, RouteKind


@dataclass(frozen=True, slots=True)
class UpstreamCall:
    """
    One upstream call that is about to be made, number *attempt* (from 1) for the user's call *call_id*.

    *route* is what the user named; *deployment* may be a fallback's. No text has more tokens than *input_bytes*;
    *output_limit* is None where neither the request nor the price list bounds the answer. *price* None: unpriced.
    *deadline* is when the user's call must have ended, on the monotonic clock, in seconds.
    """

    call_id: str
    attempt: int
    principal: Principal
    kind: RouteKind
    route: str
    deployment: Deployment
    price: Price | None
    input_bytes: int
    output_limit: int | None
    user: str | None
    labels: CallLabels | None
    deadline: float


class CallStatus(StrEnum):
    """How an upstream call ended; `CANCELLED` is the user's doing, at whatever point."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What an upstream call came to.

    A stream that broke off, or was left, has the tokens of what was said until then; they are *estimated* where the
    provider did not say. *error* is a `FailureKind`. *partial_text* is what a broken or abandoned stream had said.
    """

    status: CallStatus
    tokens: Tokens
    cost_usd_micros: int
    latency_ms: float
    first_token_ms: float | None = None
    error: str | None = None
    upstream_status: int | None = None
    partial_text: str | None = None


@dataclass(frozen=True, slots=True)
class Reservation:
    """What was set aside for a call; `settle` gets it back. Meters subclass it to keep what they need."""

    call: UpstreamCall


class Meter(Protocol):
    """
    Counts upstream calls.

    Each `reserve` that returned is followed by exactly one `settle`, also where the call failed or was cancelled.
    """

    async def reserve(self, call: UpstreamCall) -> Reservation:
        """Set aside what *call* may come to at worst. An error raised here ends the user's call: nothing is sent."""
        ...

    def settle(self, reservation: Reservation, outcome: Outcome) -> None:
        """
        Replace what was set aside by what it came to, before anything is set aside that is asked for later.

        Nobody waits for that, so that nobody who leaves can break it off, and no answer is late for it.
        """
        ...


class NoMeter:
    """See `Meter`. Counts nothing and refuses nothing."""

    async def reserve(self, call: UpstreamCall) -> Reservation:
        """See `Meter.reserve`."""
        return Reservation(call)

    def settle(self, reservation: Reservation, outcome: Outcome) -> None:
        """See `Meter.settle`."""
