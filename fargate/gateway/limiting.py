"""The meter that keeps callers and deployments to their limits; each task counts for itself."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace

from chalicelib.domain.routes import Deployment
from chalicelib.errors import RateLimited
from chalicelib.observability.metrics import Metrics
from chalicelib.ports.clock import Clock
from fargate.gateway.circuits import Circuit, Circuits
from fargate.gateway.limits import Admission, Concurrency, Ticket, Turnstile, Window
from fargate.gateway.metering import Meter, Outcome, Reservation, UpstreamCall

MAX_WINDOWS = 20_000
BYTES_PER_TOKEN = 4
SOON_S = 1.0


@dataclass(frozen=True, slots=True)
class Rates:
    """Calls and tokens a minute, for each tenant and for each of its keys and users; None: as many as they like."""

    tenant_rpm: int | None = None
    tenant_tpm: int | None = None
    subject_rpm: int | None = None
    subject_tpm: int | None = None


@dataclass(frozen=True, slots=True)
class Passed(Reservation):
    """See `Reservation`. *inner* is that of the meter behind."""

    inner: Reservation
    ticket: Ticket
    at: float
    tokens: int


class Windows:
    """The windows of whoever has a limit, by name."""

    def __init__(self) -> None:
        self._windows: dict[Hashable, Window] = {}

    def of(self, name: Hashable, limit: int | None) -> Iterator[Window]:
        """Give the window of *name*, if it has a limit."""
        if limit is None:
            return
        if len(self._windows) >= MAX_WINDOWS:
            self._windows.clear()
        window = self._windows.setdefault(name, Window(limit))
        window.limit = limit
        yield window


class PacedCircuits(Circuits):
    """See `Circuits`. A deployment also rests while its own requests or tokens a minute are used up."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._windows: dict[str, tuple[Window | None, Window | None]] = {}

    def of(self, model: str) -> Circuit:
        """See `Circuits.of`."""
        circuit, now = super().of(model), self._clock.monotonic()
        wait_s = max((one.wait_s(now) for one in self._windows.get(model, ()) if one), default=0.0)
        if not wait_s or circuit.rests_until >= now + wait_s:
            return circuit
        return replace(circuit, rests_until=now + wait_s, limited=True)

    def take(self, deployment: Deployment, tokens: int, now: float) -> float:
        """Count a call to *deployment*, or say how long it must wait: who was let through together may be too many."""
        requests, used = self._windows_of(deployment)
        wait_s = max(requests.wait_s(now) if requests else 0.0, used.wait_s(now) if used else 0.0)
        if not wait_s:
            if requests:
                requests.add(now)
            if used:
                used.add(now, tokens)
        return wait_s

    def correct(self, deployment: Deployment, then: float, tokens: int) -> None:
        """Count what a call came to beyond what was taken for it."""
        if (used := self._windows_of(deployment)[1]) is not None:
            used.correct(then, tokens)

    def _windows_of(self, deployment: Deployment) -> tuple[Window | None, Window | None]:
        if deployment.rpm is None and deployment.tpm is None:
            self._windows.pop(deployment.model, None)
            return None, None
        known = self._windows.get(deployment.model, (None, None))
        renewed = _renewed(known[0], deployment.rpm), _renewed(known[1], deployment.tpm)
        self._windows[deployment.model] = renewed
        return renewed


class LimitingMeter:
    """See `Meter`. Lets a call wait for its turn before *meter* is asked: *wait_s*, or until its deadline."""

    def __init__(
        self,
        meter: Meter,
        *,
        rates: Rates,
        concurrency: Concurrency,
        circuits: PacedCircuits,
        clock: Clock,
        metrics: Metrics,
        wait_s: float,
    ) -> None:
        self._meter = meter
        self._rates = rates
        self._turnstile = Turnstile(concurrency)
        self._circuits = circuits
        self._clock = clock
        self._metrics = metrics
        self._wait_s = wait_s
        self._requests = Windows()
        self._tokens = Windows()
        self._waiting: dict[Ticket, asyncio.Future[None]] = {}

    async def reserve(self, call: UpstreamCall) -> Passed:
        """See `Meter.reserve`. Raises `RateLimited`."""
        now, tokens = self._clock.monotonic(), call.input_bytes // BYTES_PER_TOKEN
        if call.attempt == 1:  # one's own limits are about what one asks for, not about who fails to answer
            self._check_rates(call, now)
        # Nothing is awaited between the choice of the deployment and here, so that it still has room.
        if wait_s := self._circuits.take(call.deployment, tokens, now):
            raise RateLimited(f"{call.deployment.model!r} is at its limit a minute.", retry_after_s=round(wait_s, 3))
        if call.attempt == 1:
            self._count_rates(call, now, tokens)
        ticket = Ticket(call.principal.tenant, call.principal.subject)
        await self._enter(ticket, call.deadline)
        try:
            return Passed(call, await self._meter.reserve(call), ticket, now, tokens)
        except BaseException:
            self._leave(ticket)
            raise

    def settle(self, reservation: Reservation, outcome: Outcome) -> None:
        """See `Meter.settle`."""
        if not isinstance(reservation, Passed):
            raise TypeError("this reservation is another meter's")
        self._leave(reservation.ticket)
        more = outcome.tokens.input + outcome.tokens.output - reservation.tokens
        self._circuits.correct(reservation.call.deployment, reservation.at, more)
        for window in self._token_windows(reservation.call):
            window.correct(reservation.at, more)
        self._meter.settle(reservation.inner, outcome)

    def _check_rates(self, call: UpstreamCall, now: float) -> None:
        windows = [*self._request_windows(call), *self._token_windows(call)]
        wait_s = max((one.wait_s(now) for one in windows), default=0.0)
        if wait_s:
            self._metrics.count("RateLimited", 1, Reason="rate")
            raise RateLimited("You are at your limit of calls or tokens a minute.", retry_after_s=round(wait_s, 3))

    def _count_rates(self, call: UpstreamCall, now: float, tokens: int) -> None:
        for window in self._request_windows(call):
            window.add(now)
        for window in self._token_windows(call):
            window.add(now, tokens)

    def _request_windows(self, call: UpstreamCall) -> Iterator[Window]:
        yield from self._requests.of(call.principal.tenant, self._rates.tenant_rpm)
        yield from self._requests.of(_subject(call), self._rates.subject_rpm)

    def _token_windows(self, call: UpstreamCall) -> Iterator[Window]:
        yield from self._tokens.of(call.principal.tenant, self._rates.tenant_tpm)
        yield from self._tokens.of(_subject(call), self._rates.subject_tpm)

    async def _enter(self, ticket: Ticket, deadline: float) -> None:
        admission = self._turnstile.enter(ticket)
        if admission is Admission.FULL:
            self._metrics.count("RateLimited", 1, Reason="queue")
            raise RateLimited("Too many of your calls are waiting for their turn.", retry_after_s=SOON_S)
        if admission is Admission.LATER:
            await self._turn(ticket, min(self._wait_s, max(deadline - self._clock.monotonic(), 0)))

    async def _turn(self, ticket: Ticket, wait_s: float) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[ticket] = turn
        try:
            async with asyncio.timeout(wait_s):
                await turn
        except BaseException as error:
            if self._waiting.pop(ticket, None) is None:
                self._leave(ticket)  # it was let through in the very moment
            else:
                self._turnstile.give_up(ticket)
            if not isinstance(error, TimeoutError):
                raise
            self._metrics.count("RateLimited", 1, Reason="wait")
            raise RateLimited("Your calls under way leave no room for another.", retry_after_s=SOON_S) from None

    def _leave(self, ticket: Ticket) -> None:
        for one in self._turnstile.leave(ticket):
            turn = self._waiting.pop(one)
            if not turn.done():  # else its caller is about to leave
                turn.set_result(None)


def _renewed(window: Window | None, limit: int | None) -> Window | None:
    if limit is None:
        return None
    window = window or Window(limit)
    window.limit = limit
    return window


def _subject(call: UpstreamCall) -> Hashable:
    return call.principal.tenant, call.principal.subject
