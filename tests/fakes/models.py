"""A gateway whose models say what a test tells them to."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field

from chalicelib.contracts.components import Components
from chalicelib.contracts.embeddings import EmbeddingsRequest
from chalicelib.contracts.gateway import (
    AnswerMessage,
    ChatChunk,
    ChatRequest,
    ChatResponse,
    Choice,
    ChunkChoice,
    Delta,
    EmbedResponse,
    GatewayModels,
    ProviderViews,
    RerankItem,
    RerankRequest,
    RerankResponse,
    RerankUsage,
    RouteState,
    RouteTest,
    Usage,
)
from chalicelib.domain.access import Principal


@dataclass
class TalkingGateway:
    """
    See `ports.services.ModelGateway`. *reply* makes the answer of a chat, *relevance* the score of each document.

    *failure* is raised instead where a test has set one; *asked* is every request.
    """

    reply: Callable[[ChatRequest], str] = lambda _request: ""
    relevance: Callable[[str, str], float] = lambda _query, _document: 0.0
    failure: Exception | None = None
    finish: str = "stop"
    asked: list[tuple[Principal, ChatRequest | RerankRequest]] = field(default_factory=list)

    async def chat(self, principal: Principal, request: ChatRequest) -> ChatResponse:
        """See `ModelGateway.chat`."""
        self._note(principal, request)
        message = AnswerMessage(content=self.reply(request))
        choice = Choice(message=message, finish_reason="stop")
        return ChatResponse(id="chat_1", created=0, model="test/model", choices=[choice], usage=Usage())

    async def chat_stream(self, principal: Principal, request: ChatRequest) -> AsyncGenerator[ChatChunk, None]:
        """See `ModelGateway.chat_stream`. Says three characters at a time."""
        self._note(principal, request)
        said = self.reply(request)
        for start in range(0, len(said), 3):
            yield self._chunk([ChunkChoice(delta=Delta(content=said[start : start + 3]))])
        yield self._chunk([ChunkChoice(delta=Delta(), finish_reason=self.finish)])
        usage = Usage(prompt_tokens=100, completion_tokens=len(said.split()), cost_usd_micros=42)
        yield self._chunk([]).model_copy(update={"usage": usage})

    def _chunk(self, choices: list[ChunkChoice]) -> ChatChunk:
        return ChatChunk(id="chat_1", created=0, model="test/model", choices=choices)

    async def embed(self, principal: Principal, request: EmbeddingsRequest) -> EmbedResponse:
        """See `ModelGateway.embed`."""
        raise NotImplementedError

    async def rerank(self, principal: Principal, request: RerankRequest) -> RerankResponse:
        """See `ModelGateway.rerank`."""
        self._note(principal, request)
        scores = [self.relevance(request.query, document) for document in request.documents]
        best = sorted(range(len(scores)), key=lambda place: -scores[place])
        results = [RerankItem(index=place, relevance_score=scores[place]) for place in best][: request.top_n]
        return RerankResponse(id="rerank_1", model="test/model", results=results, usage=RerankUsage())

    async def models(self, principal: Principal) -> GatewayModels:
        """See `ModelGateway.models`."""
        return GatewayModels(data=[])

    async def test(self, principal: Principal, route: str) -> RouteTest:
        """See `ModelGateway.test`."""
        raise NotImplementedError

    async def health(self, principal: Principal, route: str) -> RouteState:
        """See `ModelGateway.health`."""
        raise NotImplementedError

    async def providers(self) -> ProviderViews:
        """See `ModelGateway.providers`."""
        return ProviderViews(items=[])

    async def components(self) -> Components:
        """See `ModelGateway.components`."""
        return Components(items=[])

    def _note(self, principal: Principal, request: ChatRequest | RerankRequest) -> None:
        self.asked.append((principal, request))
        if self.failure is not None:
            raise self.failure


def told(request: ChatRequest) -> Sequence[str]:
    """Give the texts of a request's messages, the system's first."""
    return [str(message.content) for message in request.messages]
