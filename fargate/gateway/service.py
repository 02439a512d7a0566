"""The gateway: a user's call to the route it names, and from there to whoever answers."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

from chalicelib.contracts.components import Components
from chalicelib.contracts.embeddings import EmbeddingsRequest
from chalicelib.contracts.gateway import (
    CallLabels,
    ChatChunk,
    ChatMessage,
    ChatRequest,
    ChatResponse,
    DeploymentHealth,
    EmbedResponse,
    GatewayModel,
    GatewayModels,
    ProviderViews,
    RerankRequest,
    RerankResponse,
    RouteTest,
)
from chalicelib.domain.access import Permission, Principal, allows
from chalicelib.domain.identifiers import Entropy, new_id
from chalicelib.domain.routes import Deployment, Route, RouteKind
from chalicelib.errors import Forbidden, RagError, Unavailable
from chalicelib.observability.spans import span
from chalicelib.repositories.routes import missing
from fargate.gateway.attempts import Asked, Target, Watchers
from fargate.gateway.calling import Caller, Plan
from fargate.gateway.circuits import Circuits
from fargate.gateway.planning import Chance, order, with_fallbacks
from fargate.gateway.providers import Providers
from fargate.gateway.questions import Question, chat_question, embedding_question, rerank_question
from fargate.gateway.route_book import RouteBook

TEST_TIMEOUT_S = 15.0
TEST_LABELS = CallLabels(purpose="test")

ValueT = TypeVar("ValueT")


@dataclass(frozen=True, slots=True)
class Chances:
    """Randomness: *order* draws deployments and waits, *entropy* makes ids."""

    order: Chance = random.random
    entropy: Entropy = secrets.token_bytes


class GatewayService:
    """See `ports.services.ModelGateway`."""

    def __init__(
        self, *, routes: RouteBook, providers: Providers, watchers: Watchers, chances: Chances = Chances()
    ) -> None:
        self._routes = routes
        self._providers = providers
        self._watchers = watchers
        self._chances = chances
        self._preparing: set[asyncio.Task[None]] = set()

    async def chat(self, principal: Principal, request: ChatRequest) -> ChatResponse:
        """See `ModelGateway.chat`."""
        question = chat_question(request)
        return await self._answered(await self._chat_asked(principal, request, question), question)

    async def chat_stream(self, principal: Principal, request: ChatRequest) -> AsyncGenerator[ChatChunk, None]:
        """See `ModelGateway.chat_stream`."""
        question = chat_question(request)
        asked = await self._chat_asked(principal, request, question)
        plan = Plan(asked, await self._targets(asked), question.body)
        async with aclosing(Caller(self._watchers, self._chances.order).stream(plan)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def embed(self, principal: Principal, request: EmbeddingsRequest) -> EmbedResponse:
        """See `ModelGateway.embed`."""
        question = embedding_question(request)
        route = await self._route(principal, request.model, RouteKind.EMBEDDING)
        asked = self._asked(principal, route, question)
        return await self._answered(replace(asked, user=request.user), question)

    async def rerank(self, principal: Principal, request: RerankRequest) -> RerankResponse:
        """See `ModelGateway.rerank`."""
        question = rerank_question(request)
        route = await self._route(principal, request.model, RouteKind.RERANK)
        asked = self._asked(principal, route, question)
        return await self._answered(replace(asked, labels=request.metadata), question)

    async def models(self, principal: Principal) -> GatewayModels:
        """See `ModelGateway.models`."""
        _check_permission(principal)
        routes = await self._routes.all(principal.tenant)
        return GatewayModels(data=[_model(route) for route in routes.values()])

    async def test(self, principal: Principal, route: str) -> RouteTest:
        """See `ModelGateway.test`."""
        if not allows(principal, Permission.ROUTES_MANAGE):
            raise Forbidden(f"Testing a route needs the permission {Permission.ROUTES_MANAGE}.")
        found = (await self._routes.all(principal.tenant)).get(route)
        if found is None:
            raise missing(route)
        trials = [self._trial(principal, found, deployment) for deployment in found.deployments]
        return RouteTest(route=route, deployments=list(await asyncio.gather(*trials)))

    async def providers(self) -> ProviderViews:
        """See `ModelGateway.providers`."""
        return ProviderViews(items=await asyncio.to_thread(self._providers.views))

    async def components(self) -> Components:
        """See `ModelGateway.components`; what a release may name are routes, which are each tenant's own."""
        return Components(items=[])

    async def _chat_asked(self, principal: Principal, request: ChatRequest, question: Question[ChatResponse]) -> Asked:
        route = await self._route(principal, request.model, RouteKind.CHAT)
        asked = self._asked(principal, route, question)
        return replace(asked, output_limit=request.output_limit, user=request.user, labels=request.metadata)

    async def _route(self, principal: Principal, name: str, kind: RouteKind) -> Route:
        _check_permission(principal)
        return await self._routes.get(principal.tenant, name, kind)

    def _asked(self, principal: Principal, route: Route, question: Question[ValueT]) -> Asked:
        now = self._watchers.clock.now()
        call_id = new_id("call", now, self._chances.entropy)
        return Asked(call_id, int(now.timestamp()), principal, route.kind, route, question.input_bytes)

    async def _answered(self, asked: Asked, question: Question[ValueT]) -> ValueT:
        plan = Plan(asked, await self._targets(asked), question.body)
        with span(f"gateway.{asked.kind.value}", route=asked.route.name, call_id=asked.call_id):
            return await Caller(self._watchers, self._chances.order).call(plan, question.ask)

    async def _targets(self, asked: Asked) -> Sequence[Target]:
        """Give who may answer, in order. Raises `Unavailable` where nobody can be called."""
        routes = await self._routes.all(asked.principal.tenant)
        deployments = order(with_fallbacks(asked.route, routes), self._chances.order)
        targets = [target for one in deployments if (target := self._providers.target(one)) is not None]
        if not targets:
            raise _not_configured(asked.route.name, deployments)
        await self._prepared(targets)
        return targets

    async def _prepared(self, targets: Sequence[Target]) -> None:
        """Wait until the first of *targets* can be asked; the others are made ready meanwhile."""
        first = targets[0].provider
        for other in {one.provider for one in targets} - {first}:
            task = asyncio.create_task(other.prepare())
            self._preparing.add(task)
            task.add_done_callback(self._preparing.discard)
        await first.prepare()

    async def _trial(self, principal: Principal, route: Route, deployment: Deployment) -> DeploymentHealth:
        clock, began = self._watchers.clock, self._watchers.clock.monotonic()
        alone = replace(route, deployments=[deployment], fallbacks=(), retries=0)
        error = await self._failure(principal, replace(alone, timeout_s=min(route.timeout_s, TEST_TIMEOUT_S)))
        rests_s = self._watchers.circuits.of(deployment.model).rests_until - clock.monotonic()
        return DeploymentHealth(
            model=deployment.model,
            status="failing" if error else "ok",
            latency_ms=round((clock.monotonic() - began) * 1_000, 3),
            error=error,
            resting_until=clock.now() + timedelta(seconds=rests_s) if rests_s > 0 else None,
        )

    async def _failure(self, principal: Principal, route: Route) -> str | None:
        """Call *route* with something small, whether or not its deployment rests, and say what failed, if anything."""
        question = _small(route)
        asked = replace(self._asked(principal, route, question), output_limit=1, labels=TEST_LABELS)
        aside = replace(self._watchers, circuits=Circuits())
        try:
            targets = [one for each in route.deployments if (one := self._providers.target(each)) is not None]
            if not targets:
                raise _not_configured(route.name, route.deployments)
            await targets[0].provider.prepare()
            await Caller(aside, self._chances.order).call(Plan(asked, targets, question.body), question.ask)
        except RagError as error:
            return str(error.extra.get("reason") or error.code)
        return None


def _check_permission(principal: Principal) -> None:
    if not (allows(principal, Permission.ASK) or allows(principal, Permission.MODELS_USE)):
        raise Forbidden("Calling models needs the permission ask, or that of the platform's own services.")


def _not_configured(route: str, deployments: Sequence[Deployment]) -> Unavailable:
    names = ", ".join(sorted({one.provider for one in deployments}))
    return Unavailable(
        f"Route {route!r} cannot be called: {names} is not configured or has no key; GET /v1/providers says which.",
        reason="not_configured",
    )


def _small(route: Route) -> Question[Any]:
    match route.kind:
        case RouteKind.CHAT:
            hello = [ChatMessage(role="user", content="Say yes.")]
            return chat_question(ChatRequest(model=route.name, messages=hello, max_tokens=1))
        case RouteKind.EMBEDDING:
            return embedding_question(EmbeddingsRequest(model=route.name, input=["yes"]))
        case RouteKind.RERANK:
            return rerank_question(RerankRequest(model=route.name, query="yes", documents=["yes", "no"]))


def _model(route: Route) -> GatewayModel:
    created = int(route.created_at.timestamp()) if route.created_at else 0
    deployments = [one.model for one in route.deployments]
    return GatewayModel(id=route.name, created=created, kind=route.kind, deployments=deployments)
