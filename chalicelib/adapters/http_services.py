"""The services of other processes, over HTTP; each class satisfies the Protocol of its name in `ports.services`."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import TypeVar
from urllib.parse import quote

from pydantic import BaseModel

from chalicelib.contracts.asking import (
    Answer,
    AnswerEvent,
    QueryRequest,
    RetrieveRequest,
    RetrieveResponse,
    SearchRequest,
    SearchResponse,
)
from chalicelib.contracts.components import Components
from chalicelib.contracts.documents import (
    ChunkPreview,
    ChunkPreviewRequest,
    DocumentAccepted,
    DocumentChange,
    DocumentCreate,
    JobAccepted,
    Redriven,
    UploadsAccepted,
    UploadsCreate,
)
from chalicelib.contracts.embeddings import EmbeddingsRequest
from chalicelib.contracts.explanations import Explanation, ExplanationRequest
from chalicelib.contracts.gateway import (
    ChatChunk,
    ChatRequest,
    ChatResponse,
    EmbedResponse,
    GatewayModels,
    ProviderViews,
    RerankRequest,
    RerankResponse,
    RouteState,
    RouteTest,
    StreamOptions,
)
from chalicelib.contracts.gateway_events import ChatEnd, decode_chunks, is_end
from chalicelib.contracts.identity import HEADER
from chalicelib.contracts.indexes import IndexCreate, IndexView
from chalicelib.contracts.ingestions import ImportsAccepted, ImportsCreate, IngestionCreate
from chalicelib.contracts.prompts import PromptPreview, PromptPreviewRequest, SentMessages, SentRequest
from chalicelib.contracts.releases import Checked, RetrievalCheck
from chalicelib.domain.access import Principal
from chalicelib.domain.identifiers import DocumentId, JobId
from chalicelib.errors import DeadlineExceeded, Unauthenticated, from_problem
from chalicelib.observability.spans import TRACE_HEADER, span, trace_header
from chalicelib.transport import ANSWERS, Call, EventFormat, EventStream, Transport

DEADLINE_S = 27.0
"""API Gateway gives up after 29 s."""
MODEL_DEADLINE_S = 630.0
"""A route's own deadline, which is shorter, is what ends a call of a model."""

CHUNKS: EventFormat[ChatChunk | ChatEnd] = EventFormat(decode_chunks, is_end)

THREADS = 64

ModelT = TypeVar("ModelT", bound=BaseModel)
EventT = TypeVar("EventT")
ResultT = TypeVar("ResultT")


class Upstream:
    """
    One service's address, with the connections to it.

    A principal's own token goes with each call; *service_token* gives the one for calls that have no principal.
    Nothing is retried: what failed may have happened.
    """

    def __init__(self, base_url: str, service_token: Callable[[], str], *, deadline_s: float = DEADLINE_S) -> None:
        self._transport = Transport(base_url, connections=THREADS)
        self._service_token = service_token
        self._deadline_s = deadline_s
        # Threads of its own: the event loop's few are needed by the stores, and a stream holds one while it waits.
        self._threads = ThreadPoolExecutor(THREADS, "upstream")

    async def get(self, path: str, kind: type[ModelT]) -> ModelT:
        """Ask for something that is the same for everybody."""
        return await self._call("GET", path, self._service_token(), None, kind)

    async def post(self, principal: Principal, path: str, body: BaseModel, kind: type[ModelT]) -> ModelT:
        """Ask for something to be done, in the principal's name."""
        return await self._call("POST", path, _token(principal), body, kind)

    async def patch(self, principal: Principal, path: str, body: BaseModel, kind: type[ModelT]) -> ModelT:
        """Ask for something to be changed, in the principal's name."""
        return await self._call("PATCH", path, _token(principal), body, kind)

    async def act(self, principal: Principal, path: str, kind: type[ModelT]) -> ModelT:
        """Ask for something to happen to what *path* names, in the principal's name."""
        return await self._call("POST", path, _token(principal), None, kind)

    async def delete(self, principal: Principal, path: str, kind: type[ModelT]) -> ModelT:
        """Ask for something to be removed, in the principal's name."""
        return await self._call("DELETE", path, _token(principal), None, kind)

    async def read(self, principal: Principal, path: str, kind: type[ModelT]) -> ModelT:
        """Ask for what the principal may see."""
        return await self._call("GET", path, _token(principal), None, kind)

    async def stream(
        self, principal: Principal, path: str, body: BaseModel, kind: EventFormat[EventT]
    ) -> AsyncGenerator[EventT, None]:
        """Ask in the principal's name, and give the events as they come."""
        call = Call("POST", path, body, _headers(_token(principal)))
        events = await self._in_thread(lambda: self._transport.events(call, kind))
        try:
            while (event := await self._in_thread(lambda: _next(events))) is not None:
                yield event
        finally:
            events.close()

    def close(self) -> None:
        """Close the connections; calls under way fail."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._transport.close()

    async def _call(self, method: str, path: str, token: str, body: BaseModel | None, kind: type[ModelT]) -> ModelT:
        with span("upstream.call", method=method, path=path) as here:
            call = Call(method, path, body, _headers(token), self._deadline_s)
            try:
                async with asyncio.timeout(self._deadline_s):
                    reply = await self._in_thread(lambda: self._transport.call(call))
            except TimeoutError:
                raise DeadlineExceeded(f"{path} took over {self._deadline_s:g} s.") from None
            here.note(status=reply.status)
        if reply.failed:
            raise reply.error()
        return reply.model(kind)

    async def _in_thread(self, work: Callable[[], ResultT]) -> ResultT:
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: context.run(work))


class HttpIngestor:
    """See `Ingestor`."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def create_index(self, principal: Principal, request: IndexCreate) -> IndexView:
        """See `Ingestor.create_index`."""
        return await self._upstream.post(principal, "/ingestion/indexes", request, IndexView)

    async def submit(self, principal: Principal, request: DocumentCreate) -> DocumentAccepted:
        """See `Ingestor.submit`."""
        return await self._upstream.post(principal, "/ingestion/documents", request, DocumentAccepted)

    async def open_uploads(self, principal: Principal, request: UploadsCreate) -> UploadsAccepted:
        """See `Ingestor.open_uploads`."""
        return await self._upstream.post(principal, "/ingestion/uploads", request, UploadsAccepted)

    async def open_imports(self, principal: Principal, request: ImportsCreate) -> ImportsAccepted:
        """See `Ingestor.open_imports`."""
        return await self._upstream.post(principal, "/ingestion/imports", request, ImportsAccepted)

    async def ingest(self, principal: Principal, request: IngestionCreate) -> JobAccepted:
        """See `Ingestor.ingest`."""
        return await self._upstream.post(principal, "/ingestion/batches", request, JobAccepted)

    async def change(self, principal: Principal, document_id: DocumentId, change: DocumentChange) -> DocumentAccepted:
        """See `Ingestor.change`."""
        path = f"/ingestion/documents/{_quoted(document_id)}"
        return await self._upstream.patch(principal, path, change, DocumentAccepted)

    async def delete(self, principal: Principal, document_id: DocumentId) -> JobAccepted:
        """See `Ingestor.delete`."""
        return await self._upstream.delete(principal, f"/ingestion/documents/{_quoted(document_id)}", JobAccepted)

    async def delete_index(self, principal: Principal, name: str) -> JobAccepted:
        """See `Ingestor.delete_index`."""
        return await self._upstream.delete(principal, f"/ingestion/indexes/{_quoted(name)}", JobAccepted)

    async def sweep(self, principal: Principal, name: str) -> JobAccepted:
        """See `Ingestor.sweep`."""
        return await self._upstream.act(principal, f"/ingestion/indexes/{_quoted(name)}/sweep", JobAccepted)

    async def redrive(self, principal: Principal, name: str) -> Redriven:
        """See `Ingestor.redrive`."""
        return await self._upstream.act(principal, f"/ingestion/indexes/{_quoted(name)}/redrive", Redriven)

    async def cancel(self, principal: Principal, job_id: JobId) -> JobAccepted:
        """See `Ingestor.cancel`."""
        return await self._upstream.act(principal, f"/ingestion/jobs/{_quoted(job_id)}/cancel", JobAccepted)

    async def retry(self, principal: Principal, job_id: JobId) -> JobAccepted:
        """See `Ingestor.retry`."""
        return await self._upstream.act(principal, f"/ingestion/jobs/{_quoted(job_id)}/retry", JobAccepted)

    async def preview(self, principal: Principal, request: ChunkPreviewRequest) -> ChunkPreview:
        """See `Ingestor.preview`."""
        return await self._upstream.post(principal, "/ingestion/chunk-previews", request, ChunkPreview)

    async def components(self) -> Components:
        """See `Ingestor.components`."""
        return await self._upstream.get("/ingestion/components", Components)


class HttpRetriever:
    """See `Retriever`."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def retrieve(self, principal: Principal, request: RetrieveRequest) -> RetrieveResponse:
        """See `Retriever.retrieve`."""
        return await self._upstream.post(principal, "/retrieval/retrieve", request, RetrieveResponse)

    async def search(self, principal: Principal, request: SearchRequest) -> SearchResponse:
        """See `Retriever.search`."""
        return await self._upstream.post(principal, "/retrieval/search", request, SearchResponse)

    async def explain(self, principal: Principal, request: ExplanationRequest) -> Explanation:
        """See `Retriever.explain`."""
        return await self._upstream.post(principal, "/retrieval/explain", request, Explanation)

    async def check(self, principal: Principal, request: RetrievalCheck) -> Checked:
        """See `Retriever.check`."""
        return await self._upstream.post(principal, "/retrieval/check", request, Checked)

    async def components(self) -> Components:
        """See `Retriever.components`."""
        return await self._upstream.get("/retrieval/components", Components)


class HttpGenerator:
    """See `Generator`."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def answer(self, principal: Principal, request: QueryRequest) -> Answer:
        """See `Generator.answer`."""
        return await self._upstream.post(principal, "/generation/answer", request, Answer)

    def stream(self, principal: Principal, request: QueryRequest) -> AsyncGenerator[AnswerEvent, None]:
        """See `Generator.stream`."""
        return self._upstream.stream(principal, "/generation/query/stream", request, ANSWERS)

    async def preview(self, principal: Principal, request: PromptPreviewRequest) -> PromptPreview:
        """See `Generator.preview`."""
        return await self._upstream.post(principal, "/generation/prompt-previews", request, PromptPreview)

    async def messages(self, principal: Principal, request: SentRequest) -> SentMessages:
        """See `Generator.messages`."""
        return await self._upstream.post(principal, "/generation/messages", request, SentMessages)

    async def components(self) -> Components:
        """See `Generator.components`."""
        return await self._upstream.get("/generation/components", Components)


class HttpModelGateway:
    """See `ModelGateway`."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def chat(self, principal: Principal, request: ChatRequest) -> ChatResponse:
        """See `ModelGateway.chat`."""
        whole = request.model_copy(update={"stream": False, "stream_options": None})
        return await self._upstream.post(principal, "/gateway/v1/chat/completions", whole, ChatResponse)

    async def chat_stream(self, principal: Principal, request: ChatRequest) -> AsyncGenerator[ChatChunk, None]:
        """See `ModelGateway.chat_stream`."""
        options = StreamOptions(include_usage=True)
        streamed = request.model_copy(update={"stream": True, "stream_options": options})
        events = self._upstream.stream(principal, "/gateway/v1/chat/completions", streamed, CHUNKS)
        async with aclosing(events):
            async for event in events:
                if isinstance(event, ChatChunk):
                    yield event
                elif event.problem is not None:
                    raise from_problem(event.problem, int(event.problem["status"]))

    async def embed(self, principal: Principal, request: EmbeddingsRequest) -> EmbedResponse:
        """See `ModelGateway.embed`."""
        return await self._upstream.post(principal, "/gateway/v1/embeddings", request, EmbedResponse)

    async def rerank(self, principal: Principal, request: RerankRequest) -> RerankResponse:
        """See `ModelGateway.rerank`."""
        return await self._upstream.post(principal, "/gateway/v1/rerank", request, RerankResponse)

    async def models(self, principal: Principal) -> GatewayModels:
        """See `ModelGateway.models`."""
        return await self._upstream.read(principal, "/gateway/v1/models", GatewayModels)

    async def test(self, principal: Principal, route: str) -> RouteTest:
        """See `ModelGateway.test`."""
        return await self._upstream.act(principal, f"/gateway/routes/{_quoted(route)}/test", RouteTest)

    async def health(self, principal: Principal, route: str) -> RouteState:
        """See `ModelGateway.health`."""
        return await self._upstream.read(principal, f"/gateway/routes/{_quoted(route)}/health", RouteState)

    async def providers(self) -> ProviderViews:
        """See `ModelGateway.providers`."""
        return await self._upstream.get("/gateway/providers", ProviderViews)

    async def components(self) -> Components:
        """See `ModelGateway.components`."""
        return await self._upstream.get("/gateway/components", Components)


def _token(principal: Principal) -> str:
    if principal.token is None:
        raise Unauthenticated("This principal carries no identity token; let the edge's signer make one.")
    return principal.token


def _headers(token: str) -> dict[str, str]:
    trace = trace_header()
    return {HEADER: token} | ({TRACE_HEADER: trace} if trace else {})


def _quoted(part: str) -> str:
    return quote(part, safe="")


def _next(events: EventStream[EventT]) -> EventT | None:
    # StopIteration cannot pass through a future.
    return next(events, None)
