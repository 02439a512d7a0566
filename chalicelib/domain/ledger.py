"""What each upstream call came to, and the sums of it; no text of a call is among it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date, datetime
from enum import StrEnum

from chalicelib.domain.routes import RouteKind


class EntryStatus(StrEnum):
    """How a call ended; of one that is `LOST`, the process died before it told."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """
    One upstream call, number *attempt* of the user's call *call_id*, begun *at*.

    *key* is the API key it was made with, *user* whom it was for. *cost_usd_micros* is 0 where it is *unpriced*.
    Tokens are *estimated* where the provider did not say.
    """

    call_id: str
    attempt: int
    at: datetime
    subject: str
    key: str | None
    user: str | None
    route: str
    model: str
    kind: RouteKind
    price_source: str | None
    unpriced: bool
    run_id: str | None = None
    release: str | None = None
    purpose: str | None = None
    status: EntryStatus = EntryStatus.LOST
    error: str | None = None
    upstream_status: int | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    searches: int = 0
    estimated: bool = True
    cost_usd_micros: int = 0
    latency_ms: float = 0.0
    first_token_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over calls."""

    calls: int = 0
    failed_calls: int = 0
    unpriced_calls: int = 0
    estimated_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cost_usd_micros: int = 0

    def plus(self, other: Totals) -> Totals:
        """Give the sums over both."""
        return Totals(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(Totals)))

    def minus(self, other: Totals) -> Totals:
        """Give the sums over what *other*, a part of it, does not sum up."""
        return Totals(*(getattr(self, one.name) - getattr(other, one.name) for one in fields(Totals)))


@dataclass(frozen=True, slots=True)
class UsageCell:
    """What calls of one *day* (UTC) came to that agree in the rest; *user* None: of all users together."""

    day: date
    model: str
    route: str
    release: str | None
    user: str | None
    totals: Totals = Totals()


def totals_of(entry: LedgerEntry) -> Totals:
    """Give what one call adds to the sums."""
    return Totals(
        calls=1,
        failed_calls=int(entry.status is not EntryStatus.SUCCEEDED),
        unpriced_calls=int(entry.unpriced),
        estimated_calls=int(entry.estimated),
        input_tokens=entry.input_tokens,
        output_tokens=entry.output_tokens,
        cached_tokens=entry.cached_tokens,
        reasoning_tokens=entry.reasoning_tokens,
        cost_usd_micros=entry.cost_usd_micros,
    )


def cells_of(entry: LedgerEntry) -> list[UsageCell]:
    """Give the cells that a call is summed in: one of all users, and one of its user if it has one."""
    users = [None] if entry.user is None else [None, entry.user]
    return [UsageCell(entry.at.date(), entry.model, entry.route, entry.release, user) for user in users]
