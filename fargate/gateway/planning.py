"""Which deployment is tried next, when, and for how long. Pure: time, chance and circuits come in."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from chalicelib.domain.routes import Deployment, Route
from chalicelib.ports.model_providers import FailureKind, ProviderFailure
from fargate.gateway.circuits import Circuit

FIRST_BACKOFF_S = 0.2

CircuitOf = Callable[[str], Circuit]
Chance = Callable[[], float]

_FINAL = frozenset({FailureKind.INVALID_REQUEST, FailureKind.CONTENT_POLICY, FailureKind.CONTEXT_LENGTH})
_WORTH_REPEATING = frozenset(
    {
        FailureKind.RATE_LIMITED,
        FailureKind.UNAVAILABLE,
        FailureKind.SERVER_ERROR,
        FailureKind.BAD_ANSWER,
        FailureKind.BROKEN_OFF,
    }
)


@dataclass(frozen=True, slots=True)
class Try:
    """The next upstream call: after *wait_s*, for at most *timeout_s* (of a stream: until its first token)."""

    deployment: Deployment
    wait_s: float
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Progress:
    """A call under way: whom it may ask, in order, until when, and who failed so far."""

    deployments: Sequence[Deployment]
    deadline: float
    max_attempts: int
    failures: Sequence[tuple[Deployment, ProviderFailure]] = ()

    def after(self, deployment: Deployment, failure: ProviderFailure) -> Progress:
        """Give the progress after *deployment* failed."""
        return replace(self, failures=(*self.failures, (deployment, failure)))

    @property
    def attempt(self) -> int:
        """The number of the next upstream call, from 1."""
        return len(self.failures) + 1


def order(routes: Sequence[Route], chance: Chance, affinity: str | None = None) -> list[Deployment]:
    """
    Give every deployment of *routes*, the routes in order, each once.

    Within a route, the order is drawn by weight, without replacement: by u^(1/w), largest first (Efraimidis and
    Spirakis, 2006, algorithm A). Those of weight 0 come last, as they stand. In a sticky route, u is a hash of
    *affinity* and the deployment (weighted rendezvous hashing): calls of the same affinity go the same way, and a
    deployment that comes or goes moves only those that it takes or leaves.
    """
    ordered: dict[str, Deployment] = {}
    for route in routes:
        pinned = affinity if route.sticky else None
        drawn = {
            one.model: _key(one, chance() if pinned is None else _hashed(pinned, one)) for one in route.deployments
        }
        for deployment in sorted(route.deployments, key=lambda one: -drawn[one.model]):
            ordered.setdefault(deployment.model, deployment)
    return list(ordered.values())


def with_fallbacks(route: Route, routes: Mapping[str, Route]) -> list[Route]:
    """Give *route* and what it falls back to, theirs included, breadth first; missing and foreign kinds left out."""
    found, waiting = [route], list(route.fallbacks)
    while waiting:
        one = routes.get(waiting.pop(0))
        if one is not None and one.kind is route.kind and one not in found:
            found.append(one)
            waiting += one.fallbacks
    return found


def next_try(progress: Progress, now: float, circuit_of: CircuitOf, chance: Chance) -> Try | ProviderFailure:
    """
    Give the next upstream call, or the failure to give up with.

    A deployment that was not asked yet goes before one that failed. While another is left to be asked, a try may take
    half of the time that is left, so that one that hangs leaves time for the next.
    """
    left_s = progress.deadline - now
    last = progress.failures[-1][1] if progress.failures else None
    if last is not None and (last.kind in _FINAL or progress.attempt > progress.max_attempts):
        return last
    if left_s <= 0:
        return ProviderFailure(FailureKind.TIMEOUT)
    failed = {one.model for one, _ in progress.failures}
    fresh = [one for one in progress.deployments if one.model not in failed and circuit_of(one.model).admits(now)]
    if fresh:
        alternative = len(fresh) > 1 and progress.attempt < progress.max_attempts
        return Try(fresh[0], 0.0, left_s / 2 if alternative else left_s)
    if last is None:
        return _all_rest(progress, now, circuit_of)
    again = _again(progress, now, circuit_of, chance)
    return last if again is None or again.wait_s >= left_s else again


def _key(deployment: Deployment, drawn: float) -> float:
    return drawn ** (1 / deployment.weight) if deployment.weight else -1.0


def _hashed(affinity: str, deployment: Deployment) -> float:
    """Give a number between 0 and 1 that is always the same for these two."""
    digest = hashlib.sha256(f"{affinity}\0{deployment.model}".encode(errors="surrogatepass")).digest()
    return (int.from_bytes(digest[:8], "big") + 0.5) / 2**64


def _all_rest(progress: Progress, now: float, circuit_of: CircuitOf) -> ProviderFailure:
    circuits = [circuit_of(one.model) for one in progress.deployments]
    soonest = min(circuits, key=lambda one: one.rests_until)
    kind = FailureKind.RATE_LIMITED if soonest.limited else FailureKind.UNAVAILABLE
    return ProviderFailure(kind, retry_after_s=max(math.ceil(soonest.rests_until - now), 1))


def _again(progress: Progress, now: float, circuit_of: CircuitOf, chance: Chance) -> Try | None:
    """Give the repetition that can begin first, of a call whose failure may pass."""
    backoff_s = FIRST_BACKOFF_S * 2 ** (progress.attempt - 2) * chance()  # full jitter
    tries = []
    for deployment, failure in {one.model: (one, failure) for one, failure in progress.failures}.values():
        circuit = circuit_of(deployment.model)
        rests_s = max(circuit.rests_until - now, 0.0)
        # One that is at its limit says when to come back; one that is out of order is not waited for.
        waited_for = failure.kind is FailureKind.RATE_LIMITED or circuit.admits(now)
        if failure.kind in _WORTH_REPEATING and waited_for:
            wait_s = max(rests_s, failure.retry_after_s or 0.0, backoff_s)
            tries.append(Try(deployment, wait_s, progress.deadline - now - wait_s))
    return min(tries, key=lambda one: one.wait_s, default=None)
