"""What is asked of a provider, by kind, and how its answer is read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from chalicelib.contracts.embeddings import EmbeddingsRequest
from chalicelib.contracts.gateway import ChatRequest, ChatResponse, EmbedResponse, RerankRequest, RerankResponse
from chalicelib.domain.routes import Deployment
from chalicelib.ports.model_providers import ProviderCall
from fargate.gateway.attempts import Attempt
from fargate.gateway.translation import (
    Read,
    chat_body,
    embedding_body,
    read_chat,
    read_embeddings,
    read_ranks,
    rerank_body,
)

ValueT = TypeVar("ValueT")

_NO_DIFFERENCE = {"user", "metadata", "prompt_cache_key", "stream_options"}
"""What an answer does not depend on."""


@dataclass(frozen=True, slots=True)
class Question(Generic[ValueT]):
    """
    One request to whichever deployment: *body* is what that is sent, *ask* sends it and reads the answer.

    No text has more tokens than *input_bytes*. *identity* gives the request as far as its answer depends on it.
    """

    input_bytes: int
    identity: Callable[[], str]
    body: Callable[[Deployment], dict[str, Any]]
    ask: Callable[[Attempt, ProviderCall], Awaitable[Read[ValueT]]]


def chat_question(request: ChatRequest) -> Question[ChatResponse]:
    """Ask for an answer to a conversation."""
    # What is not text is counted as if it were: it is never less.
    size = len(request.model_dump_json(include={"messages", "tools", "response_format"}, exclude_none=True).encode())

    async def ask(attempt: Attempt, call: ProviderCall) -> Read[ChatResponse]:
        answer = await attempt.target.provider.chat(call)
        return read_chat(answer, attempt.stamp, size, attempt.target.charge)

    return Question(size, lambda: _identity(request), lambda deployment: chat_body(request, deployment), ask)


def embedding_question(request: EmbeddingsRequest) -> Question[EmbedResponse]:
    """Ask for vectors."""

    async def ask(attempt: Attempt, call: ProviderCall) -> Read[EmbedResponse]:
        answer = await attempt.target.provider.embed(call)
        return read_embeddings(answer, request, attempt.stamp, attempt.target.charge)

    size = sum(len(text.encode()) for text in request.input)
    return Question(size, lambda: _identity(request), lambda deployment: embedding_body(request, deployment), ask)


def rerank_question(request: RerankRequest) -> Question[RerankResponse]:
    """Ask for the order of documents."""

    async def ask(attempt: Attempt, call: ProviderCall) -> Read[RerankResponse]:
        answer = await attempt.target.provider.rerank(call)
        return read_ranks(answer, request, attempt.stamp, attempt.target.charge)

    size = sum(len(text.encode()) for text in (request.query, *request.documents))
    return Question(size, lambda: _identity(request), lambda deployment: rerank_body(request, deployment), ask)


def _identity(request: BaseModel) -> str:
    return type(request).__name__ + request.model_dump_json(exclude=_NO_DIFFERENCE, exclude_none=True)
