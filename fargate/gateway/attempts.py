"""One upstream call from its reservation to its settlement, however it ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from chalicelib.contracts.gateway import CallLabels
from chalicelib.domain.access import Principal
from chalicelib.domain.prices import Price, Tokens, cost_usd_micros
from chalicelib.domain.routes import Deployment, Route, RouteKind
from chalicelib.observability.logs import get_logger
from chalicelib.observability.metrics import Metrics
from chalicelib.ports.clock import Clock
from chalicelib.ports.model_providers import Access, FailureKind, ModelProvider, ProviderCall, ProviderFailure
from fargate.gateway.circuits import Circuits
from fargate.gateway.metering import CallStatus, Meter, Outcome, Reservation, UpstreamCall
from fargate.gateway.recent import RecentCalls
from fargate.gateway.translation import Charge, Stamp, estimated

log = get_logger(__name__)

_PERHAPS_BILLED = frozenset({FailureKind.TIMEOUT, FailureKind.BAD_ANSWER, FailureKind.BROKEN_OFF})


@dataclass(frozen=True, slots=True)
class Asked:
    """What one user asked for: the call that all its upstream calls belong to."""

    call_id: str
    created: int
    principal: Principal
    kind: RouteKind
    route: Route
    input_bytes: int
    output_limit: int | None = None
    user: str | None = None
    labels: CallLabels | None = None
    affinity: str | None = None
    """What sticky routes keep together."""


@dataclass(frozen=True, slots=True)
class Target:
    """A deployment, and how it is reached; *price* None where nobody knows it."""

    deployment: Deployment
    provider: ModelProvider
    access: Access
    price: Price | None

    def call(self, body: dict[str, Any], timeout_s: float) -> ProviderCall:
        """Give the call that brings *body* there."""
        return ProviderCall(self.access, self.deployment.upstream_model, body, timeout_s)

    def charge(self, tokens: Tokens) -> Charge:
        """Say what *tokens* cost there."""
        return Charge(0, True) if self.price is None else Charge(cost_usd_micros(self.price, tokens), False)


@dataclass(frozen=True, slots=True)
class Watchers:
    """Who is told of upstream calls."""

    meter: Meter
    circuits: Circuits
    clock: Clock
    metrics: Metrics
    recent: RecentCalls = field(default_factory=RecentCalls)


class Attempt:
    """
    One upstream call that was reserved. The first of `succeeded`, `failed` and `left` ends it; another does nothing.

    *said* grows with what a stream says.
    """

    def __init__(self, watchers: Watchers, asked: Asked, target: Target, reservation: Reservation) -> None:
        self._watchers = watchers
        self._asked = asked
        self._reservation = reservation
        self._began = watchers.clock.monotonic()
        self._first_token_ms: float | None = None
        self._ended = False
        self.target = target
        self.said: list[str] = []
        self.reported: Tokens | None = None

    @property
    def stamp(self) -> Stamp:
        """What is written on the answer."""
        return Stamp(self._asked.call_id, self._asked.created, self.target.deployment.model)

    def speaks(self) -> None:
        """Note that the first token has come: from here on, the deployment works."""
        self._first_token_ms = self._elapsed_ms()
        self._to_circuit("succeeded")

    def tokens(self) -> Tokens:
        """Give what a stream has come to so far: what the provider reported, or what it said is likely to be."""
        said = sum(len(piece.encode()) for piece in self.said)
        return self.reported or estimated(self._asked.input_bytes, said)

    def succeeded(self, tokens: Tokens) -> None:
        """Note the answer."""
        if self._first_token_ms is None:
            self._to_circuit("succeeded")
        self._end(CallStatus.SUCCEEDED, tokens)

    def failed(self, failure: ProviderFailure) -> None:
        """Note the failure."""
        model, kind = self.target.deployment.model, failure.kind
        before = self._watchers.circuits.of(model)
        after = before.failed(failure, self._watchers.clock.monotonic())
        self._watchers.circuits.set(model, after)
        log.warning("upstream_failed", model=model, reason=kind.value, status=failure.upstream_status)
        if kind in {FailureKind.CREDENTIALS, FailureKind.QUOTA}:
            # An alarm stands on this metric: nothing but a person can mend it.
            log.error("provider_needs_attention", provider=self.target.deployment.provider, reason=kind.value)
            self._watchers.metrics.count("ProviderAlerts", 1, Provider=self.target.deployment.provider)
        tokens = self.tokens() if self.said or kind in _PERHAPS_BILLED else Tokens()
        self._end(CallStatus.FAILED, tokens, failure)

    def left(self) -> None:
        """Note that nobody waits for the answer any more; the provider may bill it nevertheless."""
        self._to_circuit("left")
        self._end(CallStatus.CANCELLED, self.tokens())

    def _end(self, status: CallStatus, tokens: Tokens, failure: ProviderFailure | None = None) -> None:
        if self._ended:
            return
        self._ended = True
        outcome = Outcome(
            status=status,
            tokens=tokens,
            cost_usd_micros=self.target.charge(tokens).cost_usd_micros,
            latency_ms=self._elapsed_ms(),
            first_token_ms=self._first_token_ms,
            error=failure.kind.value if failure else None,
            upstream_status=failure.upstream_status if failure else None,
            partial_text="".join(self.said) if status is not CallStatus.SUCCEEDED and self.said else None,
        )
        self._measure(outcome)
        self._settle(outcome)

    def _settle(self, outcome: Outcome) -> None:
        try:
            self._watchers.meter.settle(self._reservation, outcome)
        except Exception:  # the answer was paid for and is good; what was reserved for it stays counted
            log.exception("call_not_settled", call_id=self._asked.call_id)

    def _to_circuit(self, change: str) -> None:
        circuits, model = self._watchers.circuits, self.target.deployment.model
        circuit = circuits.of(model)
        circuits.set(model, circuit.succeeded() if change == "succeeded" else circuit.left())

    def _elapsed_ms(self) -> float:
        return (self._watchers.clock.monotonic() - self._began) * 1_000

    def _measure(self, outcome: Outcome) -> None:
        if outcome.status is not CallStatus.CANCELLED:
            answered = outcome.status is CallStatus.SUCCEEDED
            self._watchers.recent.note(self.target.deployment.model, outcome.latency_ms, answered=answered)
        metrics, dimensions = self._watchers.metrics, {"Model": self.target.deployment.model}
        metrics.time_ms("UpstreamDuration", outcome.latency_ms, **dimensions)
        metrics.count("UpstreamCalls", 1, **dimensions, Outcome=outcome.error or outcome.status.value)
        metrics.count("InputTokens", outcome.tokens.input, **dimensions)
        metrics.count("OutputTokens", outcome.tokens.output, **dimensions)
        metrics.count("CostUsdMicros", outcome.cost_usd_micros, **dimensions)


async def begin(watchers: Watchers, asked: Asked, target: Target, number: int, deadline: float) -> Attempt:
    """Reserve for upstream call *number* of *asked*; whatever the meter raises ends the user's call."""
    limit = asked.output_limit or (target.price.max_output_tokens if target.price else None)
    call = UpstreamCall(
        call_id=asked.call_id,
        attempt=number,
        principal=asked.principal,
        kind=asked.kind,
        route=asked.route.name,
        deployment=target.deployment,
        price=target.price,
        input_bytes=asked.input_bytes,
        output_limit=limit if asked.kind is RouteKind.CHAT else 0,
        user=asked.user,
        labels=asked.labels,
        deadline=deadline,
    )
    reservation = await watchers.meter.reserve(call)
    model = target.deployment.model
    watchers.circuits.set(model, watchers.circuits.of(model).tried())
    return Attempt(watchers, asked, target, reservation)
