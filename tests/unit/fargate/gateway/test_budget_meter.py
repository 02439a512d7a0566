"""Budgets under concurrency, crashes and expiry; the ledger and the sums of it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.adapters.dynamodb_table import DynamoDbTable
from chalicelib.adapters.sqlite_table import SqliteTable
from chalicelib.contracts.gateway import CallLabels
from chalicelib.domain.access import Principal, Role, Tenant
from chalicelib.domain.budgets import Budget, BudgetScope, Counter, Period, account_of
from chalicelib.domain.identifiers import TenantId
from chalicelib.domain.ledger import EntryStatus, LedgerEntry, Totals, totals_of
from chalicelib.domain.prices import Price, Tokens
from chalicelib.domain.routes import Deployment, RouteKind
from chalicelib.errors import BudgetExceeded, InvalidRequest
from chalicelib.observability.metrics import Metrics
from chalicelib.ports.table import Table, TableName
from chalicelib.repositories.budgets import Budgets
from chalicelib.repositories.ledger import Ledger
from fargate.gateway.budget_meter import EXPIRY_S, RECOVER_EVERY_S, BudgetMeter, Held
from fargate.gateway.metering import CallStatus, Outcome, UpstreamCall
from tests.fakes.clock import HandClock

ACME = Tenant(TenantId("acme"))
PRICE = Price("test", input=Decimal(1), output=Decimal(10))
WORST = 100 + 10 * 10
TEAM = Budget("team", BudgetScope.TENANT, Period.MONTH, 10 * WORST)


@dataclass
class Books:
    """A meter and what it writes to."""

    table: Table
    clock: HandClock
    meter: BudgetMeter
    budgets: Budgets
    ledger: Ledger

    def counter(self, budget: Budget = TEAM, subject: str = "") -> Counter:
        return self.ledger.counter(ACME, account_of(budget, subject, self.clock.now()))

    def entries(self) -> list[LedgerEntry]:
        return list(self.ledger.entries(ACME))

    def another_process(self) -> BudgetMeter:
        """Give a meter that knows nothing but the same table."""
        return _meter(self.table, self.clock)


def _meter(table: Table, clock: HandClock) -> BudgetMeter:
    return BudgetMeter(
        budgets=Budgets(table),
        ledger=Ledger(table),
        clock=clock,
        metrics=Metrics("Test", None),
        chance=random.Random(7).random,
    )


@contextmanager
def books(folder: Path, *budgets: Budget, clock: HandClock | None = None) -> Iterator[Books]:
    clock = clock or HandClock()
    with closing(SqliteTable(folder / "books.db", clock)) as table:
        yield kept_in(table, clock, *budgets)


def kept_in(table: Table, clock: HandClock, *budgets: Budget) -> Books:
    """Give books that *table* holds, with *budgets*."""
    store = Budgets(table)
    for budget in budgets:
        store.create(ACME, budget)
    return Books(table, clock, _meter(table, clock), store, Ledger(table))


Opening = Callable[[], Table]
"""Opens the same table again, as another process would."""


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(params=["sqlite", "dynamodb"])
def opening(request: pytest.FixtureRequest, tmp_path: Path, clock: HandClock) -> Iterator[Opening]:
    """Say how the table is opened, for each store there is."""
    if request.param == "dynamodb":
        aws = request.getfixturevalue("aws")
        prefix = aws.tables(TableName.CONFIG, TableName.LEDGER)
        yield lambda: DynamoDbTable(aws.client("dynamodb"), prefix, clock)
        return
    with ExitStack() as opened:
        yield lambda: opened.enter_context(closing(SqliteTable(tmp_path / "books.db", clock)))


def call(number: int = 0, *, subject: str = "key_1", **changed: Any) -> UpstreamCall:
    given: dict[str, Any] = {
        "call_id": f"call_{number}",
        "attempt": 1,
        "principal": Principal(ACME, subject, frozenset({Role.READER})),
        "kind": RouteKind.CHAT,
        "route": "chat",
        "deployment": Deployment("openai/gpt"),
        "price": PRICE,
        "input_bytes": 100,
        "output_limit": 10,
        "user": None,
        "labels": None,
        "deadline": 60.0,
    }
    return UpstreamCall(**{**given, **changed})


def outcome(cost: int = 50, **changed: Any) -> Outcome:
    return replace(Outcome(CallStatus.SUCCEEDED, Tokens(30, 2), cost, 12.5), **changed)


async def settled(meter: BudgetMeter, held: Held, done: Outcome) -> None:
    """Settle, and wait until that is in the books."""
    meter.settle(held, done)
    await meter.idle()


async def admitted(meter: BudgetMeter, calls: list[UpstreamCall]) -> list[Held]:
    """Reserve for all of *calls* at once, and give what was let through."""
    tried = await asyncio.gather(*(meter.reserve(one) for one in calls), return_exceptions=True)
    assert all(isinstance(one, Held | BudgetExceeded) for one in tried), tried
    return [one for one in tried if isinstance(one, Held)]


def test_calls_at_once_are_admitted_as_far_as_they_fit(opening: Opening, clock: HandClock) -> None:
    """64 of them against room for ten; what they come to stays within the limit."""

    async def scenario() -> None:
        held = await admitted(at.meter, [call(number) for number in range(64)])
        assert len(held) == 10
        assert at.counter().reserved_usd_micros == TEAM.limit_usd_micros
        await asyncio.gather(*(settled(at.meter, one, outcome(WORST)) for one in held))

    at = kept_in(opening(), clock, TEAM)
    asyncio.run(scenario())
    assert (at.counter().spent_usd_micros, at.counter().reserved_usd_micros) == (TEAM.limit_usd_micros, 0)
    assert sum(one.cost_usd_micros for one in at.entries()) == TEAM.limit_usd_micros


def test_processes_at_once_admit_no_more_than_one_would(opening: Opening, clock: HandClock) -> None:
    """Eight threads, each with an event loop and a meter of its own, and 64 calls in all."""

    def process(number: int) -> int:
        table = opening()

        async def scenario() -> int:
            meter = _meter(table, at.clock)
            held = await admitted(meter, [call(8 * number + one) for one in range(8)])
            await asyncio.gather(*(settled(meter, one, outcome(WORST)) for one in held))
            return len(held)

        return asyncio.run(scenario())

    at = kept_in(opening(), clock, TEAM)
    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(process, range(8))) == 10
    assert (at.counter().spent_usd_micros, at.counter().reserved_usd_micros) == (TEAM.limit_usd_micros, 0)
    assert len(at.entries()) == 10


def test_what_a_call_did_not_need_is_free_again(tmp_path: Path) -> None:
    """Settling counts the true cost and gives back the rest."""

    async def scenario() -> None:
        for number in range(100):
            await settled(at.meter, await at.meter.reserve(call(number)), outcome(10))

    with books(tmp_path, TEAM) as at:
        asyncio.run(scenario())
        assert (at.counter().spent_usd_micros, at.counter().reserved_usd_micros) == (1_000, 0)


def test_every_budget_a_call_falls_under_must_have_room(tmp_path: Path) -> None:
    """And nothing is set aside in the others when one has not."""
    each_user = Budget("each-user", BudgetScope.USER, Period.DAY, WORST)
    one_key = Budget("one-key", BudgetScope.KEY, Period.DAY, 3 * WORST, subject="key_1")
    elsewhere = Budget("elsewhere", BudgetScope.ROUTE, Period.DAY, 0, subject="other")

    async def scenario() -> None:
        await at.meter.reserve(call(1, user="ada"))
        with pytest.raises(BudgetExceeded) as refused:
            await at.meter.reserve(call(2, user="ada"))
        assert refused.value.extra["budget"] == "each-user"
        assert refused.value.extra["resets_at"] == "2026-03-02T00:00:00Z"
        await at.meter.reserve(call(3, user="bob"))
        await at.meter.reserve(call(4))
        with pytest.raises(BudgetExceeded, match="one-key"):
            await at.meter.reserve(call(5, user="eve"))
        await at.meter.reserve(call(6, subject="eve"))
        with pytest.raises(BudgetExceeded, match="each-user"):
            await at.meter.reserve(call(7, subject="eve", user="somebody else"))

    with books(tmp_path, TEAM, each_user, one_key, elsewhere) as at:
        asyncio.run(scenario())
        assert at.counter().reserved_usd_micros == 4 * WORST


def test_a_new_period_begins_with_nothing_spent(tmp_path: Path) -> None:
    """What was reserved before it is settled where it was reserved."""
    daily = Budget("daily", BudgetScope.TENANT, Period.DAY, WORST)

    async def scenario() -> None:
        held = await at.meter.reserve(call(1))
        at.clock.advance(12 * 3_600)
        await at.meter.reserve(call(2))
        await settled(at.meter, held, outcome(WORST))

    with books(tmp_path, daily) as at:
        yesterday = at.clock.now()
        asyncio.run(scenario())
        assert at.counter(daily).spent_usd_micros == 0
        assert at.ledger.counter(ACME, account_of(daily, "", yesterday)).spent_usd_micros == WORST


def test_what_a_dead_process_reserved_is_settled_at_its_worst(opening: Opening, clock: HandClock) -> None:
    """The provider may have answered: so it is counted, once, and the ledger says that the call was lost."""

    async def scenario() -> None:
        held = await at.meter.reserve(call(1))
        at.clock.advance(EXPIRY_S + RECOVER_EVERY_S)
        others = [at.another_process() for _ in range(3)]
        await asyncio.gather(*(one.reserve(call(number)) for number, one in enumerate(others, 2)))
        await settled(at.meter, held, outcome(1))

    at = kept_in(opening(), clock, TEAM)
    asyncio.run(scenario())
    assert (at.counter().spent_usd_micros, at.counter().reserved_usd_micros) == (WORST, 3 * WORST)
    assert [(one.status, one.cost_usd_micros) for one in at.entries()] == [(EntryStatus.LOST, WORST)]


def test_a_caller_who_leaves_while_reserving_holds_nothing(tmp_path: Path) -> None:
    """The reservation that is made nevertheless is given back, and no call stands in the ledger."""

    async def scenario() -> None:
        await at.meter.reserve(call(1, input_bytes=0, output_limit=0))  # knows the budgets now
        reserving = asyncio.create_task(at.meter.reserve(call(2)))
        await asyncio.sleep(0)  # it waits for the store
        reserving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reserving
        await asyncio.gather(*at.meter._under_way)

    with books(tmp_path, TEAM) as at:
        asyncio.run(scenario())
        assert (at.counter().committed_usd_micros, at.entries()) == (0, [])


def test_models_without_a_price_are_flagged_or_refused(tmp_path: Path) -> None:
    """They are never free in silence; a strict budget takes none."""
    strict = replace(TEAM, name="strict", scope=BudgetScope.ROUTE, subject="paid", refuse_unpriced=True)

    async def scenario() -> None:
        await settled(at.meter, await at.meter.reserve(call(1, price=None)), outcome(0))
        with pytest.raises(BudgetExceeded, match="No price is known"):
            await at.meter.reserve(call(2, price=None, route="paid"))

    with books(tmp_path, TEAM, strict) as at:
        asyncio.run(scenario())
        (entry,) = at.entries()
        assert (entry.unpriced, entry.price_source, entry.cost_usd_micros) == (True, None, 0)
        (cell,) = at.ledger.cells(ACME, date(2026, 3, 1), date(2026, 3, 1), by_user=False)
        assert cell.totals.unpriced_calls == 1


def test_an_answer_without_any_limit_is_refused_under_a_budget(tmp_path: Path) -> None:
    """Nothing could be set aside for it; without a budget it goes through."""
    with books(tmp_path, TEAM) as at, pytest.raises(InvalidRequest, match="max_completion_tokens"):
        asyncio.run(at.meter.reserve(call(output_limit=None)))
    with books(tmp_path / "free") as at:
        asyncio.run(at.meter.reserve(call(output_limit=None)))


def test_a_soft_limit_warns_once_a_period(tmp_path: Path) -> None:
    """However many calls follow."""
    soft = replace(TEAM, warn_at=0.5)
    warnings: list[str] = []

    async def scenario() -> None:
        at.meter._metrics.count = lambda name, *_, **__: warnings.append(name)  # type: ignore[method-assign]
        for number in range(6):
            await settled(at.meter, await at.meter.reserve(call(number)), outcome(WORST))

    with books(tmp_path, soft) as at:
        asyncio.run(scenario())
        assert warnings.count("BudgetWarnings") == 1
        assert at.counter(soft).warned


def test_settling_twice_counts_once(tmp_path: Path) -> None:
    """The ledger knows a call by its id and attempt."""

    async def scenario() -> None:
        held = await at.meter.reserve(call(1))
        await settled(at.meter, held, outcome(50))
        await settled(at.another_process(), held, outcome(50))

    with books(tmp_path, TEAM) as at:
        asyncio.run(scenario())
        assert (at.counter().committed_usd_micros, len(at.entries())) == (50, 1)


def test_the_books_hold_no_text(tmp_path: Path) -> None:
    """Not even what a broken stream had said."""

    async def scenario() -> None:
        held = await at.meter.reserve(call(1, user="ada", labels=CallLabels(run_id="run_1", purpose="judge")))
        await settled(at.meter, held, outcome(status=CallStatus.CANCELLED, partial_text="CANARY", error="broken_off"))

    with books(tmp_path, TEAM) as at:
        asyncio.run(scenario())
        (entry,) = at.entries()
        assert (entry.status, entry.run_id, entry.purpose, entry.user) == ("cancelled", "run_1", "judge", "ada")
    assert all(b"CANARY" not in path.read_bytes() for path in tmp_path.iterdir())


STEPS = st.lists(
    st.tuples(st.sampled_from(["reserve", "settle", "crash", "expire", "other"]), st.integers(0, 40)), max_size=30
)


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_no_interleaving_overspends_and_usage_is_the_ledger(steps: list[tuple[str, int]]) -> None:
    """Whatever happens in whatever order, all that is spent or set aside fits, and every sum is exact."""

    async def scenario() -> None:
        meters, held = [at.meter, at.another_process()], []
        for number, (step, value) in enumerate(steps):
            meter = meters[value % 2]
            match step:
                case "reserve" | "other":
                    user = f"user-{value % 3}" if step == "other" else None
                    asked = call(number, input_bytes=value, user=user, route=f"route-{value % 2}")
                    held += await admitted(meter, [asked])
                case "settle" if held:
                    one = held.pop(value % len(held))
                    cost = min(value, one.hold.amount if one.hold else 0)
                    await settled(meter, one, outcome(cost, tokens=Tokens(value, value, estimated=value % 2 == 0)))
                case "crash" if held:
                    held.pop()
                case "expire":
                    held.clear()
                    at.clock.advance(EXPIRY_S + RECOVER_EVERY_S)
            assert at.counter(small).committed_usd_micros <= small.limit_usd_micros
            assert at.counter(small).reserved_usd_micros >= 0

    small = replace(TEAM, limit_usd_micros=300)
    with TemporaryDirectory() as folder, books(Path(folder), small) as at:
        asyncio.run(scenario())
        entries = at.entries()
        assert at.counter(small).spent_usd_micros == sum(one.cost_usd_micros for one in entries)
        far = date(2026, 3, 1), date(2026, 4, 1)
        everybody = [one.totals for one in at.ledger.cells(ACME, *far, by_user=False)]
        assert _sum(everybody) == _sum([totals_of(one) for one in entries])
        by_user = [one.totals for one in at.ledger.cells(ACME, *far, by_user=True)]
        assert _sum(by_user) == _sum([totals_of(one) for one in entries if one.user])


def _sum(totals: list[Totals]) -> Totals:
    whole = Totals()
    for one in totals:
        whole = whole.plus(one)
    return whole
