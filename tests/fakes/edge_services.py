"""Services behind the edge that do everything at once, on the real repositories; each keeps its port's promises."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from chalicelib.contracts.asking import (
    Answer,
    AnswerEvent,
    AskFields,
    QueryRequest,
    RetrieveRequest,
    RetrieveResponse,
    SearchRequest,
    SearchResponse,
)
from chalicelib.contracts.components import ComponentKind, Components, ComponentView
from chalicelib.contracts.documents import (
    ChunkPreview,
    ChunkPreviewRequest,
    ChunkView,
    DocumentAccepted,
    DocumentChange,
    DocumentCreate,
    JobAccepted,
    Redriven,
    UploadsAccepted,
    UploadsCreate,
    UploadView,
)
from chalicelib.contracts.embeddings import EmbeddingsRequest
from chalicelib.contracts.explanations import Explanation, ExplanationRequest, Outcome
from chalicelib.contracts.gateway import (
    ChatChunk,
    ChatRequest,
    ChatResponse,
    DeploymentHealth,
    DeploymentState,
    EmbedResponse,
    GatewayModels,
    ProviderView,
    ProviderViews,
    RerankRequest,
    RerankResponse,
    RouteState,
    RouteTest,
)
from chalicelib.contracts.indexes import IndexCreate, IndexView
from chalicelib.contracts.ingestions import ImportsAccepted, ImportsCreate, ImportView, IngestionCreate
from chalicelib.contracts.prompts import (
    PromptMessage,
    PromptPreview,
    PromptPreviewRequest,
    SentMessages,
    SentRequest,
)
from chalicelib.contracts.releases import Checked, RetrievalCheck
from chalicelib.contracts.rendering import document_view, index_view, job_view, passage_views, run_view
from chalicelib.domain.access import Principal, may_read
from chalicelib.domain.documents import BlockKind, Chunk, Document, DocumentStatus, DocumentVersion, Published
from chalicelib.domain.identifiers import AttemptId, DocumentId, JobId, ReleaseId, RunId, chunk_id, new_id
from chalicelib.domain.indexes import Generation, GenerationStatus, Index, Recipe
from chalicelib.domain.jobs import Job, JobKind, JobStatus
from chalicelib.domain.runs import Citation, Claim, Passage, Run, RunKind, Verdict
from chalicelib.errors import Conflict, InvalidRequest, NotFound
from chalicelib.ports.clock import Clock
from chalicelib.ports.table import Table
from chalicelib.repositories.chunks import Chunks
from chalicelib.repositories.documents import Documents
from chalicelib.repositories.indexes import Indexes
from chalicelib.repositories.jobs import Jobs
from chalicelib.repositories.routes import Routes
from chalicelib.repositories.runs import Runs

RELEASE = ReleaseId("rel_" + "0" * 40)


@dataclass
class Trouble:
    """What goes wrong, or happens meanwhile, at the next call of a service; once."""

    error: BaseException | None = None
    meanwhile: Callable[[], None] | None = None

    async def strike(self) -> None:
        """Let it happen."""
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            await asyncio.to_thread(meanwhile)
        error, self.error = self.error, None
        if error is not None:
            raise error


@dataclass
class Store:
    """The repositories and the clock that the services share."""

    table: Table
    clock: Clock
    documents: Documents
    chunks: Chunks
    indexes: Indexes
    jobs: Jobs
    runs: Runs
    trouble: Trouble = field(default_factory=Trouble)

    def new_id(self, prefix: str) -> str:
        """Make an id."""
        return new_id(prefix, self.clock.now())


class InstantIngestor:
    """See `ports.services.Ingestor`. A document is published before `submit` returns, as one chunk."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def create_index(self, principal: Principal, request: IndexCreate) -> IndexView:
        """See `Ingestor.create_index`."""
        await self._store.trouble.strike()
        now = self._store.clock.now()
        if principal.indexes is not None:
            self._store.indexes.permitted(principal, request.name)
        generation = Generation(1, Recipe(), GenerationStatus.LIVE, now)
        index = Index(request.name, request.description, generation, now, now)
        return index_view(self._store.indexes.create(principal.tenant, index))

    async def submit(self, principal: Principal, request: DocumentCreate) -> DocumentAccepted:
        """See `Ingestor.submit`."""
        await self._store.trouble.strike()
        self._store.indexes.permitted(principal, request.index)
        document, version, chunk = self._published(request)
        job = self._job(principal, JobKind.INGEST, document.index, document.document_id)
        tenant = principal.tenant
        self._store.table.write(*self._store.documents.adding(tenant, document, version))
        self._store.chunks.put(tenant, [chunk])
        return DocumentAccepted(document=document_view(document), job=job_view(job))

    async def open_uploads(self, principal: Principal, request: UploadsCreate) -> UploadsAccepted:
        """See `Ingestor.open_uploads`."""
        await self._store.trouble.strike()
        self._store.indexes.permitted(principal, request.index)
        job = self._job(principal, JobKind.INGEST, request.index, None)
        until = self._store.clock.now() + timedelta(hours=1)
        uploads = [
            UploadView(
                document_id=self._store.new_id("doc"),
                job_id=job.job_id,
                method="PUT",
                url=f"/uploads/{file.name}",
                headers={},
                fields={},
                expires_at=until,
            )
            for file in request.files
        ]
        return UploadsAccepted(job=job_view(job), uploads=uploads)

    async def delete(self, principal: Principal, document_id: DocumentId) -> JobAccepted:
        """See `Ingestor.delete`."""
        await self._store.trouble.strike()
        document = self._store.documents.get(principal.tenant, document_id)
        self._store.indexes.permitted(principal, document.index)
        self._store.documents.update(
            principal.tenant, document_id, lambda found: replace(found, status=DocumentStatus.DELETED)
        )
        return JobAccepted(job=job_view(self._job(principal, JobKind.DELETE, document.index, document_id)))

    async def delete_index(self, principal: Principal, name: str) -> JobAccepted:
        """See `Ingestor.delete_index`."""
        await self._store.trouble.strike()
        index = self._store.indexes.permitted(principal, name)
        job = self._job(principal, JobKind.DELETE_INDEX, name, None)
        self._store.table.write(self._store.indexes.deleting(principal.tenant, index, job.job_id))
        return JobAccepted(job=job_view(job))

    async def open_imports(self, principal: Principal, request: ImportsCreate) -> ImportsAccepted:
        """See `Ingestor.open_imports`."""
        await self._store.trouble.strike()
        self._store.indexes.permitted(principal, request.index)
        until = self._store.clock.now() + timedelta(hours=1)
        views = [
            ImportView(path=one.path, method="PUT", url="/imports", headers={}, fields={}, expires_at=until)
            for one in request.files
        ]
        return ImportsAccepted(imports=views)

    async def ingest(self, principal: Principal, request: IngestionCreate) -> JobAccepted:
        """See `Ingestor.ingest`."""
        await self._store.trouble.strike()
        self._store.indexes.permitted(principal, request.index)
        return JobAccepted(job=job_view(self._job(principal, JobKind.BATCH, request.index, None)))

    async def change(self, principal: Principal, document_id: DocumentId, change: DocumentChange) -> DocumentAccepted:
        """See `Ingestor.change`."""
        await self._store.trouble.strike()
        document = self._store.documents.get(principal.tenant, document_id)
        self._store.indexes.permitted(principal, document.index)
        if change.if_revision not in (None, document.version):
            raise Conflict("It has changed since.")
        fields = change.model_dump(exclude_unset=True, exclude={"if_revision"})
        changed = self._store.documents.update(
            principal.tenant, document_id, lambda found: replace(found, **fields, updated_at=self._store.clock.now())
        )
        job = self._job(principal, JobKind.RETAG, document.index, document_id)
        return DocumentAccepted(document=document_view(changed), job=job_view(job))

    async def sweep(self, principal: Principal, name: str) -> JobAccepted:
        """See `Ingestor.sweep`."""
        await self._store.trouble.strike()
        index = self._store.indexes.permitted(principal, name)
        return JobAccepted(job=job_view(self._job(principal, JobKind.SWEEP, index.name, None)))

    async def redrive(self, principal: Principal, name: str) -> Redriven:
        """See `Ingestor.redrive`."""
        await self._store.trouble.strike()
        self._store.indexes.permitted(principal, name)
        return Redriven(jobs=0)

    async def cancel(self, principal: Principal, job_id: JobId) -> JobAccepted:
        """See `Ingestor.cancel`."""
        return await self._move(principal, job_id, JobStatus.QUEUED, JobStatus.CANCELLED)

    async def retry(self, principal: Principal, job_id: JobId) -> JobAccepted:
        """See `Ingestor.retry`."""
        return await self._move(principal, job_id, JobStatus.CANCELLED, JobStatus.QUEUED)

    async def preview(self, principal: Principal, request: ChunkPreviewRequest) -> ChunkPreview:
        """See `Ingestor.preview`."""
        await self._store.trouble.strike()
        chunk = _chunk(DocumentId("doc_preview"), AttemptId("att_preview"), request.text or "")
        return ChunkPreview(items=[ChunkView.model_validate(chunk)])

    async def components(self) -> Components:
        """See `Ingestor.components`."""
        return _components(ComponentKind.PARSER, ComponentKind.CHUNKER)

    async def _move(self, principal: Principal, job_id: JobId, before: JobStatus, after: JobStatus) -> JobAccepted:
        await self._store.trouble.strike()
        job = self._store.jobs.get(principal.tenant, job_id)
        self._store.indexes.permitted(principal, job.index or "")
        if job.status is not before:
            raise Conflict(f"It is {job.status}.")
        moved = self._store.jobs.update(principal.tenant, job_id, lambda found: replace(found, status=after))
        return JobAccepted(job=job_view(moved))

    def _published(self, request: DocumentCreate) -> tuple[Document, DocumentVersion, Chunk]:
        now, text = self._store.clock.now(), request.text or ""
        document_id, attempt = DocumentId(self._store.new_id("doc")), AttemptId(self._store.new_id("att"))
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        published = Published(1, attempt, 1, 1, None, request.name, "en", sha256)
        size_bytes = len(text.encode())
        document = Document(
            document_id=document_id,
            index=request.index,
            name=request.name,
            media_type=request.media_type,
            status=DocumentStatus.READY,
            latest_version=1,
            size_bytes=size_bytes,
            created_at=now,
            updated_at=now,
            external_id=request.external_id,
            metadata=request.metadata,
            acl=request.acl,
            published=published,
        )
        version = DocumentVersion(document_id, 1, attempt, size_bytes, sha256, request.media_type, request.name, now)
        return document, version, _chunk(document_id, attempt, text)

    def _job(self, principal: Principal, kind: JobKind, index: str, document_id: DocumentId | None) -> Job:
        now = self._store.clock.now()
        job_id = JobId(self._store.new_id("job"))
        job = Job(job_id, kind, JobStatus.QUEUED, now, now, index, document_id, created_by=principal.subject)
        self._store.table.write(self._store.jobs.adding(principal.tenant, job))
        return job


class WholeIndexRetriever:
    """See `ports.services.Retriever`. Finds every document of the index that the principal may read."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def retrieve(self, principal: Principal, request: RetrieveRequest) -> RetrieveResponse:
        """See `Retriever.retrieve`."""
        await self._store.trouble.strike()
        run = _run(self._store, principal, request, RunKind.RETRIEVE)
        self._store.runs.add(principal.tenant, run)
        passages = passage_views(run.passages, explain=request.explain)
        return RetrieveResponse(run_id=run.run_id, release=RELEASE, passages=passages, timings_ms={"search": 1.0})

    async def search(self, principal: Principal, request: SearchRequest) -> SearchResponse:
        """See `Retriever.search`."""
        raise NotImplementedError("the edge never searches")

    async def explain(self, principal: Principal, request: ExplanationRequest) -> Explanation:
        """See `Retriever.explain`."""
        await self._store.trouble.strike()
        document_id = DocumentId(request.subject.document_id or "")
        if document_id not in self._store.documents.readable(principal, [document_id]):
            raise NotFound(f"There is no document {document_id}.")
        return Explanation(
            run_id=request.run_id,
            document_id=document_id,
            chunk_id=None,
            outcome=Outcome.RETURNED if request.returned else Outcome.NO_MATCH,
            reason=f"{len(request.returned)} were returned.",
            top_k=request.top_k,
            candidates=100,
        )

    async def check(self, principal: Principal, request: RetrievalCheck) -> Checked:
        """See `Retriever.check`. There is one reranker that there is not."""
        await self._store.trouble.strike()
        if request.retrieval.reranker.name == "nowhere":
            raise InvalidRequest("There is no reranker 'nowhere'.")
        return Checked()

    async def components(self) -> Components:
        """See `Retriever.components`."""
        return _components(ComponentKind.STRATEGY, ComponentKind.FUSION, ComponentKind.RERANKER)


class QuotingGenerator:
    """See `ports.services.Generator`. Quotes the first document of the index that the principal may read."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def answer(self, principal: Principal, request: QueryRequest) -> Answer:
        """See `Generator.answer`."""
        await self._store.trouble.strike()
        run = _run(self._store, principal, request, RunKind.QUERY)
        self._store.runs.add(principal.tenant, run)
        return Answer.model_validate(run_view(run))

    def stream(self, principal: Principal, request: QueryRequest) -> AsyncGenerator[AnswerEvent, None]:
        """See `Generator.stream`."""
        raise NotImplementedError("the gateway leads streams past the edge")

    async def preview(self, principal: Principal, request: PromptPreviewRequest) -> PromptPreview:
        """See `Generator.preview`."""
        await self._store.trouble.strike()
        self._store.indexes.permitted(principal, request.index or "nowhere")
        asked = PromptMessage(role="user", content=request.question)
        return PromptPreview(
            release=RELEASE, prompt=request.prompt, messages=[asked], tokens=3, left_out=[], passages=[]
        )

    async def messages(self, principal: Principal, request: SentRequest) -> SentMessages:
        """See `Generator.messages`."""
        await self._store.trouble.strike()
        asked = PromptMessage(role="user", content=request.question)
        return SentMessages(run_id=request.run_id, prompt=None, messages=[asked], exact=True)

    async def components(self) -> Components:
        """See `Generator.components`."""
        return _components(ComponentKind.MODEL)


def untried(model: str) -> DeploymentState:
    """Give the state of a deployment that was not called yet."""
    return DeploymentState(
        model=model, configured=True, circuit="closed", resting_until=None, calls=0, failed_calls=0, p50_ms=None
    )


class ListingGateway:
    """See `ports.services.ModelGateway`. The edge asks it for providers and tests; of those all succeed."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def providers(self) -> ProviderViews:
        """See `ModelGateway.providers`."""
        await self._store.trouble.strike()
        openai = ProviderView(name="openai", kind="openai", base_url=None, key_present=True, ready=True)
        return ProviderViews(items=[openai])

    async def test(self, principal: Principal, route: str) -> RouteTest:
        """See `ModelGateway.test`."""
        found = Routes(self._store.table, {}).get(principal.tenant, route)
        tried = [DeploymentHealth(model=one.model, status="ok", latency_ms=1.0) for one in found.deployments]
        return RouteTest(route=route, deployments=tried)

    async def health(self, principal: Principal, route: str) -> RouteState:
        """See `ModelGateway.health`."""
        found = Routes(self._store.table, {}).get(principal.tenant, route)
        return RouteState(route=route, deployments=[untried(one.model) for one in found.deployments])

    async def chat(self, principal: Principal, request: ChatRequest) -> ChatResponse:
        """See `ModelGateway.chat`."""
        raise NotImplementedError("the edge calls no models")

    def chat_stream(self, principal: Principal, request: ChatRequest) -> AsyncGenerator[ChatChunk, None]:
        """See `ModelGateway.chat_stream`."""
        raise NotImplementedError("the edge calls no models")

    async def embed(self, principal: Principal, request: EmbeddingsRequest) -> EmbedResponse:
        """See `ModelGateway.embed`."""
        raise NotImplementedError("the edge calls no models")

    async def rerank(self, principal: Principal, request: RerankRequest) -> RerankResponse:
        """See `ModelGateway.rerank`."""
        raise NotImplementedError("the edge calls no models")

    async def models(self, principal: Principal) -> GatewayModels:
        """See `ModelGateway.models`."""
        raise NotImplementedError("the edge reads routes from the store")

    async def components(self) -> Components:
        """See `ModelGateway.components`."""
        return Components(items=[])


def _run(store: Store, principal: Principal, request: AskFields, kind: RunKind) -> Run:
    if request.index is None:
        raise InvalidRequest("Name an index.")
    index = store.indexes.permitted(principal, request.index)
    passages = _passages(store, principal, index.name)
    now = store.clock.now()
    run = Run(
        run_id=RunId(store.new_id("run")),
        kind=kind,
        created_at=now,
        created_by=principal.subject,
        index=index.name,
        release_id=RELEASE,
        question=request.question,
        passages=passages,
        request=request.model_dump(mode="json"),
        timings_ms={"search": 1.0},
        trace_id="1-00000000-000000000000000000000000",
        span_id="a" * 16,
        user=request.user if isinstance(request, QueryRequest) else None,
    )
    return run if kind is RunKind.RETRIEVE else _answered(run)


def _answered(run: Run) -> Run:
    citations = [_citation(number, passage) for number, passage in enumerate(run.passages[:1], start=1)]
    texts = [f"{citation.quote} [{citation.marker}]" for citation in citations]
    return replace(
        run,
        answer=" ".join(texts) or "I found nothing about that.",
        abstained=not citations,
        citations=citations,
        claims=[Claim(text, Verdict.SUPPORTED, [1]) for text in texts],
        model="local/extractive",
    )


def _passages(store: Store, principal: Principal, index: str) -> list[Passage]:
    readable = [
        one
        for one in store.documents.all_of(principal.tenant, index)
        if one.status is DocumentStatus.READY and may_read(principal, one.acl) and one.published
    ]
    return [_passage(store, principal, document) for document in readable]


def _passage(store: Store, principal: Principal, document: Document) -> Passage:
    assert document.published is not None
    chunks, _ = store.chunks.page(
        principal.tenant, document.document_id, document.published.attempt, limit=1, cursor=None
    )
    return Passage(
        chunk_id=chunks[0].chunk_id,
        document_id=document.document_id,
        external_id=document.external_id,
        name=document.name,
        version=1,
        page=None,
        heading_path=(),
        text=chunks[0].text,
        start=chunks[0].start,
        end=chunks[0].end,
        score=0.5,
    )


def _citation(marker: int, passage: Passage) -> Citation:
    return Citation(
        marker=marker,
        chunk_id=passage.chunk_id,
        document_id=passage.document_id,
        name=passage.name,
        page=None,
        heading_path=(),
        quote=passage.text,
        start=passage.start,
        end=passage.end,
    )


def _chunk(document_id: DocumentId, attempt: AttemptId, text: str) -> Chunk:
    return Chunk(
        chunk_id=chunk_id(attempt, 0),
        document_id=document_id,
        ordinal=0,
        text=text,
        tokens=len(text.split()),
        start=0,
        end=len(text),
        kind=BlockKind.TEXT,
        heading_path=(),
        page=None,
    )


def _components(*kinds: ComponentKind) -> Components:
    return Components(items=[ComponentView(kind=kind, name="one", description="The only one") for kind in kinds])
