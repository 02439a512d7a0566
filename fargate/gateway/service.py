"""The gateway: a user's call to the route it names, and from there to whoever answers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

from pydantic import BaseModel

from chalicelib.contracts.components import Components
from chalicelib.contracts.embeddings import EmbeddingsRequest
from chalicelib.contracts.gateway import (
    ChatChunk,
    ChatRequest,
    ChatResponse,
    EmbedResponse,
    GatewayModel,
    GatewayModels,
    ProviderViews,
    RerankRequest,
    RerankResponse,
    RouteState,
    RouteTest,
)
from chalicelib.domain.access import Permission, Principal, allows
from chalicelib.domain.identifiers import Entropy, new_id
from chalicelib.domain.routes import Route, RouteKind
from chalicelib.errors import Forbidden
from chalicelib.observability.spans import span
from chalicelib.repositories.routes import missing
from fargate.gateway.answer_memory import AnswerMemory, same_request
from fargate.gateway.attempts import Asked, Target, Watchers
from fargate.gateway.calling import Caller, Plan
from fargate.gateway.planning import Chance, order, with_fallbacks
from fargate.gateway.providers import Providers
from fargate.gateway.questions import Question, chat_question, embedding_question, rerank_question
from fargate.gateway.route_book import RouteBook
from fargate.gateway.route_health import RouteHealth, not_configured

ValueT = TypeVar("ValueT", ChatResponse, EmbedResponse, RerankResponse)


@dataclass(frozen=True, slots=True)
class Chances:
    """Randomness: *order* draws deployments and waits, *entropy* makes ids."""

    order: Chance = random.random
    entropy: Entropy = random.randbytes  # ids of calls are no secrets


class GatewayService:
    """See `ports.services.ModelGateway`."""

    def __init__(
        self, *, routes: RouteBook, providers: Providers, watchers: Watchers, chances: Chances = Chances()
    ) -> None:
        self._routes = routes
        self._providers = providers
        self._watchers = watchers
        self._chances = chances
        self._memory = AnswerMemory(watchers.clock)
        self._health = RouteHealth(providers, watchers, chances.order, self._asked)
        self._preparing: set[asyncio.Task[None]] = set()

    async def chat(self, principal: Principal, request: ChatRequest) -> ChatResponse:
        """See `ModelGateway.chat`."""
        question = chat_question(request)
        return await self._answered(await self._chat_asked(principal, request, question), question)

    async def chat_stream(self, principal: Principal, request: ChatRequest) -> AsyncGenerator[ChatChunk, None]:
        """See `ModelGateway.chat_stream`."""
        question = chat_question(request)
        asked = await self._chat_asked(principal, request, question)
        async with aclosing(self._streamed(asked, question, _key(asked, question))) as chunks:
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
        found = await self._managed(principal, route)
        return RouteTest(route=route, deployments=await self._health.trials(principal, found))

    async def health(self, principal: Principal, route: str) -> RouteState:
        """See `ModelGateway.health`."""
        found = await self._managed(principal, route)
        return RouteState(route=route, deployments=self._health.states(found))

    async def providers(self) -> ProviderViews:
        """See `ModelGateway.providers`."""
        return ProviderViews(items=await asyncio.to_thread(self._providers.views))

    async def components(self) -> Components:
        """See `ModelGateway.components`; what a release may name are routes, which are each tenant's own."""
        return Components(items=[])

    async def _chat_asked(self, principal: Principal, request: ChatRequest, question: Question[ChatResponse]) -> Asked:
        route = await self._route(principal, request.model, RouteKind.CHAT)
        asked = self._asked(principal, route, question)
        return replace(
            asked,
            output_limit=request.output_limit,
            user=request.user,
            labels=request.metadata,
            affinity=_affinity(request) if route.sticky else None,
        )

    async def _route(self, principal: Principal, name: str, kind: RouteKind) -> Route:
        _check_permission(principal)
        return await self._routes.get(principal.tenant, name, kind)

    async def _managed(self, principal: Principal, name: str) -> Route:
        if not allows(principal, Permission.ROUTES_MANAGE):
            raise Forbidden(f"Looking after routes needs the permission {Permission.ROUTES_MANAGE}.")
        found = (await self._routes.all(principal.tenant)).get(name)
        if found is None:
            raise missing(name)
        return found

    def _asked(self, principal: Principal, route: Route, question: Question[ValueT]) -> Asked:
        now = self._watchers.clock.now()
        call_id = new_id("call", now, self._chances.entropy)
        return Asked(call_id, int(now.timestamp()), principal, route.kind, route, question.input_bytes)

    async def _answered(self, asked: Asked, question: Question[ValueT]) -> ValueT:
        key = _key(asked, question)
        if key and (known := self._remembered(asked, key)):
            return cast("ValueT", known[0])
        plan = await self._plan(asked, question)
        with span(f"gateway.{asked.kind.value}", route=asked.route.name, call_id=asked.call_id):
            answer = await Caller(self._watchers, self._chances.order).call(plan, question.ask)
        self._remember(key, plan, [answer])
        return answer

    async def _streamed(
        self, asked: Asked, question: Question[ChatResponse], key: str | None
    ) -> AsyncGenerator[ChatChunk, None]:
        if key and (known := self._remembered(asked, key)):
            for chunk in known:
                yield cast("ChatChunk", chunk)
            return
        plan, said = await self._plan(asked, question), []
        async with aclosing(Caller(self._watchers, self._chances.order).stream(plan)) as chunks:
            async for chunk in chunks:
                if key:
                    said.append(chunk)
                yield chunk
        self._remember(key, plan, said)

    def _remember(self, key: str | None, plan: Plan, answer: Sequence[ChatChunk] | Sequence[ValueT]) -> None:
        """Keep *answer* for as long as its route says; what a cheaper route gave is not this one's."""
        own = {one.model for one in plan.deployments}
        if key and all(part.model in own for part in answer):
            self._memory.put(key, answer, plan.asked.route.cache_ttl_s)

    def _remembered(self, asked: Asked, key: str) -> Sequence[BaseModel] | None:
        """Give the answer that was given before, as that of *asked*, which cost nothing."""
        known = self._memory.get(key)
        if known is None:
            return None
        self._watchers.metrics.count("CacheHits", 1, Route=asked.route.name)
        return [_repeated(part, asked) for part in known]

    async def _plan(self, asked: Asked, question: Question[Any]) -> Plan:
        """Say who may answer. Raises `Unavailable` where nobody can be called."""
        routes = await self._routes.all(asked.principal.tenant)
        targets = self._targets(asked, routes)
        if not targets:
            raise not_configured(asked.route.name, asked.route.deployments)
        await self._prepared(targets)
        plan, less = Plan(asked, targets, question.body), routes.get(asked.route.degrade_to or "")
        if less is None or less.kind is not asked.kind:
            return plan
        cheaper = replace(asked, route=less)
        targets = self._targets(cheaper, routes)
        return replace(plan, cheaper=Plan(cheaper, targets, question.body)) if targets else plan

    def _targets(self, asked: Asked, routes: Mapping[str, Route]) -> list[Target]:
        """Give who may answer, in order."""
        deployments = order(with_fallbacks(asked.route, routes), self._chances.order, asked.affinity)
        return [target for one in deployments if (target := self._providers.target(one)) is not None]

    async def _prepared(self, targets: Sequence[Target]) -> None:
        """Wait until the first of *targets* can be asked; the others are made ready meanwhile."""
        first = targets[0].provider
        for other in {one.provider for one in targets} - {first}:
            task = asyncio.create_task(other.prepare())
            self._preparing.add(task)
            task.add_done_callback(self._preparing.discard)
        await first.prepare()


def _affinity(request: ChatRequest) -> str | None:
    """Say what calls of one prompt cache have in common: what they are told to, whose they are, or how they begin."""
    first = request.messages[0]
    beginning = first.model_dump_json() if first.role in {"system", "developer"} else None
    return request.prompt_cache_key or request.user or beginning


def _key(asked: Asked, question: Question[Any]) -> str | None:
    """Name the request, where its route gives answers again."""
    return same_request(asked, question.identity()) if asked.route.cache_ttl_s else None


def _repeated(part: BaseModel, asked: Asked) -> BaseModel:
    usage = getattr(part, "usage", None)
    free = usage and usage.model_copy(update={"cost_usd_micros": 0, "repeated": True})
    stamp = {"id": asked.call_id, "created": asked.created, "usage": free}
    return part.model_copy(update={name: value for name, value in stamp.items() if name in type(part).model_fields})


def _check_permission(principal: Principal) -> None:
    if not (allows(principal, Permission.ASK) or allows(principal, Permission.MODELS_USE)):
        raise Forbidden("Calling models needs the permission ask, or that of the platform's own services.")


def _model(route: Route) -> GatewayModel:
    created = int(route.created_at.timestamp()) if route.created_at else 0
    deployments = [one.model for one in route.deployments]
    return GatewayModel(id=route.name, created=created, kind=route.kind, deployments=deployments)
