"""How a route's deployments are: what this task has seen of them, and what a small call to each comes to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from chalicelib.contracts.embeddings import EmbeddingsRequest
from chalicelib.contracts.gateway import (
    CallLabels,
    ChatMessage,
    ChatRequest,
    DeploymentHealth,
    DeploymentState,
    RerankRequest,
)
from chalicelib.domain.access import Principal
from chalicelib.domain.routes import Deployment, Route, RouteKind
from chalicelib.errors import RagError, Unavailable
from fargate.gateway.attempts import Asked, Watchers
from fargate.gateway.calling import Caller, Plan
from fargate.gateway.circuits import Circuit, Circuits
from fargate.gateway.planning import Chance
from fargate.gateway.providers import Providers
from fargate.gateway.questions import Question, chat_question, embedding_question, rerank_question

TEST_TIMEOUT_S = 15.0
TEST_LABELS = CallLabels(purpose="test")

Asking = Callable[[Principal, Route, Question[Any]], Asked]


class RouteHealth:
    """Looks after deployments; *asking* makes a call of a question."""

    def __init__(self, providers: Providers, watchers: Watchers, chance: Chance, asking: Asking) -> None:
        self._providers = providers
        self._watchers = watchers
        self._chance = chance
        self._asking = asking

    def states(self, route: Route) -> list[DeploymentState]:
        """Say how each deployment did lately, without a call."""
        now = self._watchers.clock.monotonic()
        return [self._state(one, self._watchers.circuits.of(one.model), now) for one in route.deployments]

    async def trials(self, principal: Principal, route: Route) -> list[DeploymentHealth]:
        """Call each deployment once, whether or not it rests."""
        return list(await asyncio.gather(*(self._trial(principal, route, one) for one in route.deployments)))

    def _state(self, deployment: Deployment, circuit: Circuit, now: float) -> DeploymentState:
        lately = self._watchers.recent.of(deployment.model)
        return DeploymentState(
            model=deployment.model,
            configured=self._providers.target(deployment) is not None,
            circuit=_circuit_state(circuit, now),
            resting_until=self._rests_until(circuit, now),
            calls=lately.calls,
            failed_calls=lately.failed,
            p50_ms=lately.p50_ms,
        )

    def _rests_until(self, circuit: Circuit, now: float) -> datetime | None:
        rests_s = circuit.rests_until - now
        return self._watchers.clock.now() + timedelta(seconds=rests_s) if rests_s > 0 else None

    async def _trial(self, principal: Principal, route: Route, deployment: Deployment) -> DeploymentHealth:
        clock, began = self._watchers.clock, self._watchers.clock.monotonic()
        alone = replace(route, deployments=[deployment], fallbacks=(), retries=0, degrade_to=None, cache_ttl_s=0)
        error = await self._failure(principal, replace(alone, timeout_s=min(route.timeout_s, TEST_TIMEOUT_S)))
        return DeploymentHealth(
            model=deployment.model,
            status="failing" if error else "ok",
            latency_ms=round((clock.monotonic() - began) * 1_000, 3),
            error=error,
            resting_until=self._rests_until(self._watchers.circuits.of(deployment.model), clock.monotonic()),
        )

    async def _failure(self, principal: Principal, route: Route) -> str | None:
        """Call *route* with something small, and say what failed, if anything."""
        question = _small(route)
        asked = replace(self._asking(principal, route, question), output_limit=1, labels=TEST_LABELS)
        aside = replace(self._watchers, circuits=Circuits())
        try:
            targets = [one for each in route.deployments if (one := self._providers.target(each)) is not None]
            if not targets:
                raise not_configured(route.name, route.deployments)
            await targets[0].provider.prepare()
            await Caller(aside, self._chance).call(Plan(asked, targets, question.body), question.ask)
        except RagError as error:
            return str(error.extra.get("reason") or error.code)
        return None


def not_configured(route: str, deployments: Sequence[Deployment]) -> Unavailable:
    """Give what is raised where nobody can be called."""
    names = ", ".join(sorted({one.provider for one in deployments}))
    return Unavailable(
        f"Route {route!r} cannot be called: {names} is not configured or has no key; GET /v1/providers says which.",
        reason="not_configured",
    )


def _circuit_state(circuit: Circuit, now: float) -> str:
    if circuit.rests_until > now:
        return "limited" if circuit.limited else "open"
    return "half_open" if circuit.rest_s else "closed"


def _small(route: Route) -> Question[Any]:
    match route.kind:
        case RouteKind.CHAT:
            hello = [ChatMessage(role="user", content="Say yes.")]
            return chat_question(ChatRequest(model=route.name, messages=hello, max_tokens=1))
        case RouteKind.EMBEDDING:
            return embedding_question(EmbeddingsRequest(model=route.name, input=["yes"]))
        case RouteKind.RERANK:
            return rerank_question(RerankRequest(model=route.name, query="yes", documents=["yes", "no"]))
