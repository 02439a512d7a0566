"""Budgets: what may be spent on models, by whom, and until when it is counted. Pure; time comes in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum

from chalicelib.domain.prices import Price
from chalicelib.domain.routes import RouteKind

NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,63}$"
MAX_BUDGETS = 30

_MAX_RERANKED = 1_000
_RERANKED_PER_SEARCH = 100
_TOKENS_PER_RERANKED = 500


class BudgetScope(StrEnum):
    """Whose calls a budget counts."""

    TENANT = "tenant"
    USER = "user"
    KEY = "key"
    ROUTE = "route"


class Period(StrEnum):
    """How long a budget counts before it begins anew, in UTC."""

    DAY = "day"
    MONTH = "month"

    def start(self, at: datetime) -> datetime:
        """Give the beginning of the period that *at* is in."""
        day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return day if self is Period.DAY else day.replace(day=1)

    def end(self, at: datetime) -> datetime:
        """Give the beginning of the period after the one that *at* is in."""
        start = self.start(at)
        if self is Period.DAY:
            return start + timedelta(days=1)
        return (start + timedelta(days=31)).replace(day=1)


@dataclass(frozen=True, slots=True)
class Budget:
    """
    At most *limit_usd_micros* in each *period* for the calls in *scope*: those of *subject* (a user, API key or route).

    Without *subject*, each user, key or route has the limit for itself; a tenant's budget has none.
    *warn_at* is the share of the limit from which the log warns, once a period. Calls of models without a known price
    are counted as nothing, unless *refuse_unpriced*.
    """

    name: str
    scope: BudgetScope
    period: Period
    limit_usd_micros: int
    subject: str | None = None
    warn_at: float | None = None
    refuse_unpriced: bool = False
    created_at: datetime | None = None
    updated_at: datetime | None = None
    updated_by: str | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class Payer:
    """Whose call it is, in each scope; None where there is nobody."""

    user: str | None
    key: str | None
    route: str

    def subject(self, scope: BudgetScope) -> str | None:
        """Give whom a budget of *scope* would count it for."""
        match scope:
            case BudgetScope.TENANT:
                return ""
            case BudgetScope.USER:
                return self.user
            case BudgetScope.KEY:
                return self.key
            case BudgetScope.ROUTE:
                return self.route


@dataclass(frozen=True, slots=True)
class Account:
    """Where a budget counts what one *subject* (empty for a tenant) spends in the period from *start* to *end*."""

    budget: str
    scope: BudgetScope
    period: Period
    subject: str
    start: datetime
    end: datetime
    limit_usd_micros: int
    warn_at: float | None = None


@dataclass(frozen=True, slots=True)
class Counter:
    """What an account has come to: *spent* by calls that ended, *reserved* for those under way."""

    subject: str
    spent_usd_micros: int = 0
    reserved_usd_micros: int = 0
    warned: bool = False
    version: int = 0

    @property
    def committed_usd_micros(self) -> int:
        """All that cannot be spent any more."""
        return self.spent_usd_micros + self.reserved_usd_micros

    def admits(self, account: Account, amount: int) -> bool:
        """Say whether *amount* can still be set aside. What costs nothing always can."""
        return amount == 0 or self.committed_usd_micros + amount <= account.limit_usd_micros

    def holding(self, amount: int) -> Counter:
        """Give the counter with *amount* set aside."""
        return replace(self, reserved_usd_micros=self.reserved_usd_micros + amount)

    def settling(self, account: Account, amount: int, cost: int) -> Counter:
        """Give the counter after a call that *amount* was set aside for has come to *cost*."""
        spent = self.spent_usd_micros + cost
        warned = self.warned or (account.warn_at is not None and spent >= account.warn_at * account.limit_usd_micros)
        return replace(
            self, spent_usd_micros=spent, reserved_usd_micros=self.reserved_usd_micros - amount, warned=warned
        )


def accounts_of(budgets: Iterable[Budget], payer: Payer, at: datetime) -> list[Account]:
    """Give where a call is counted: in the account of every budget that it falls under."""
    found = []
    for budget in budgets:
        subject = payer.subject(budget.scope)
        if subject is not None and budget.subject in {None, subject}:
            found.append(account_of(budget, subject, at))
    return found


def account_of(budget: Budget, subject: str, at: datetime) -> Account:
    """Give where *budget* counts what *subject* spends at a time."""
    start, end = budget.period.start(at), budget.period.end(at)
    return Account(
        budget.name, budget.scope, budget.period, subject, start, end, budget.limit_usd_micros, budget.warn_at
    )


def worst_cost(price: Price, kind: RouteKind, input_tokens: int, output_limit: int | None) -> int | None:
    """
    Give the most, in micro-USD, that a call can come to; None where nothing limits it.

    A reranking is billed by searches, each of 100 documents or pieces of 500 tokens.
    """
    if output_limit is None and price.output:
        return None
    cost = input_tokens * max(price.input, price.cached_input or Decimal(0)) + (output_limit or 0) * price.output
    if kind is RouteKind.RERANK:
        documents = min(input_tokens, _MAX_RERANKED) + input_tokens // _TOKENS_PER_RERANKED
        cost += -(-documents // _RERANKED_PER_SEARCH) * price.per_search
    return int(cost.to_integral_value(ROUND_CEILING))
