"""One example of each request and response, as models, so that none can be wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pydantic import BaseModel

from chalicelib.contracts.asking import (
    Answer,
    CitationView,
    ClaimView,
    PassageView,
    QueryRequest,
    ReasonsView,
    RetrieveRequest,
    RetrieveResponse,
    RunSummary,
    RunView,
    UsageView,
    WordingView,
)
from chalicelib.contracts.audit import AuditEventView, FieldChange
from chalicelib.contracts.budgets import BudgetAccountView, BudgetCreate, BudgetPatch, BudgetView
from chalicelib.contracts.common import ListOf
from chalicelib.contracts.components import ComponentKind, Components, ComponentView
from chalicelib.contracts.documents import (
    ChunkPreview,
    ChunkPreviewRequest,
    ChunkView,
    ContentView,
    DocumentAccepted,
    DocumentCreate,
    DocumentPatch,
    DocumentVersionView,
    DocumentView,
    JobAccepted,
    JobView,
    ProgressView,
    Redriven,
    UploadFile,
    UploadsAccepted,
    UploadsCreate,
    UploadView,
)
from chalicelib.contracts.explanations import Explanation, Outcome, Subject
from chalicelib.contracts.feedback import (
    FeedbackCreate,
    FeedbackDetail,
    FeedbackReceipt,
    FeedbackTokenCreate,
    FeedbackTokenView,
    FeedbackView,
    PublicFeedback,
    RatedChunk,
    RevisionView,
    TriagePatch,
)
from chalicelib.contracts.gateway import (
    DeploymentHealth,
    DeploymentState,
    ProviderView,
    ProviderViews,
    RouteState,
    RouteTest,
)
from chalicelib.contracts.health import Dependency, Health, Readiness
from chalicelib.contracts.identities import ApiKeyCreate, ApiKeyCreated, ApiKeyView, Me
from chalicelib.contracts.indexes import ComponentModel, IndexCreate, IndexView, RecipeModel
from chalicelib.contracts.ingestions import ImportFile, ImportsAccepted, ImportsCreate, ImportView, IngestionCreate
from chalicelib.contracts.routes import DeploymentModel, DeploymentView, RouteCreate, RoutePatch, RouteView
from chalicelib.contracts.schedules import ScheduleCreate, ScheduledIngestion, SchedulePatch, ScheduleView
from chalicelib.contracts.tenants import TenantPatch, TenantView
from chalicelib.contracts.traces import SpanView, TraceView
from chalicelib.contracts.usage import UsageGroup, UsageItem, UsageReport, UsageTotals
from chalicelib.domain.access import PERMISSIONS, Role
from chalicelib.domain.budgets import BudgetScope, Period
from chalicelib.domain.documents import BlockKind, DocumentStatus
from chalicelib.domain.feedback import Rating, Reason, Source, TriageStatus
from chalicelib.domain.identifiers import JobId
from chalicelib.domain.indexes import GenerationStatus
from chalicelib.domain.jobs import JobKind, JobStatus
from chalicelib.domain.releases import EXTRACTIVE
from chalicelib.domain.routes import RouteKind
from chalicelib.domain.runs import RunKind, Verdict
from chalicelib.domain.schedules import LastRun, Schedule, ScheduleKind
from chalicelib.edge.chat_examples import CHAT_EXAMPLES
from chalicelib.edge.prompt_examples import PROMPT_EXAMPLES
from chalicelib.edge.release_examples import RELEASE_EXAMPLES

TRACE_ID = "1-6921f3a0-4bf92f3577b34da6a3ce929d"

_AT = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
_DOCUMENT_ID = "doc_0kf9w3m2bq7z4t8x1c6v5n0r2h"
_JOB_ID = "job_0kf9w3m2bq1d9s7g3k5j8p4y6e"
_RUN_ID = "run_0kf9w4t6mh2x8b5c1v7z9q3n4r"
_CHUNK_ID = "chk_0kf9w3m2bq6f2a8h4w1t9k7m5p_00000"
_RELEASE_ID = "rel_2f8c1d5e9b7a4c3e6f0d1b2a9c8e7d6f5a4b3c2d"
_QUESTION = "How many days of leave do I have?"
_TEXT = "Everybody has 30 days of leave a year."

_INDEX = IndexView(
    name="handbook",
    description="What every employee should know",
    recipe=RecipeModel(),
    generation=1,
    status=GenerationStatus.LIVE,
    created_at=_AT,
    updated_at=_AT,
)
_DOCUMENT = DocumentView(
    document_id=_DOCUMENT_ID,
    index="handbook",
    name="leave.md",
    media_type="text/markdown",
    status=DocumentStatus.READY,
    version=1,
    latest_version=1,
    size_bytes=48,
    pages=None,
    chunks=1,
    language="en",
    error=None,
    metadata={"team": "hr", "year": 2026},
    acl=["all"],
    external_id="wiki/leave",
    warnings=[],
    attached_to=None,
    created_at=_AT,
    updated_at=_AT,
)
_PENDING = _DOCUMENT.model_copy(update={"status": DocumentStatus.PENDING, "version": 0, "chunks": 0, "language": None})
_QUEUED = JobView(
    job_id=_JOB_ID,
    kind=JobKind.INGEST,
    status=JobStatus.QUEUED,
    index="handbook",
    document_id=_DOCUMENT_ID,
    progress=ProgressView(done=0, total=0, stage="queued", rate_per_s=None, eta_s=None),
    error=None,
    result=None,
    created_at=_AT,
    updated_at=_AT,
)
_RUNNING = _QUEUED.model_copy(
    update={
        "status": JobStatus.RUNNING,
        "progress": ProgressView(done=128, total=512, stage="embed", rate_per_s=64.0, eta_s=6.0),
    }
)
_CHUNK = ChunkView(
    chunk_id=_CHUNK_ID,
    ordinal=0,
    text=_TEXT,
    tokens=10,
    page=None,
    heading_path=["Leave"],
    start=9,
    end=47,
    kind=BlockKind.TEXT,
)
_REASONS = ReasonsView(
    dense_rank=1,
    dense_score=0.71,
    lexical_rank=1,
    lexical_score=4.2,
    fused_score=0.86,
    matched_terms=["day", "leav"],
    dense_weight=0.7,
    weight_reason="the dense leg's best hold 0.52 of the highest BM25",
)
_PASSAGE = PassageView(
    chunk_id=_CHUNK_ID,
    document_id=_DOCUMENT_ID,
    external_id="wiki/leave",
    name="leave.md",
    version=1,
    page=None,
    heading_path=["Leave"],
    text=_TEXT,
    start=9,
    end=47,
    score=0.86,
    metadata={"team": "hr", "year": 2026},
    explain=_REASONS,
)
_CITATION = CitationView(
    marker=1,
    chunk_id=_CHUNK_ID,
    document_id=_DOCUMENT_ID,
    name="leave.md",
    page=None,
    heading_path=["Leave"],
    quote=_TEXT,
    start=9,
    end=47,
)
_CLAIM = ClaimView(text=_TEXT, verdict=Verdict.SUPPORTED, citations=[1])
_USAGE = UsageView(input_tokens=0, output_tokens=0, cost_usd_micros=0, unpriced=False)
_TIMINGS_MS = {"retrieve": 18.2, "generate": 41.7}
_ANSWER = Answer(
    run_id=_RUN_ID,
    answer=f"{_TEXT} [1]",
    abstained=False,
    citations=[_CITATION],
    claims=[_CLAIM],
    release=_RELEASE_ID,
    model=EXTRACTIVE,
    usage=_USAGE,
    timings_ms=_TIMINGS_MS,
)
_RUN_SUMMARY = RunSummary(
    run_id=_RUN_ID,
    kind=RunKind.QUERY,
    index="handbook",
    question=_QUESTION,
    answer=_ANSWER.answer,
    abstained=False,
    release=_RELEASE_ID,
    model=EXTRACTIVE,
    user=None,
    created_by="key_0kf9w1a5r8e2t7y4q6w9b3n1m0",
    created_at=_AT,
)
_RUN = RunView(
    **dict(_RUN_SUMMARY),
    passages=[_PASSAGE],
    citations=[_CITATION],
    claims=[_CLAIM],
    usage=_USAGE,
    timings_ms=_TIMINGS_MS,
    request={"question": _QUESTION},
    trace_id=TRACE_ID,
    error=None,
    searched=[WordingView(text=_QUESTION)],
    degraded=[],
    narrowed_by=None,
    repeats=None,
)
_API_KEY = ApiKeyView(
    key_id="key_0kf9w1a5r8e2t7y4q6w9b3n1m0",
    name="intranet search",
    roles=[Role.READER],
    groups=["hr"],
    indexes=["handbook"],
    created_at=_AT,
    created_by="key_0kf9w0z9y8x7w6v5t4s3r2q1p0",
    expires_at=None,
    revoked_at=None,
)
_DEPENDENCIES = [Dependency(name="table", status="ok"), Dependency(name="retrieval", status="ok")]
_CHUNKER = ComponentModel(name="structure", max_tokens=256, overlap_tokens=32)

_SCHEDULE = ScheduleView.model_validate(
    Schedule(
        name="nightly",
        kind=ScheduleKind.SYNC,
        index="handbook",
        cron="30 2 * * 1-5",
        time_zone="Europe/Berlin",
        next_at=_AT + timedelta(hours=16),
        created_at=_AT,
        updated_at=_AT,
        updated_by="key_0kf9w1a5r8e2t7y4q6w9b3n1m0",
        ingestion={"prefix": "2026/"},
        last=LastRun(_AT - timedelta(hours=8), JobId(_JOB_ID)),
        version=4,
    )
)
_ROUTE = RouteView(
    name="chat",
    kind=RouteKind.CHAT,
    deployments=[DeploymentView(model="openai/gpt-5-mini", params={}, rpm=None, tpm=None, weight=1)],
    fallbacks=[],
    timeout_s=30,
    retries=2,
    sticky=False,
    degrade_to=None,
    cache_ttl_s=0,
    version=3,
    created_at=_AT,
    updated_at=_AT,
    updated_by="key_0kf9w1a5r8e2t7y4q6w9b3n1m0",
)
_BUDGET = BudgetView(
    name="research",
    scope=BudgetScope.TENANT,
    subject=None,
    period=Period.MONTH,
    limit_usd_micros=200_000_000,
    warn_at=0.8,
    refuse_unpriced=False,
    resets_at=_AT + timedelta(days=20),
    accounts=[
        BudgetAccountView(
            subject=None,
            spent_usd_micros=51_250_000,
            reserved_usd_micros=12_400,
            remaining_usd_micros=148_737_600,
            state="ok",
        )
    ],
    version=1,
    created_at=_AT,
    updated_at=_AT,
    updated_by="key_0kf9w1a5r8e2t7y4q6w9b3n1m0",
)
_SUMS = {
    "calls": 1_024,
    "failed_calls": 3,
    "unpriced_calls": 0,
    "estimated_calls": 1,
    "input_tokens": 1_310_720,
    "output_tokens": 204_800,
    "cached_tokens": 655_360,
    "reasoning_tokens": 0,
    "cost_usd_micros": 655_000,
}
_TENANT = TenantView(
    tenant="acme",
    feedback_origins=["https://chat.example"],
    link_hosts=["*.example.com"],
    run_retention_days=90,
    feedback_retention_days=365,
    feedback_daily_cap=10_000,
    version=2,
    updated_at=_AT,
    updated_by="key_0kf9w1a5r8e2t7y4q6w9b3n1m0",
)
_FEEDBACK_ID = "fbk_0kf9w4t6mh5q2w8e1r7t3y9u6i"
_SAID = {
    "source": Source.BROWSER,
    "rating": Rating.DOWN,
    "score": None,
    "reasons": [Reason.OUTDATED],
    "comment": "It has been 32 days since January.",
    "corrected_answer": None,
    "citations": [RatedChunk(chunk_id=_CHUNK_ID, rating=-1)],
    "selection": None,
    "retracted": False,
    "revision": 1,
}
_FEEDBACK = FeedbackView(
    **_SAID,
    feedback_id=_FEEDBACK_ID,
    run_id=_RUN_ID,
    index="handbook",
    release=_RELEASE_ID,
    withheld=False,
    redacted=False,
    status=TriageStatus.TRIAGED,
    assignee="ada@example.com",
    note="The page was changed; ingest it again.",
    labels=["stale source"],
    triaged_at=_AT,
    triaged_by="key_0kf9w1a5r8e2t7y4q6w9b3n1m0",
    version=2,
    created_at=_AT,
    updated_at=_AT,
)
_ALL: list[BaseModel] = [
    BudgetCreate(
        name="research", scope=BudgetScope.TENANT, period=Period.MONTH, limit_usd_micros=200_000_000, warn_at=0.8
    ),
    BudgetPatch(limit_usd_micros=250_000_000),
    _BUDGET,
    ListOf[BudgetView](items=[_BUDGET]),
    UsageReport(
        group_by=UsageGroup.MODEL,
        first_day=_AT.date(),
        last_day=_AT.date(),
        items=[UsageItem(key="openai/gpt-5-mini", **_SUMS)],
        total=UsageTotals(**_SUMS),
    ),
    ListOf[AuditEventView](
        items=[
            AuditEventView(
                event_id="aud_01kafy3m8x2r5v7w9y1z3b5d7f",
                at=_AT,
                subject="key_01kafy3m8x2r5v7w9y1z3b5d7f",
                action="route.change",
                resource="routes/chat",
                changes={"timeout_s": FieldChange(before=60, after=30)},
            )
        ]
    ),
    IndexCreate(name="handbook", description="What every employee should know"),
    _INDEX,
    ListOf[IndexView](items=[_INDEX]),
    DocumentCreate(
        index="handbook", name="leave.md", text=f"# Leave\n\n{_TEXT}", external_id="wiki/leave", metadata={"team": "hr"}
    ),
    DocumentAccepted(document=_PENDING, job=_QUEUED),
    DocumentPatch(metadata={"team": "hr", "year": 2026}, acl=["hr"]),
    _DOCUMENT,
    ListOf[DocumentView](items=[_DOCUMENT]),
    JobAccepted(job=_QUEUED.model_copy(update={"kind": JobKind.DELETE})),
    Redriven(jobs=3),
    ListOf[ChunkView](items=[_CHUNK]),
    ListOf[DocumentVersionView](
        items=[
            DocumentVersionView(
                version=1,
                size_bytes=48,
                sha256=None,
                media_type="text/markdown",
                name="leave.md",
                published=True,
                created_at=_AT,
            )
        ]
    ),
    ContentView(url="https://storage.example/leave.md?signature=…", expires_at=_AT + timedelta(minutes=5)),
    ChunkPreviewRequest(chunker=_CHUNKER, text=f"# Leave\n\n{_TEXT}"),
    ChunkPreview(items=[_CHUNK]),
    UploadsCreate(index="handbook", files=[UploadFile(name="benefits.pdf", size_bytes=1_048_576)]),
    UploadsAccepted(
        job=_QUEUED,
        uploads=[
            UploadView(
                document_id=_DOCUMENT_ID,
                job_id=_JOB_ID,
                method="PUT",
                url="https://storage.example/upload?signature=…",
                headers={"Content-Type": "application/pdf"},
                fields={},
                expires_at=_AT + timedelta(hours=1),
            )
        ],
    ),
    ImportsCreate(index="handbook", files=[ImportFile(path="2026/leave.pdf", size_bytes=1_048_576)]),
    ImportsAccepted(
        imports=[
            ImportView(
                path="2026/leave.pdf",
                method="PUT",
                url="https://storage.example/import?signature=…",
                headers={"Content-Type": "application/octet-stream"},
                fields={},
                expires_at=_AT + timedelta(hours=1),
            )
        ]
    ),
    IngestionCreate(index="handbook", prefix="2026/", metadata={"team": "hr"}),
    _RUNNING,
    ListOf[JobView](items=[_RUNNING]),
    RetrieveRequest(question=_QUESTION, top_k=5, explain=True),
    RetrieveResponse(run_id=_RUN_ID, release=_RELEASE_ID, passages=[_PASSAGE], timings_ms={"retrieve": 18.2}),
    QueryRequest(question=_QUESTION),
    _ANSWER,
    ListOf[RunSummary](items=[_RUN_SUMMARY]),
    _RUN,
    Subject(document_id=_DOCUMENT_ID),
    Explanation(
        run_id=_RUN_ID,
        document_id=_DOCUMENT_ID,
        chunk_id=_CHUNK_ID,
        outcome=Outcome.RANKED_BELOW,
        reason="It is 14 in the ranking, and 10 were asked for: 9 by meaning, 31 by words.",
        rank=14,
        top_k=10,
        candidates=100,
    ),
    Components(
        items=[
            ComponentView(
                kind=ComponentKind.CHUNKER,
                name="structure",
                description="Cuts along headings, paragraphs, lists and tables, within a budget of tokens",
                parameters={"type": "object", "properties": {"max_tokens": {"type": "integer", "default": 256}}},
                default=True,
            )
        ]
    ),
    RouteCreate(
        name="chat",
        kind=RouteKind.CHAT,
        deployments=[DeploymentModel(model="openai/gpt-5-mini"), DeploymentModel(model="bedrock/amazon.nova-pro-v1:0")],
        timeout_s=30,
    ),
    RoutePatch(timeout_s=45),
    _ROUTE,
    ListOf[RouteView](items=[_ROUTE]),
    RouteState(
        route="chat",
        deployments=[
            DeploymentState(
                model="openai/gpt-5-mini",
                configured=True,
                circuit="closed",
                resting_until=None,
                calls=100,
                failed_calls=2,
                p50_ms=840.0,
            )
        ],
    ),
    RouteTest(route="chat", deployments=[DeploymentHealth(model="openai/gpt-5-mini", status="ok", latency_ms=412.5)]),
    ProviderViews(
        items=[
            ProviderView(
                name="openai", kind="openai", base_url="https://api.openai.com/v1", key_present=True, ready=True
            )
        ]
    ),
    Me(
        tenant="acme",
        subject="key_0kf9w1a5r8e2t7y4q6w9b3n1m0",
        roles=[Role.READER],
        groups=["hr"],
        indexes=["handbook"],
        permissions=sorted(PERMISSIONS[Role.READER]),
    ),
    ApiKeyCreate(name="intranet search", roles=[Role.READER], groups=["hr"], indexes=["handbook"]),
    ApiKeyCreated(key=_API_KEY, secret="rgs_key_0kf9w1a5r8e2t7y4q6w9b3n1m0_…"),  # noqa: S106 -- an example
    _API_KEY,
    ListOf[ApiKeyView](items=[_API_KEY]),
    TenantPatch(feedback_origins=["https://chat.example"], run_retention_days=90),
    _TENANT,
    ListOf[TenantView](items=[_TENANT]),
    FeedbackTokenCreate(run_id=_RUN_ID),
    FeedbackTokenView(
        token="eyJhbGciOiJIUzI1NiIs…",  # noqa: S106 -- an example
        run_id=_RUN_ID,
        origins=["https://chat.example"],
        expires_at=_AT + timedelta(hours=24),
    ),
    PublicFeedback(rating=Rating.DOWN, reasons=[Reason.OUTDATED], comment="It has been 32 days since January."),
    FeedbackReceipt(
        feedback_id=_FEEDBACK_ID, run_id=_RUN_ID, rating=Rating.DOWN, revision=1, retracted=False, updated_at=_AT
    ),
    FeedbackCreate(run_id=_RUN_ID, score=0.2, comment="It has been 32 days since January."),
    _FEEDBACK,
    ListOf[FeedbackView](items=[_FEEDBACK]),
    FeedbackDetail(**dict(_FEEDBACK), history=[RevisionView(**_SAID, at=_AT)]),
    TriagePatch(status=TriageStatus.TRIAGED, labels=["stale source"]),
    Health(version="0.1.0"),
    Readiness(status="ok", dependencies=_DEPENDENCIES),
    *CHAT_EXAMPLES,
    TraceView(
        trace_id=TRACE_ID,
        spans=[
            SpanView(
                span_id="53995c3f42cd8ad8",
                parent_id=None,
                name="edge.request",
                started_at=_AT,
                duration_ms=42.7,
                error=None,
                facts={"operation": "query", "status": 200},
            )
        ],
    ),
    ScheduleCreate(
        name="nightly",
        kind=ScheduleKind.SYNC,
        index="handbook",
        cron="30 2 * * 1-5",
        time_zone="Europe/Berlin",
        ingestion=ScheduledIngestion(prefix="2026/"),
    ),
    SchedulePatch(cron="0 4 * * *"),
    _SCHEDULE,
    ListOf[ScheduleView](items=[_SCHEDULE]),
    *PROMPT_EXAMPLES,
    *RELEASE_EXAMPLES,
]
EXAMPLES: dict[type[BaseModel], BaseModel] = {type(example): example for example in _ALL}
"""By the model it is an example of."""
