"""The generation service as OpenAI's clients know models: chats in, completions with citations out."""

from __future__ import annotations

import time
from collections.abc import Callable

from fastapi import APIRouter, Depends, Request, Response

from chalicelib.contracts.chat_completions import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionRequest,
    ChatQuestion,
)
from chalicelib.contracts.events import HEARTBEAT_S, MEDIA_TYPE
from chalicelib.contracts.gateway_events import DONE, ChatEnd, encode_chunk, encode_error
from chalicelib.domain.access import Permission, Principal
from chalicelib.ports.services import Generator
from fargate.generation.chat_completions import chunks, completion, question_of
from fargate.http.identity import Authenticate
from fargate.http.openai_errors import openai_route
from fargate.http.permission import of_request
from fargate.http.presence import json_or_left, while_connected
from fargate.http.sse import Wire, event_stream


def chat_router(
    service: Generator,
    authenticate: Authenticate,
    *,
    heartbeat_s: float = HEARTBEAT_S,
    now: Callable[[], float] = time.time,
) -> APIRouter:
    """Give the route under ``/generation`` that needs `Permission.ASK`, and errs as OpenAI's API does."""
    asks = of_request(Permission.ASK, authenticate)
    routes = APIRouter(prefix="/generation", tags=["generation"], route_class=openai_route(asks))

    @routes.post("/chat/completions", response_model=ChatCompletion, responses={200: {"content": {MEDIA_TYPE: {}}}})
    async def chat(request: ChatCompletionRequest, http: Request, principal: Principal = Depends(asks)) -> Response:
        """Answer the last message; as server-sent events where *stream* asks for them."""
        question, created = question_of(request), int(now())
        if not request.stream:
            return json_or_left(await while_connected(http, whole(principal, question, created)))
        pieces = chunks(service.stream(principal, question), question.ignored, created, with_usage=request.wants_usage)
        stream = event_stream(pieces, CHAT_CHUNKS, heartbeat_s=heartbeat_s)
        return await while_connected(http, stream) or json_or_left(None)

    async def whole(principal: Principal, question: ChatQuestion, created: int) -> ChatCompletion:
        return completion(await service.answer(principal, question), question.ignored, created)

    return routes


def _encode(event: ChatCompletionChunk | ChatEnd) -> bytes:
    if isinstance(event, ChatCompletionChunk):
        return encode_chunk(event)
    return DONE if event.problem is None else encode_error(event.problem)


CHAT_CHUNKS: Wire[ChatCompletionChunk | ChatEnd] = Wire(_encode, lambda event: isinstance(event, ChatEnd), ChatEnd)
