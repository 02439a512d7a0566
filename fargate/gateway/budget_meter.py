"""The meter that keeps the books: nothing is sent that a budget may not cover, and everything sent is in the ledger."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from chalicelib.domain.access import Tenant
from chalicelib.domain.budgets import Account, Budget, Counter, Payer, accounts_of, worst_cost
from chalicelib.domain.ledger import EntryStatus, LedgerEntry
from chalicelib.errors import BudgetExceeded, InvalidRequest
from chalicelib.observability.logs import get_logger
from chalicelib.observability.metrics import Metrics
from chalicelib.ports.clock import Clock
from chalicelib.repositories.budgets import Budgets
from chalicelib.repositories.ledger import Booked, Hold, Ledger, Settlement
from fargate.gateway.group_commit import GroupCommit
from fargate.gateway.metering import Outcome, Reservation, UpstreamCall
from fargate.gateway.planning import Chance

EXPIRY_S = 900
"""After which nobody settles any more: longer than any route's deadline."""
TTL_S = 2.0
RECOVER_EVERY_S = 30.0
MAX_TENANTS = 10_000
SOON_S = 1.0

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Held(Reservation):
    """See `Reservation`. *entry* is what the ledger will say but for the outcome; *hold* None: nothing limits it."""

    entry: LedgerEntry
    hold: Hold | None


class BudgetMeter:
    """See `Meter`."""

    def __init__(
        self, *, budgets: Budgets, ledger: Ledger, clock: Clock, metrics: Metrics, chance: Chance = random.random
    ) -> None:
        self._budgets = _BudgetBook(budgets, clock)
        self._ledger = ledger
        self._commit = GroupCommit(ledger, clock, chance)
        self._clock = clock
        self._metrics = metrics
        self._recover_at: dict[Tenant, float] = {}
        self._under_way: set[asyncio.Task[None]] = set()

    async def reserve(self, call: UpstreamCall) -> Held:
        """See `Meter.reserve`. Raises `BudgetExceeded`, and `InvalidRequest` for what no budget could cover."""
        tenant, now = call.principal.tenant, self._clock.now()
        await self._recover(tenant, RECOVER_EVERY_S)
        payer = payer_of(call)
        budgets = await self._budgets.all(tenant)
        accounts = accounts_of(budgets, payer, now)
        entry = _entry(call, payer, self._clock)
        if not accounts:
            return Held(call, entry, None)
        amount = _amount(call, [one for one in budgets if one.name in {each.budget for each in accounts}])
        hold = Hold(replace(entry, cost_usd_micros=amount), accounts, amount, int(now.timestamp()) + EXPIRY_S)
        refused = (await self._held(tenant, hold)).refused
        if refused is not None and await self._recover(tenant, SOON_S):
            refused = (await self._held(tenant, hold)).refused
        if refused is not None:
            self._metrics.count("BudgetRefusals", 1, Budget=refused[0].budget)
            raise _exceeded(*refused, amount)
        return Held(call, entry, hold)

    def settle(self, reservation: Reservation, outcome: Outcome) -> None:
        """See `Meter.settle`."""
        if not isinstance(reservation, Held):
            raise TypeError("this reservation is another meter's")
        entry = _settled(reservation.entry, outcome)
        if reservation.hold is not None and entry.cost_usd_micros > reservation.hold.amount:
            log.warning("cost_over_reservation", model=entry.model, cost_usd_micros=entry.cost_usd_micros)
        future = self._commit.book(reservation.call.principal.tenant, Settlement(entry, reservation.hold))
        future.add_done_callback(partial(self._booked, entry.call_id))

    async def idle(self) -> None:
        """Wait until everything is in the books."""
        await self._commit.idle()

    def _booked(self, call_id: str, future: asyncio.Future[Booked]) -> None:
        if error := future.exception():  # the answer was paid for and is good; what was set aside for it stays counted
            log.error("call_not_settled", call_id=call_id, failure=type(error).__name__)
            return
        for account in future.result().warned:
            log.warning("budget_soft_limit", budget=account.budget, limit_usd_micros=account.limit_usd_micros)
            self._metrics.count("BudgetWarnings", 1, Budget=account.budget)

    async def _held(self, tenant: Tenant, hold: Hold) -> Booked:
        """Set *hold* aside; if the caller leaves meanwhile, it is given back as soon as it is there."""
        future = self._commit.book(tenant, hold)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            task = asyncio.create_task(self._give_back(tenant, hold, future))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
            raise

    async def _give_back(self, tenant: Tenant, hold: Hold, future: asyncio.Future[Booked]) -> None:
        try:
            if (await future).refused is None:
                await self._commit.book(tenant, Settlement(None, hold))
        except Exception:  # nobody waits; it is counted at its worst when it expires
            log.exception("reservation_not_given_back", call_id=hold.entry.call_id)

    async def _recover(self, tenant: Tenant, every_s: float) -> bool:
        """Settle at their worst the calls whose process died, and say whether there was any."""
        now = self._clock.monotonic()
        if now < self._recover_at.get(tenant, 0.0) - RECOVER_EVERY_S + every_s:
            return False
        if len(self._recover_at) >= MAX_TENANTS:
            self._recover_at.clear()
        self._recover_at[tenant] = now + RECOVER_EVERY_S
        expired = await asyncio.to_thread(self._ledger.expired, tenant, self._clock.now())
        for hold in expired:
            log.warning("call_lost", call_id=hold.entry.call_id, cost_usd_micros=hold.amount)
        await asyncio.gather(*(self._commit.book(tenant, Settlement(one.entry, one)) for one in expired))
        return bool(expired)


class _BudgetBook:
    """Gives budgets without asking the store for each call."""

    def __init__(self, budgets: Budgets, clock: Clock) -> None:
        self._budgets = budgets
        self._clock = clock
        self._known: dict[Tenant, tuple[float, Sequence[Budget]]] = {}

    async def all(self, tenant: Tenant) -> Sequence[Budget]:
        """Give every budget of *tenant*, as it was at most `TTL_S` ago."""
        now = self._clock.monotonic()
        known = self._known.get(tenant)
        if known is None or now >= known[0]:
            if known is not None:
                self._known[tenant] = now + TTL_S, known[1]  # one asks; who calls meanwhile goes by what was
            elif len(self._known) >= MAX_TENANTS:
                self._known.clear()
            known = self._known[tenant] = now + TTL_S, await asyncio.to_thread(self._budgets.all, tenant)
        return known[1]


def payer_of(call: UpstreamCall) -> Payer:
    """Give whose call it is: the user is whoever is logged in, or whom the holder of an API key says it asks for."""
    subject = call.principal.subject
    key = subject if subject.startswith("key_") else None
    return Payer(user=call.user if key else subject, key=key, route=call.route)


def _entry(call: UpstreamCall, payer: Payer, clock: Clock) -> LedgerEntry:
    labels = call.labels
    return LedgerEntry(
        call_id=call.call_id,
        attempt=call.attempt,
        at=clock.now(),
        subject=call.principal.subject,
        key=payer.key,
        user=payer.user,
        route=call.route,
        model=call.deployment.model,
        kind=call.kind,
        price_source=call.price.source if call.price else None,
        unpriced=call.price is None,
        run_id=labels.run_id if labels else None,
        release=labels.release if labels else None,
        purpose=labels.purpose if labels else None,
    )


def _amount(call: UpstreamCall, budgets: Sequence[Budget]) -> int:
    """Give what *call* may come to at worst."""
    if call.price is None:
        strict = next((one.name for one in budgets if one.refuse_unpriced), None)
        if strict is not None:
            raise BudgetExceeded(
                f"No price is known for {call.deployment.model!r}, and budget {strict!r} takes none without; "
                "an administrator can configure the provider's prices, or change the budget.",
                budget=strict,
                reason="unpriced",
            )
        return 0
    amount = worst_cost(call.price, call.kind, call.input_bytes, call.output_limit)
    if amount is None:
        raise InvalidRequest(
            f"Nothing limits the answer of {call.deployment.model!r}, so no budget can cover it; "
            "give max_completion_tokens.",
            [{"loc": ["max_completion_tokens"], "msg": "Needed under a budget"}],
        )
    return amount


def _exceeded(account: Account, counter: Counter, amount: int) -> BudgetExceeded:
    left = max(account.limit_usd_micros - counter.committed_usd_micros, 0)
    resets_at = account.end.isoformat().replace("+00:00", "Z")
    detail = (
        f"The call may cost {amount} micro-USD, and budget {account.budget!r} has {left} of "
        f"{account.limit_usd_micros} left until {resets_at}."
    )
    passing = counter.spent_usd_micros + amount <= account.limit_usd_micros
    if passing:
        detail += " Calls under way hold the rest; try again when they have ended."
    elif left:
        detail += " A smaller max_completion_tokens may fit."
    return BudgetExceeded(
        detail,
        budget=account.budget,
        limit_usd_micros=account.limit_usd_micros,
        spent_usd_micros=counter.spent_usd_micros,
        reserved_usd_micros=counter.reserved_usd_micros,
        resets_at=resets_at,
        **({"retry_after_s": SOON_S} if passing else {}),
    )


def _settled(entry: LedgerEntry, outcome: Outcome) -> LedgerEntry:
    tokens = outcome.tokens
    return replace(
        entry,
        status=EntryStatus(outcome.status.value),
        error=outcome.error,
        upstream_status=outcome.upstream_status,
        input_tokens=tokens.input,
        output_tokens=tokens.output,
        cached_tokens=tokens.cached,
        reasoning_tokens=tokens.reasoning,
        searches=tokens.searches,
        estimated=tokens.estimated,
        cost_usd_micros=outcome.cost_usd_micros,
        latency_ms=round(outcome.latency_ms, 3),
        first_token_ms=None if outcome.first_token_ms is None else round(outcome.first_token_ms, 3),
    )
