"""The generation service over HTTP; health, identity and errors are every service's (`fargate.http`)."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from starlette.responses import StreamingResponse

from chalicelib.contracts.asking import Answer, QueryRequest
from chalicelib.contracts.components import Components
from chalicelib.contracts.events import HEARTBEAT_S, MEDIA_TYPE
from chalicelib.contracts.prompts import PromptPreview, PromptPreviewRequest, SentMessages, SentRequest
from chalicelib.domain.access import Permission, Principal
from chalicelib.ports.services import Generator
from fargate.http.identity import Authenticate
from fargate.http.permission import requires
from fargate.http.sse import ANSWER_EVENTS, event_stream


def router(service: Generator, authenticate: Authenticate, *, heartbeat_s: float = HEARTBEAT_S) -> APIRouter:
    """Give the routes under ``/generation``; questions need `Permission.ASK`, the list of components any identity."""
    caller = Depends(requires(Permission.ASK, authenticate))
    engineer = Depends(requires(Permission.PROMPTS_MANAGE, authenticate))
    auditor = Depends(requires(Permission.RUNS_READ, authenticate))
    routes = APIRouter(prefix="/generation", tags=["generation"])

    @routes.post("/answer")
    async def answer(request: QueryRequest, principal: Principal = caller) -> Answer:
        """Answer, or abstain, with citations."""
        return await service.answer(principal, request)

    @routes.post("/query/stream", response_class=StreamingResponse, responses={200: {"content": {MEDIA_TYPE: {}}}})
    async def stream(request: QueryRequest, principal: Principal = caller) -> StreamingResponse:
        """Answer in events as they come; the last one is `done` or `error`."""
        return await event_stream(service.stream(principal, request), ANSWER_EVENTS, heartbeat_s=heartbeat_s)

    @routes.post("/prompt-previews")
    async def preview(request: PromptPreviewRequest, principal: Principal = engineer) -> PromptPreview:
        """Give what a model would be told."""
        return await service.preview(principal, request)

    @routes.post("/messages")
    async def messages(request: SentRequest, principal: Principal = auditor) -> SentMessages:
        """Put together what a run's model was sent."""
        return await service.messages(principal, request)

    @routes.get("/components")
    async def components() -> Components:
        """List the models."""
        return await service.components()

    return routes
