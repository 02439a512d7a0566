"""What one service may ask of another; the object and its HTTP client satisfy the same Protocol."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

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
)
from chalicelib.contracts.indexes import IndexCreate, IndexView
from chalicelib.contracts.ingestions import ImportsAccepted, ImportsCreate, IngestionCreate
from chalicelib.contracts.prompts import PromptPreview, PromptPreviewRequest, SentMessages, SentRequest
from chalicelib.contracts.releases import Checked, RetrievalCheck
from chalicelib.domain.access import Principal
from chalicelib.domain.identifiers import DocumentId, JobId


class Ingestor(Protocol):
    """
    Takes documents in and out.

    The index must be within the principal's reach; otherwise, and where it does not exist, `NotFound`.
    """

    async def create_index(self, principal: Principal, request: IndexCreate) -> IndexView:
        """Make an empty index after checking its recipe against the registries. Raises `Conflict` if it exists."""
        ...

    async def submit(self, principal: Principal, request: DocumentCreate) -> DocumentAccepted:
        """Store an inline document and queue its ingestion; it is searchable once its job succeeded."""
        ...

    async def open_uploads(self, principal: Principal, request: UploadsCreate) -> UploadsAccepted:
        """Give a presigned URL for each file; a file's ingestion starts when its bytes arrive."""
        ...

    async def open_imports(self, principal: Principal, request: ImportsCreate) -> ImportsAccepted:
        """Give a presigned URL for each file that is to wait in the import area of an index."""
        ...

    async def ingest(self, principal: Principal, request: IngestionCreate) -> JobAccepted:
        """
        Begin to take in many documents, by one job with a child for each.

        Raises `InvalidRequest` where the whole cannot be: a bad document among those sent, or files that are not there.
        A bad line of a manifest fails as a child.
        """
        ...

    async def change(self, principal: Principal, document_id: DocumentId, change: DocumentChange) -> DocumentAccepted:
        """
        Give the document other metadata or another access list at once, and queue the same for what is searched.

        Raises `Conflict` for another revision than the one asked for, for a deleted document and for an attachment.
        """
        ...

    async def delete(self, principal: Principal, document_id: DocumentId) -> JobAccepted:
        """Hide the document from every question at once, and queue the removal of all that was made of it."""
        ...

    async def delete_index(self, principal: Principal, name: str) -> JobAccepted:
        """Hide the index at once, and queue the removal of all its documents."""
        ...

    async def sweep(self, principal: Principal, name: str) -> JobAccepted:
        """Queue a search of the index for what no document accounts for, and its removal."""
        ...

    async def redrive(self, principal: Principal, name: str) -> Redriven:
        """Queue again every job on the index that was given up after failures of the platform's own; give how many."""
        ...

    async def cancel(self, principal: Principal, job_id: JobId) -> JobAccepted:
        """
        Let an ingestion end: at once where it has not begun, otherwise at its next step.

        Raises `Conflict` for a job that has ended, is about to, or is of a kind that must be done.
        """
        ...

    async def retry(self, principal: Principal, job_id: JobId) -> JobAccepted:
        """
        Let an ingestion that failed or was cancelled start anew, as the same version of its document.

        Raises `Conflict`, with the reason, where that cannot be.
        """
        ...

    async def preview(self, principal: Principal, request: ChunkPreviewRequest) -> ChunkPreview:
        """Cut a text, or a document the principal may read, with another chunker; nothing is stored."""
        ...

    async def components(self) -> Components:
        """Say which parsers, chunkers and embedders there are."""
        ...


class Retriever(Protocol):
    """
    Finds passages: the best that the principal may read, best first; equal scores by chunk id.

    Raises `NotFound` for an index or release that does not exist or is out of the principal's reach.
    """

    async def retrieve(self, principal: Principal, request: RetrieveRequest) -> RetrieveResponse:
        """Find passages for a user, and store a run of it."""
        ...

    async def search(self, principal: Principal, request: SearchRequest) -> SearchResponse:
        """Find passages for another service, which stores the run itself; each passage says why it stands there."""
        ...

    async def explain(self, principal: Principal, request: ExplanationRequest) -> Explanation:
        """
        Say why a chunk or document was, or was not, among the passages of a run, by searching again.

        Raises `NotFound` for what is not there, and in the same words for what *principal* may not read.
        """
        ...

    async def check(self, principal: Principal, request: RetrievalCheck) -> Checked:
        """Raise `InvalidRequest` for settings that nothing could be found under, naming the place."""
        ...

    async def components(self) -> Components:
        """Say which strategies, fusions and rerankers there are."""
        ...


class Generator(Protocol):
    """Answers questions from passages."""

    async def answer(self, principal: Principal, request: QueryRequest) -> Answer:
        """Answer, or abstain, with citations; the run is stored before this returns."""
        ...

    def stream(self, principal: Principal, request: QueryRequest) -> AsyncGenerator[AnswerEvent, None]:
        """
        Answer in events: `run`, `passages`, `token` any number of times, `citations`, `claims`, then exactly one
        `done` or `error`. Errors that come before the `run` event are raised instead.
        """
        ...

    async def preview(self, principal: Principal, request: PromptPreviewRequest) -> PromptPreview:
        """Give what a model would be told, with real passages; none is asked, and no run is stored."""
        ...

    async def messages(self, principal: Principal, request: SentRequest) -> SentMessages:
        """Put together again what the model of a run was sent."""
        ...

    async def components(self) -> Components:
        """Say which models there are."""
        ...


class ModelGateway(Protocol):
    """
    Every call of a model, through the routes of the principal's tenant.

    A call is retried, falls back to other deployments and ends within its route's one deadline. It raises `NotFound`
    for a route that does not exist or is of another kind, `InvalidRequest` (with a *reason*) for what the provider
    refuses, `RateLimited` where every deployment is at its limit, and `Unavailable`, `BadUpstream` or
    `DeadlineExceeded` where none answered. No provider's words are in the error.
    """

    async def chat(self, principal: Principal, request: ChatRequest) -> ChatResponse:
        """Give the whole answer, whatever ``request.stream`` says."""
        ...

    def chat_stream(self, principal: Principal, request: ChatRequest) -> AsyncGenerator[ChatChunk, None]:
        """
        Give the answer as it is made; the last chunk holds the usage and no choices.

        Deployments are changed only before the first chunk. What fails after it is raised where the stream stands.
        Closing the stream stops the provider's work; what was said until then is charged.
        """
        ...

    async def embed(self, principal: Principal, request: EmbeddingsRequest) -> EmbedResponse:
        """Give a vector for each text, in the order of the texts, in the encoding asked for."""
        ...

    async def rerank(self, principal: Principal, request: RerankRequest) -> RerankResponse:
        """Give the documents' places, best first; at most *top_n* of them."""
        ...

    async def models(self, principal: Principal) -> GatewayModels:
        """Say which routes there are, by name."""
        ...

    async def test(self, principal: Principal, route: str) -> RouteTest:
        """Try every deployment of the route with a small call of its own, each once. Raises `NotFound`."""
        ...

    async def health(self, principal: Principal, route: str) -> RouteState:
        """Say how each deployment of a route did lately, without a call. Raises as `test` does."""
        ...

    async def providers(self) -> ProviderViews:
        """Say which providers deployments may name, and whether there is a key for each; never the key."""
        ...

    async def components(self) -> Components:
        """Say which providers there are, as components."""
        ...
