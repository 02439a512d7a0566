"""Who is tried next, when, and for how long."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import pytest

from chalicelib.domain.routes import Deployment, Route, RouteKind
from chalicelib.ports.model_providers import FailureKind, ProviderFailure
from fargate.gateway.circuits import Circuit
from fargate.gateway.planning import FIRST_BACKOFF_S, Progress, Try, next_try, order, with_fallbacks

ONE, TWO, THREE = (Deployment(f"p/{name}") for name in ("one", "two", "three"))
NOW = 100.0


def fails(kind: FailureKind, retry_after_s: float | None = None) -> ProviderFailure:
    return ProviderFailure(kind, retry_after_s=retry_after_s)


def begun(*deployments: Deployment, left_s: float = 8.0, max_attempts: int = 3) -> Progress:
    return Progress(deployments, NOW + left_s, max_attempts)


def planned(progress: Progress, circuits: Mapping[str, Circuit] | None = None, chance: float = 0.5) -> Try:
    step = next_try(progress, NOW, lambda model: (circuits or {}).get(model, Circuit()), lambda: chance)
    assert isinstance(step, Try)
    return step


def given_up(progress: Progress, circuits: Mapping[str, Circuit] | None = None) -> ProviderFailure:
    step = next_try(progress, NOW, lambda model: (circuits or {}).get(model, Circuit()), lambda: 0.5)
    assert isinstance(step, ProviderFailure)
    return step


def test_one_that_hangs_leaves_time_for_the_next() -> None:
    """While another can be tried, a try may take half of what is left; the last gets all of it."""
    progress = begun(ONE, TWO, THREE)
    assert planned(progress) == Try(ONE, 0.0, 4.0)
    progress = replace(progress, deadline=NOW + 4).after(ONE, fails(FailureKind.TIMEOUT))
    assert planned(progress) == Try(TWO, 0.0, 2.0)
    progress = replace(progress, deadline=NOW + 2).after(TWO, fails(FailureKind.TIMEOUT))
    assert planned(progress) == Try(THREE, 0.0, 2.0)


def test_a_single_deployment_has_all_the_time() -> None:
    """Nobody waits for its turn."""
    assert planned(begun(ONE)) == Try(ONE, 0.0, 8.0)
    assert planned(begun(ONE, TWO, max_attempts=1)) == Try(ONE, 0.0, 8.0)


@pytest.mark.parametrize("kind", [FailureKind.INVALID_REQUEST, FailureKind.CONTENT_POLICY, FailureKind.CONTEXT_LENGTH])
def test_what_the_request_is_to_blame_for_is_not_tried_elsewhere(kind: FailureKind) -> None:
    """It would be refused, and perhaps billed, again."""
    assert given_up(begun(ONE, TWO).after(ONE, fails(kind))).kind is kind


@pytest.mark.parametrize("kind", [FailureKind.CREDENTIALS, FailureKind.QUOTA, FailureKind.UNKNOWN_MODEL])
def test_what_only_a_person_can_mend_is_tried_elsewhere_and_not_again(kind: FailureKind) -> None:
    """The call can still be answered; the alarm was raised when it failed."""
    assert planned(begun(ONE, TWO).after(ONE, fails(kind))).deployment is TWO
    assert given_up(begun(ONE).after(ONE, fails(kind))).kind is kind


def test_three_calls_are_enough() -> None:
    """However much time is left."""
    progress = begun(ONE, TWO, THREE, Deployment("p/four"))
    for deployment in (ONE, TWO, THREE):
        progress = progress.after(deployment, fails(FailureKind.SERVER_ERROR))
    assert given_up(progress).kind is FailureKind.SERVER_ERROR


def test_a_repetition_waits_with_jitter_and_longer_each_time() -> None:
    """Full jitter: anything from nothing to twice as much as before."""
    once = begun(ONE).after(ONE, fails(FailureKind.SERVER_ERROR))
    assert planned(once, chance=0.5).wait_s == FIRST_BACKOFF_S / 2
    assert planned(once, chance=0.0).wait_s == 0
    twice = once.after(ONE, fails(FailureKind.SERVER_ERROR))
    assert planned(twice, chance=0.5).wait_s == FIRST_BACKOFF_S


def test_retry_after_is_honoured_within_the_deadline() -> None:
    """Beyond it, nobody waits in vain: the failure is told at once."""
    limited = begun(ONE).after(ONE, fails(FailureKind.RATE_LIMITED, 3.0))
    rests = {ONE.model: Circuit(rests_until=NOW + 3)}
    assert planned(limited, rests) == Try(ONE, 3.0, 5.0)
    late = begun(ONE).after(ONE, fails(FailureKind.RATE_LIMITED, 30.0))
    assert given_up(late, {ONE.model: Circuit(rests_until=NOW + 30)}).retry_after_s == 30


def test_one_at_its_limit_is_left_for_the_next_at_once() -> None:
    """Waiting is for when nobody else is there."""
    limited = begun(ONE, TWO).after(ONE, fails(FailureKind.RATE_LIMITED, 3.0))
    assert planned(limited).deployment is TWO


def test_an_open_circuit_is_passed_over() -> None:
    """Where all are open, the call fails at once and says when to come back."""
    rests = Circuit(3, NOW + 2.5, 5.0)
    assert planned(begun(ONE, TWO), {ONE.model: rests}).deployment is TWO
    failure = given_up(begun(ONE, TWO), {ONE.model: rests, TWO.model: rests})
    assert (failure.kind, failure.retry_after_s) == (FailureKind.UNAVAILABLE, 3)


def test_no_call_begins_after_the_deadline() -> None:
    """It could not be waited for."""
    progress = begun(ONE, TWO, left_s=0).after(ONE, fails(FailureKind.TIMEOUT))
    assert given_up(progress).kind is FailureKind.TIMEOUT


def test_deployments_are_drawn_by_weight() -> None:
    """Three to one; of 4,000 draws, 3,000 within five standard deviations. Weight 0 is always last."""
    route = Route("r", RouteKind.CHAT, [replace(ONE, weight=3), TWO, replace(THREE, weight=0)])
    chance = random.Random(7).random
    drawn = [order([route], chance) for _ in range(4_000)]
    first = Counter(one[0].model for one in drawn)
    assert abs(first[ONE.model] - 3_000) < 5 * (4_000 * 0.75 * 0.25) ** 0.5
    assert {one[2].model for one in drawn} == {THREE.model}


def test_fallbacks_follow_in_order_each_once() -> None:
    """Those of fallbacks too, of the same kind, and circles end."""
    routes = {
        name: Route(name, kind, [Deployment(f"p/{name}")], fallbacks)
        for name, kind, fallbacks in [
            ("a", RouteKind.CHAT, ("b", "missing", "e")),
            ("b", RouteKind.CHAT, ("c", "a")),
            ("c", RouteKind.CHAT, ()),
            ("e", RouteKind.EMBEDDING, ()),
        ]
    }
    found = with_fallbacks(routes["a"], routes)
    assert [route.name for route in found] == ["a", "b", "c"]
    assert [one.model for one in order(found, lambda: 0.5)] == ["p/a", "p/b", "p/c"]


WEIGHTED = [
    Deployment("p/a", weight=1),
    Deployment("p/b", weight=1),
    Deployment("p/c", weight=2),
    Deployment("p/z", weight=0),
]
STICKY = Route("r", RouteKind.CHAT, WEIGHTED, sticky=True)


def firsts(deployments: list[Deployment]) -> dict[str, str]:
    """Give who is asked first, for each of a thousand affinities."""
    route = replace(STICKY, deployments=deployments)
    return {str(one): order([route], lambda: 0.5, str(one))[0].model for one in range(1_000)}


def test_a_sticky_route_sends_what_belongs_together_to_one_deployment() -> None:
    """Whatever chance says, in shares of the weights, and with all others behind it."""
    again = {str(one): order([STICKY], random.random, str(one)) for one in range(1_000)}
    assert {affinity: found[0].model for affinity, found in again.items()} == firsts(WEIGHTED)
    shares = Counter(firsts(WEIGHTED).values())
    assert 200 <= shares["p/a"] <= 300
    assert 450 <= shares["p/c"] <= 550
    assert all(found[-1].model == "p/z" for found in again.values())


def test_a_deployment_that_goes_moves_only_what_it_had() -> None:
    """The prompt caches of the others stay warm."""
    before, after = firsts(WEIGHTED), firsts(WEIGHTED[1:])
    assert all(after[one] == model for one, model in before.items() if model != "p/a")


def test_without_an_affinity_a_sticky_route_draws() -> None:
    """As other routes do, which know of no affinity."""
    draws = iter([0.1, 0.9, 0.2, 0.5])
    assert order([STICKY], lambda: next(draws))[0].model == "p/b"
    draws = iter([0.9, 0.1, 0.2, 0.5])
    assert order([replace(STICKY, sticky=False)], lambda: next(draws), "x")[0].model == "p/a"


def test_where_all_are_at_their_limits_it_is_said_to_be_a_limit() -> None:
    """Of one that is out of order, that it is unavailable; the one that comes back first decides."""
    limited, broken = Circuit(rests_until=NOW + 3, limited=True), Circuit(3, NOW + 5, 5.0)
    failure = given_up(begun(ONE, TWO), {"p/one": limited, "p/two": broken})
    assert (failure.kind, failure.retry_after_s) == (FailureKind.RATE_LIMITED, 3)
    failure = given_up(begun(ONE, TWO), {"p/one": replace(limited, rests_until=NOW + 9), "p/two": broken})
    assert (failure.kind, failure.retry_after_s) == (FailureKind.UNAVAILABLE, 5)
