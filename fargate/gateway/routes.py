"""The gateway over HTTP: as OpenAI's API has it (and Cohere's, for reranking), with routes as models."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Depends, Request, Response

from chalicelib.contracts.components import Components
from chalicelib.contracts.embeddings import EmbeddingsRequest
from chalicelib.contracts.events import HEARTBEAT_S
from chalicelib.contracts.gateway import (
    ChatRequest,
    ChatResponse,
    EmbedResponse,
    GatewayModels,
    ProviderViews,
    RerankRequest,
    RerankResponse,
    RouteState,
    RouteTest,
)
from chalicelib.domain.access import Permission, Principal
from chalicelib.ports.services import ModelGateway
from fargate.gateway.streaming import chunk_stream
from fargate.http.openai_errors import openai_route
from fargate.http.permission import requires
from fargate.http.presence import json_or_left, while_connected


def routers(
    service: ModelGateway, authenticate: Callable[..., Principal], *, heartbeat_s: float = HEARTBEAT_S
) -> list[APIRouter]:
    """Give the routes under ``/gateway``; *authenticate* is a FastAPI dependency."""
    return [_models(service, authenticate, heartbeat_s), _platform(service, authenticate)]


def _models(service: ModelGateway, authenticate: Callable[..., Principal], heartbeat_s: float) -> APIRouter:
    routes = APIRouter(prefix="/gateway/v1", tags=["gateway"], route_class=openai_route(authenticate))
    caller = Depends(authenticate)

    @routes.post("/chat/completions", response_model=ChatResponse)
    async def chat(request: ChatRequest, http: Request, principal: Principal = caller) -> Response:
        """Go on with a conversation; as server-sent events where *stream* asks for them."""
        if not request.stream:
            return json_or_left(await while_connected(http, service.chat(principal, request)))
        with_usage = request.stream_options is not None and request.stream_options.include_usage
        chunks = service.chat_stream(principal, request)
        stream = chunk_stream(chunks, with_usage=with_usage, heartbeat_s=heartbeat_s)
        return await while_connected(http, stream) or json_or_left(None)

    @routes.post("/embeddings", response_model=EmbedResponse)
    async def embeddings(request: EmbeddingsRequest, http: Request, principal: Principal = caller) -> Response:
        """Embed up to 2,048 texts."""
        return json_or_left(await while_connected(http, service.embed(principal, request)))

    @routes.post("/rerank", response_model=RerankResponse)
    async def rerank(request: RerankRequest, http: Request, principal: Principal = caller) -> Response:
        """Order up to 1,000 documents by a question."""
        return json_or_left(await while_connected(http, service.rerank(principal, request)))

    @routes.get("/models", response_model=GatewayModels)
    async def models(_: Request, principal: Principal = caller) -> Response:
        """List the routes."""
        return json_or_left(await service.models(principal))

    return routes


def _platform(service: ModelGateway, authenticate: Callable[..., Principal]) -> APIRouter:
    routes = APIRouter(prefix="/gateway", tags=["gateway"])
    engineer = Depends(requires(Permission.ROUTES_MANAGE, authenticate))

    @routes.post("/routes/{route}/test")
    async def test(route: str, principal: Principal = engineer) -> RouteTest:
        """Try every deployment of a route."""
        return await service.test(principal, route)

    @routes.get("/routes/{route}/health")
    async def health(route: str, principal: Principal = engineer) -> RouteState:
        """Say how every deployment of a route did lately."""
        return await service.health(principal, route)

    @routes.get("/providers")
    async def providers() -> ProviderViews:
        """List the providers."""
        return await service.providers()

    @routes.get("/components")
    async def components() -> Components:
        """List the components."""
        return await service.components()

    return routes
