"""Services that note what they were asked and answer what they were told to."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from chalicelib.contracts.asking import (
    Answer,
    AnswerEvent,
    QueryRequest,
    RetrieveRequest,
    RetrieveResponse,
    SearchRequest,
    SearchResponse,
    WordingView,
)
from chalicelib.contracts.components import ComponentKind, Components, ComponentView
from chalicelib.contracts.documents import (
    ChunkPreview,
    ChunkPreviewRequest,
    ChunkView,
    DocumentAccepted,
    DocumentChange,
    DocumentCreate,
    DocumentView,
    JobAccepted,
    JobView,
    ProgressView,
    Redriven,
    UploadsAccepted,
    UploadsCreate,
    UploadView,
)
from chalicelib.contracts.embeddings import EmbeddingItem, EmbeddingsRequest
from chalicelib.contracts.explanations import Explanation, ExplanationRequest, Outcome
from chalicelib.contracts.gateway import (
    AnswerMessage,
    ChatChunk,
    ChatRequest,
    ChatResponse,
    Choice,
    ChunkChoice,
    Delta,
    DeploymentHealth,
    EmbedResponse,
    EmbedUsage,
    GatewayModel,
    GatewayModels,
    ProviderView,
    ProviderViews,
    RerankItem,
    RerankRequest,
    RerankResponse,
    RerankUsage,
    RouteState,
    RouteTest,
    Usage,
)
from chalicelib.contracts.indexes import IndexCreate, IndexView, RecipeModel
from chalicelib.contracts.ingestions import ImportsAccepted, ImportsCreate, ImportView, IngestionCreate
from chalicelib.contracts.prompts import (
    PromptMessage,
    PromptPreview,
    PromptPreviewRequest,
    SentMessages,
    SentRequest,
)
from chalicelib.contracts.releases import Checked, RetrievalCheck
from chalicelib.domain.access import Principal
from chalicelib.domain.documents import BlockKind, DocumentStatus
from chalicelib.domain.identifiers import DocumentId, JobId
from chalicelib.domain.indexes import GenerationStatus
from chalicelib.domain.jobs import JobKind, JobStatus
from chalicelib.domain.routes import RouteKind
from tests.fakes.answers import answer, passage

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
COMPONENTS = Components(
    items=[ComponentView(kind=ComponentKind.CHUNKER, name="structure", description="", parameters={"type": "object"})]
)
INDEX = IndexView(
    name="handbook",
    description="",
    recipe=RecipeModel(),
    generation=1,
    status=GenerationStatus.LIVE,
    created_at=AT,
    updated_at=AT,
)
JOB = JobView(
    job_id="job_1",
    kind=JobKind.INGEST,
    status=JobStatus.RUNNING,
    index="handbook",
    document_id="doc_1",
    progress=ProgressView(done=1, total=4, stage="embed", rate_per_s=2.0, eta_s=None),
    error=None,
    result=None,
    created_at=AT,
    updated_at=AT,
)
DOCUMENT = DocumentView(
    document_id="doc_1",
    index="handbook",
    name="leave.md",
    media_type=None,
    status=DocumentStatus.PENDING,
    version=0,
    latest_version=1,
    size_bytes=7,
    pages=None,
    chunks=0,
    error=None,
    metadata={"year": 2026, "tags": ["a", "b"], "draft": False, "weight": 0.5},
    acl=["all"],
    external_id=None,
    warnings=[],
    attached_to=None,
    created_at=AT,
    updated_at=AT,
)
UPLOADS = UploadsAccepted(
    job=JOB,
    uploads=[
        UploadView(
            document_id="doc_1",
            job_id="job_1",
            method="PUT",
            url="/local-blobs/x?signature=y",
            headers={"Content-Type": "text/plain"},
            fields={},
            expires_at=AT + timedelta(hours=1),
        )
    ],
)
IMPORTS = ImportsAccepted(
    imports=[
        ImportView(
            path="2026/ünï.pdf",
            method="PUT",
            url="/local-blobs/x?signature=y",
            headers={"Content-Type": "text/plain"},
            fields={},
            expires_at=AT + timedelta(hours=1),
        )
    ]
)
PREVIEW = ChunkPreview(
    items=[
        ChunkView(
            chunk_id="chk_1",
            ordinal=0,
            text="Ünï 🙂\n",
            tokens=3,
            page=2,
            heading_path=["A", "B"],
            start=0,
            end=6,
            kind=BlockKind.TEXT,
        )
    ]
)
FOUND = RetrieveResponse(run_id="run_1", release="rel_1", passages=[passage(1), passage(2)], timings_ms={"total": 1.25})
SEARCHED = SearchResponse(
    passages=[passage(1)], timings_ms={"dense": 0.5}, searched=[WordingView(text="q", imagined=["ünï"])], degraded=["a"]
)
PREVIEWED = PromptPreview(
    release="rel_1",
    prompt="helpdesk@3",
    messages=[PromptMessage(role="system", content="Wörter")],
    tokens=7,
    left_out=["a"],
    passages=[passage(1)],
)
PUT_TOGETHER = SentMessages(run_id="run_1", prompt=None, messages=PREVIEWED.messages, exact=False)
EXPLAINED = Explanation(
    run_id="run_1",
    document_id="doc_1",
    chunk_id=None,
    outcome=Outcome.FILTERED_OUT,
    reason="Its metadata does not pass.",
    top_k=10,
    candidates=100,
)


@dataclass
class Scripted:
    """*asked* is every call's principal and request; *failure* is raised by each call."""

    asked: list[tuple[Principal, object]] = field(default_factory=list)
    failure: Exception | None = None

    def note(self, principal: Principal, request: object) -> None:
        """Keep what was asked, then fail if told to."""
        self.asked.append((principal, request))
        if self.failure is not None:
            raise self.failure


class ScriptedIngestor(Scripted):
    """See `Ingestor`."""

    async def create_index(self, principal: Principal, request: IndexCreate) -> IndexView:
        """See `Ingestor.create_index`."""
        self.note(principal, request)
        return INDEX

    async def submit(self, principal: Principal, request: DocumentCreate) -> DocumentAccepted:
        """See `Ingestor.submit`."""
        self.note(principal, request)
        return DocumentAccepted(document=DOCUMENT, job=JOB)

    async def open_uploads(self, principal: Principal, request: UploadsCreate) -> UploadsAccepted:
        """See `Ingestor.open_uploads`."""
        self.note(principal, request)
        return UPLOADS

    async def open_imports(self, principal: Principal, request: ImportsCreate) -> ImportsAccepted:
        """See `Ingestor.open_imports`."""
        self.note(principal, request)
        return IMPORTS

    async def ingest(self, principal: Principal, request: IngestionCreate) -> JobAccepted:
        """See `Ingestor.ingest`."""
        self.note(principal, request)
        return JobAccepted(job=JOB)

    async def change(self, principal: Principal, document_id: DocumentId, change: DocumentChange) -> DocumentAccepted:
        """See `Ingestor.change`."""
        self.note(principal, (document_id, change))
        return DocumentAccepted(document=DOCUMENT, job=JOB)

    async def sweep(self, principal: Principal, name: str) -> JobAccepted:
        """See `Ingestor.sweep`."""
        self.note(principal, ("sweep", name))
        return JobAccepted(job=JOB)

    async def redrive(self, principal: Principal, name: str) -> Redriven:
        """See `Ingestor.redrive`."""
        self.note(principal, ("redrive", name))
        return Redriven(jobs=3)

    async def cancel(self, principal: Principal, job_id: JobId) -> JobAccepted:
        """See `Ingestor.cancel`."""
        self.note(principal, ("cancel", job_id))
        return JobAccepted(job=JOB)

    async def retry(self, principal: Principal, job_id: JobId) -> JobAccepted:
        """See `Ingestor.retry`."""
        self.note(principal, ("retry", job_id))
        return JobAccepted(job=JOB)

    async def delete(self, principal: Principal, document_id: DocumentId) -> JobAccepted:
        """See `Ingestor.delete`."""
        self.note(principal, document_id)
        return JobAccepted(job=JOB)

    async def delete_index(self, principal: Principal, name: str) -> JobAccepted:
        """See `Ingestor.delete_index`."""
        self.note(principal, name)
        return JobAccepted(job=JOB)

    async def preview(self, principal: Principal, request: ChunkPreviewRequest) -> ChunkPreview:
        """See `Ingestor.preview`."""
        self.note(principal, request)
        return PREVIEW

    async def components(self) -> Components:
        """See `Ingestor.components`."""
        return COMPONENTS


class ScriptedRetriever(Scripted):
    """See `Retriever`."""

    async def retrieve(self, principal: Principal, request: RetrieveRequest) -> RetrieveResponse:
        """See `Retriever.retrieve`."""
        self.note(principal, request)
        return FOUND

    async def search(self, principal: Principal, request: SearchRequest) -> SearchResponse:
        """See `Retriever.search`."""
        self.note(principal, request)
        return SEARCHED

    async def explain(self, principal: Principal, request: ExplanationRequest) -> Explanation:
        """See `Retriever.explain`."""
        self.note(principal, request)
        return EXPLAINED

    async def check(self, principal: Principal, request: RetrievalCheck) -> Checked:
        """See `Retriever.check`."""
        self.note(principal, request)
        return Checked()

    async def components(self) -> Components:
        """See `Retriever.components`."""
        return COMPONENTS


@dataclass
class ScriptedGenerator(Scripted):
    """See `Generator`. Its stream gives *events*; *closed* is set when one came to an end, any end."""

    events: list[AnswerEvent] = field(default_factory=list)
    closed: threading.Event = field(default_factory=threading.Event)

    async def answer(self, principal: Principal, request: QueryRequest) -> Answer:
        """Answer with the question itself."""
        self.note(principal, request)
        return answer(request.question)

    async def stream(self, principal: Principal, request: QueryRequest) -> AsyncGenerator[AnswerEvent, None]:
        """See `Generator.stream`."""
        try:
            self.note(principal, request)
            for event in self.events:
                yield event
        finally:
            self.closed.set()

    async def preview(self, principal: Principal, request: PromptPreviewRequest) -> PromptPreview:
        """See `Generator.preview`."""
        self.note(principal, request)
        return PREVIEWED

    async def messages(self, principal: Principal, request: SentRequest) -> SentMessages:
        """See `Generator.messages`."""
        self.note(principal, request)
        return PUT_TOGETHER

    async def components(self) -> Components:
        """See `Generator.components`."""
        return COMPONENTS


USAGE = Usage(prompt_tokens=2, completion_tokens=3, total_tokens=5, cost_usd_micros=7, unpriced=True)
CHATTED = ChatResponse(
    id="call_1",
    created=1,
    model="p/m",
    choices=[Choice(message=AnswerMessage(content="Ünï \u2028 🙂\n"), finish_reason="stop")],
    usage=USAGE,
)
EMBEDDED = EmbedResponse(
    data=[EmbeddingItem(index=0, embedding=[0.5, -0.25])],
    model="p/m",
    usage=EmbedUsage(prompt_tokens=1, total_tokens=1, cost_usd_micros=1),
)
RANKED = RerankResponse(
    id="call_2", model="p/m", results=[RerankItem(index=1, relevance_score=0.5)], usage=RerankUsage(search_units=1)
)
MODELS = GatewayModels(data=[GatewayModel(id="chat", kind=RouteKind.CHAT, deployments=["p/m"])])
STATE = RouteState(route="gpt-4.1", deployments=[])
TESTED = RouteTest(route="gpt-4.1", deployments=[DeploymentHealth(model="p/m", status="ok", latency_ms=1.5)])
PROVIDERS = ProviderViews(items=[ProviderView(name="p", kind="openai", base_url=None, key_present=True, ready=True)])


def chunk(text: str) -> ChatChunk:
    """Give a chunk that says *text*."""
    return ChatChunk(id="call_1", created=1, model="p/m", choices=[ChunkChoice(delta=Delta(content=text))])


USUAL_CHUNKS = [
    chunk("a\r\n\n: b\u2028🙂"),
    chunk("data: [DONE]"),
    ChatChunk(id="call_1", created=1, model="p/m", choices=[], usage=USAGE),
]


@dataclass
class ScriptedGateway(Scripted):
    """See `ModelGateway`. Its stream gives *chunks*, then raises *broken*; *closed* is set at any end of one."""

    chunks: list[ChatChunk] = field(default_factory=lambda: list(USUAL_CHUNKS))
    broken: Exception | None = None
    closed: threading.Event = field(default_factory=threading.Event)

    async def chat(self, principal: Principal, request: ChatRequest) -> ChatResponse:
        """See `ModelGateway.chat`."""
        self.note(principal, request)
        return CHATTED

    async def chat_stream(self, principal: Principal, request: ChatRequest) -> AsyncGenerator[ChatChunk, None]:
        """See `ModelGateway.chat_stream`."""
        try:
            self.note(principal, request)
            for one in self.chunks:
                yield one
            if self.broken is not None:
                raise self.broken
        finally:
            self.closed.set()

    async def embed(self, principal: Principal, request: EmbeddingsRequest) -> EmbedResponse:
        """See `ModelGateway.embed`."""
        self.note(principal, request)
        return EMBEDDED

    async def rerank(self, principal: Principal, request: RerankRequest) -> RerankResponse:
        """See `ModelGateway.rerank`."""
        self.note(principal, request)
        return RANKED

    async def models(self, principal: Principal) -> GatewayModels:
        """See `ModelGateway.models`."""
        self.note(principal, "models")
        return MODELS

    async def test(self, principal: Principal, route: str) -> RouteTest:
        """See `ModelGateway.test`."""
        self.note(principal, route)
        return TESTED

    async def health(self, principal: Principal, route: str) -> RouteState:
        """See `ModelGateway.health`."""
        self.note(principal, route)
        return STATE

    async def providers(self) -> ProviderViews:
        """See `ModelGateway.providers`."""
        return PROVIDERS

    async def components(self) -> Components:
        """See `ModelGateway.components`."""
        return COMPONENTS
