"""Limits a minute, limits at once, and whose turn it is."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest

from chalicelib.domain.access import Principal, Role, Tenant
from chalicelib.domain.identifiers import TenantId
from chalicelib.domain.prices import Tokens
from chalicelib.domain.routes import Deployment
from chalicelib.errors import RateLimited
from chalicelib.observability.metrics import Metrics
from fargate.gateway.limiting import LimitingMeter, PacedCircuits, Passed, Rates
from fargate.gateway.limits import Admission, Concurrency, Ticket, Turnstile, Window
from fargate.gateway.metering import CallStatus, NoMeter, Outcome, UpstreamCall
from tests.fakes.clock import HandClock
from tests.unit.fargate.gateway.test_budget_meter import ACME, call

QUIET = Tenant(TenantId("quiet"))
DONE = Outcome(CallStatus.SUCCEEDED, Tokens(), 0, 1.0)


NO_RATES = Rates()
FEW = Concurrency(4, 3, 2, 5)


def _meter(
    clock: HandClock, *, rates: Rates = NO_RATES, at_once: Concurrency = FEW, wait_s: float = 5.0
) -> tuple[LimitingMeter, PacedCircuits]:
    circuits = PacedCircuits(clock)
    meter = LimitingMeter(
        NoMeter(),
        rates=rates,
        concurrency=at_once,
        circuits=circuits,
        clock=clock,
        metrics=Metrics("Test", None),
        wait_s=wait_s,
    )
    return meter, circuits


def _of(tenant: Tenant, subject: str = "key_1", number: int = 0) -> UpstreamCall:
    return call(number, principal=Principal(tenant, subject, frozenset({Role.READER})))


def test_no_minute_has_more_than_the_limit() -> None:
    """At any moment, in any minute before it; and whoever waits as long as he is told gets through."""
    chance, window, now, taken = random.Random(11), Window(10), 1_000.0, list[float]()
    for _ in range(2_000):
        now += chance.random() * 5
        if not (wait_s := window.wait_s(now)):
            window.add(now)
            taken.append(now)
        elif chance.random() < 0.1:
            now += wait_s
            assert window.wait_s(now) == 0
        assert sum(now - 60 < one <= now for one in taken) <= 10
    assert len(taken) > 500


def test_a_call_that_is_larger_than_the_limit_waits_for_an_empty_minute() -> None:
    """It would wait for ever otherwise."""
    window = Window(10)
    assert window.wait_s(5.0, 50) == 0
    window.add(5.0, 50)
    assert 60 <= window.wait_s(5.0) <= 61
    window.correct(5.0, -45)
    assert window.wait_s(5.0, 5) == 0


def test_a_noisy_tenant_does_not_keep_another_waiting() -> None:
    """With 200 calls in line before it, the other's single call goes with the next turn."""
    turnstile = Turnstile(Concurrency(total=8, per_tenant=8, per_subject=8, waiting=200))
    noisy = [Ticket(ACME, "key_1") for _ in range(208)]
    assert [turnstile.enter(one) for one in noisy].count(Admission.NOW) == 8
    assert turnstile.enter(Ticket(ACME, "key_1")) is Admission.FULL
    quiet = [Ticket(QUIET, "key_2") for _ in range(4)]
    assert [turnstile.enter(one) for one in quiet] == [Admission.LATER] * 4
    through = [one for ticket in noisy[:8] for one in turnstile.leave(ticket)]
    assert [one.tenant for one in through] == [ACME, QUIET] * 4


def test_a_subject_at_its_limit_holds_up_nobody_else_of_its_tenant() -> None:
    """Who came later with another key passes; then it is first again."""
    turnstile = Turnstile(Concurrency(total=3, per_tenant=2, per_subject=1, waiting=5))
    one, again, other = Ticket(ACME, "key_1"), Ticket(ACME, "key_1"), Ticket(ACME, "key_2")
    assert [turnstile.enter(each) for each in (one, again, other)] == [Admission.NOW, Admission.LATER, Admission.NOW]
    assert turnstile.leave(other) == []
    assert turnstile.leave(one) == [again]


def test_calls_wait_their_turn_and_no_more_than_fit_are_under_way() -> None:
    """Whether they end, fail to reserve, or are left by their callers."""

    async def scenario() -> None:
        meter, _ = _meter(HandClock())
        under_way, most = 0, 0

        async def one(subject: str) -> None:
            nonlocal under_way, most
            held = await meter.reserve(_of(ACME, subject))
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0)
            under_way -= 1
            meter.settle(held, DONE)

        calls = [asyncio.create_task(one(f"key_{number % 4}")) for number in range(8)]
        await asyncio.sleep(0)
        calls[5].cancel()
        calls[0].cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert most == 3
        held = [await meter.reserve(_of(ACME, f"key_{number}")) for number in range(2)]
        assert all(isinstance(each, Passed) for each in held)

    asyncio.run(scenario())


def test_whoever_cannot_wait_any_longer_is_told_when_to_come_back() -> None:
    """After the wait, or at once where the line is full."""

    async def scenario() -> None:
        meter, _ = _meter(HandClock(), at_once=Concurrency(1, 1, 1, 1), wait_s=0.01)
        held = await meter.reserve(_of(ACME))
        tried = await asyncio.gather(*(meter.reserve(_of(ACME)) for _ in range(2)), return_exceptions=True)
        assert [isinstance(one, RateLimited) and one.retry_after_s for one in tried] == [1.0, 1.0]
        meter.settle(held, DONE)
        await meter.reserve(_of(QUIET))

    asyncio.run(scenario())


def test_nobody_waits_longer_than_his_call_has() -> None:
    """What is waited for comes out of the call's one deadline, though the meter would let it wait for an hour."""

    async def scenario() -> None:
        clock = HandClock()
        meter, _ = _meter(clock, at_once=Concurrency(1, 1, 1, 1), wait_s=3_600)
        await meter.reserve(_of(ACME))
        late = replace(_of(ACME, number=1), deadline=clock.monotonic() + 0.01)
        async with asyncio.timeout(5):
            with pytest.raises(RateLimited, match="leave no room"):
                await meter.reserve(late)

    asyncio.run(scenario())


def test_calls_and_tokens_a_minute_are_limited_for_tenants_and_subjects() -> None:
    """By what was really used, once that is known; repetitions are not the caller's."""
    clock = HandClock()

    async def take(meter: LimitingMeter, subject: str, tokens: int = 25, attempt: int = 1) -> None:
        asked = call(principal=Principal(ACME, subject, frozenset()), attempt=attempt)
        meter.settle(await meter.reserve(asked), Outcome(CallStatus.SUCCEEDED, Tokens(tokens), 0, 1.0))

    async def scenario() -> None:
        meter, _ = _meter(clock, rates=Rates(tenant_rpm=3, subject_rpm=2, tenant_tpm=1_000))
        await take(meter, "key_1")
        await take(meter, "key_1")
        with pytest.raises(RateLimited) as refused:
            await take(meter, "key_1")
        assert 59 < refused.value.retry_after_s <= 61
        await take(meter, "key_1", attempt=2)
        await take(meter, "key_2", tokens=950)
        clock.advance(61)
        await take(meter, "key_1", tokens=1_000)
        with pytest.raises(RateLimited):
            await take(meter, "key_2")

    asyncio.run(scenario())


def test_a_deployment_rests_while_its_minute_is_used_up() -> None:
    """Routing then takes another, and comes back when the minute is over."""
    clock = HandClock()
    small = Deployment("openai/small", rpm=2)

    async def scenario() -> None:
        meter, circuits = _meter(clock)
        for number in range(2):
            assert circuits.of(small.model).admits(clock.monotonic())
            meter.settle(await meter.reserve(call(number, deployment=small)), DONE)
        assert not circuits.of(small.model).admits(clock.monotonic())
        assert circuits.of("openai/other").admits(clock.monotonic())
        with pytest.raises(RateLimited):
            await meter.reserve(call(3, deployment=small))
        clock.advance(61)
        assert circuits.of(small.model).admits(clock.monotonic())

    asyncio.run(scenario())
