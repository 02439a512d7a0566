"""
What it means to be a service of another process: nobody can tell.

Each suite holds a way to reach a service (`reached`) to what the service itself does (`scripted`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from chalicelib.contracts.asking import (
    AnswerEvent,
    DoneEvent,
    ErrorEvent,
    QueryRequest,
    RetrieveRequest,
    RunEvent,
    SearchRequest,
    TokenEvent,
    Turn,
    WordingView,
)
from chalicelib.contracts.documents import (
    ChunkPreviewRequest,
    DocumentAccepted,
    DocumentChange,
    DocumentCreate,
    JobAccepted,
    Redriven,
    UploadFile,
    UploadsCreate,
)
from chalicelib.contracts.embeddings import EmbeddingsRequest
from chalicelib.contracts.explanations import ExplanationRequest, ReturnedPassage, Subject
from chalicelib.contracts.gateway import (
    CallLabels,
    ChatChunk,
    ChatMessage,
    ChatRequest,
    FunctionTool,
    JsonSchemaFormat,
    RerankRequest,
    ResponseFormat,
    Tool,
)
from chalicelib.contracts.indexes import ComponentModel, IndexCreate, RecipeModel
from chalicelib.contracts.ingestions import ImportFile, ImportsCreate, IngestionCreate, InlineDocument
from chalicelib.contracts.prompts import PromptPreviewRequest, SentRequest
from chalicelib.contracts.release_settings import RetrievalModel
from chalicelib.contracts.releases import Checked, RetrievalCheck
from chalicelib.domain.access import Principal, Role
from chalicelib.domain.identifiers import DocumentId, JobId
from chalicelib.domain.indexes import Component, Recipe
from chalicelib.domain.releases import ReleaseConfig, RetrievalSettings, Strategy
from chalicelib.errors import (
    BadUpstream,
    Conflict,
    DeadlineExceeded,
    Forbidden,
    InvalidRequest,
    NotFound,
    RagError,
    RateLimited,
    StorageFull,
    Unavailable,
)
from chalicelib.ports.services import Generator, Ingestor, ModelGateway, Retriever
from tests.fakes.answers import answer
from tests.fakes.identities import principal
from tests.fakes.platform import usual_events
from tests.fakes.scripted_services import (
    CHATTED,
    COMPONENTS,
    DOCUMENT,
    EMBEDDED,
    EXPLAINED,
    FOUND,
    IMPORTS,
    INDEX,
    JOB,
    MODELS,
    PREVIEW,
    PREVIEWED,
    PROVIDERS,
    PUT_TOGETHER,
    RANKED,
    SEARCHED,
    STATE,
    TESTED,
    UPLOADS,
    USUAL_CHUNKS,
    ScriptedGateway,
    ScriptedGenerator,
    ScriptedIngestor,
    ScriptedRetriever,
    chunk,
)

ERRORS: list[RagError] = [
    InvalidRequest("Not valid.", [{"loc": ["top_k"], "msg": "too many"}]),
    Forbidden("Not allowed."),
    NotFound("There is no index 'hándbook'."),
    Conflict("It exists."),
    RateLimited("Slow down.", retry_after_s=2.5),
    Unavailable("The store does not answer."),
    BadUpstream("The model talks nonsense."),
    DeadlineExceeded("It took too long."),
    StorageFull("No space is left."),
]
each_error = pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)


async def same_failure(error: RagError, call: Callable[[], Awaitable[object]]) -> None:
    """Check that *call* raises *error*: its class, its words, and all it carries."""
    with pytest.raises(RagError) as raised:
        await call()
    assert type(raised.value) is type(error)
    assert (raised.value.detail, raised.value.extra) == (error.detail, error.extra)


class IngestorContract:
    """Subclass, and give the fixtures `scripted` and `reached`."""

    @pytest.fixture
    def scripted(self) -> ScriptedIngestor:
        """Give the service itself."""
        raise NotImplementedError

    @pytest.fixture
    def reached(self, scripted: ScriptedIngestor) -> Ingestor:
        """Give the service as its callers have it."""
        raise NotImplementedError

    def test_requests_and_results_arrive_whole(self, scripted: ScriptedIngestor, reached: Ingestor) -> None:
        """Every call brings its principal and request to the service, and the service's result back."""
        ada = principal()
        chunker = ComponentModel(name="fixed", max_tokens=64)
        index = IndexCreate(name="handbook", recipe=RecipeModel(chunker=chunker), description="ünï")
        document = DocumentCreate(
            index="handbook", name="leave.md", text="# 🙂\u2028", metadata={"year": 2026, "tags": ["a"]}
        )
        files = UploadsCreate(index="handbook", files=[UploadFile(name="a.pdf", size_bytes=5, acl=["hr"])])
        preview = ChunkPreviewRequest(chunker=chunker, text="x")
        change = DocumentChange(acl=["hr"], if_revision=3)
        imports = ImportsCreate(index="handbook", files=[ImportFile(path="2026/ünï.pdf", size_bytes=5)])
        batch = IngestionCreate(index="handbook", documents=[InlineDocument(name="a.md", text="# 🙂")], acl=["hr"])

        async def scenario() -> list[object]:
            return [
                await reached.create_index(ada, index),
                await reached.submit(ada, document),
                await reached.open_uploads(ada, files),
                await reached.open_imports(ada, imports),
                await reached.ingest(ada, batch),
                await reached.change(ada, DocumentId("doc_1"), change),
                await reached.sweep(ada, "handbook"),
                await reached.redrive(ada, "handbook"),
                await reached.cancel(ada, JobId("job_1")),
                await reached.retry(ada, JobId("job_1")),
                await reached.delete(ada, DocumentId("doc_1")),
                await reached.delete_index(ada, "handbook"),
                await reached.preview(ada, preview),
            ]

        results = asyncio.run(scenario())
        accepted, job = DocumentAccepted(document=DOCUMENT, job=JOB), JobAccepted(job=JOB)
        redriven = Redriven(jobs=3)
        assert results == [INDEX, accepted, UPLOADS, IMPORTS, job, accepted, job, redriven, job, job, job, job, PREVIEW]
        maintained = [("sweep", "handbook"), ("redrive", "handbook"), ("cancel", "job_1"), ("retry", "job_1")]
        asked = [index, document, files, imports, batch, ("doc_1", change), *maintained]
        assert scripted.asked == [(ada, each) for each in (*asked, "doc_1", "handbook", preview)]

    def test_a_change_leaves_out_what_was_left_out(self, scripted: ScriptedIngestor, reached: Ingestor) -> None:
        """Empty metadata are something else than none given."""
        changes = [DocumentChange(metadata={}), DocumentChange(acl=["hr"])]
        for change in changes:
            asyncio.run(reached.change(principal(), DocumentId("doc_1"), change))
        arrived = [cast("tuple[DocumentId, DocumentChange]", request) for _, request in scripted.asked]
        assert [change.model_fields_set for _, change in arrived] == [{"metadata"}, {"acl"}]

    @each_error
    def test_errors_arrive_as_they_were_raised(
        self, scripted: ScriptedIngestor, reached: Ingestor, error: RagError
    ) -> None:
        """With class, words and all they carry."""
        scripted.failure = error
        request = IndexCreate(name="handbook")
        asyncio.run(same_failure(error, lambda: reached.create_index(principal(), request)))

    def test_components_need_no_principal(self, reached: Ingestor) -> None:
        """What there is to choose from is the same for everybody."""
        assert asyncio.run(reached.components()) == COMPONENTS


class RetrieverContract:
    """Subclass, and give the fixtures `scripted` and `reached`."""

    @pytest.fixture
    def scripted(self) -> ScriptedRetriever:
        """Give the service itself."""
        raise NotImplementedError

    @pytest.fixture
    def reached(self, scripted: ScriptedRetriever) -> Retriever:
        """Give the service as its callers have it."""
        raise NotImplementedError

    def test_requests_and_results_arrive_whole(self, scripted: ScriptedRetriever, reached: Retriever) -> None:
        """Every call brings its principal and request to the service, and the service's result back."""
        ada = principal()
        question = RetrieveRequest(
            question="Wie viele Tage?\n", filter={"year": {"$gte": 2025}, "gone": {"$exists": False}},
            strategy=Strategy.LEXICAL, rerank=False, explain=True,
            retrieval=RetrievalModel(fusion=ComponentModel(name="convex", dense_weight=0.5)),
        )  # fmt: skip
        explanation = ExplanationRequest(
            run_id="run_1", subject=Subject(chunk_id="chk_1"), release="rel_1", question="q", top_k=3,
            searched=[WordingView(text="q")], returned=[ReturnedPassage(chunk_id="c", document_id="d", start=0, end=2)],
            asked_at=datetime(2026, 1, 1, tzinfo=UTC),
        )  # fmt: skip
        search = SearchRequest(question="q", release="rel_1", top_k=7)
        settings = RetrievalSettings(reranker=Component("local", {"depth": 20}), filter={"year": {"$gte": 2025}})
        check = RetrievalCheck.of(ReleaseConfig("handbook", 2, Recipe(), settings))

        async def scenario() -> list[object]:
            return [
                await reached.retrieve(ada, question),
                await reached.search(ada, search),
                await reached.explain(ada, explanation),
                await reached.check(ada, check),
            ]

        assert asyncio.run(scenario()) == [FOUND, SEARCHED, EXPLAINED, Checked()]
        assert scripted.asked == [(ada, question), (ada, search), (ada, explanation), (ada, check)]
        assert check.config().retrieval == settings

    @pytest.mark.parametrize(
        "narrowed",
        [{"groups": frozenset({"hr", "it"})}, {"indexes": frozenset({"handbook"})}, {"indexes": frozenset()}],
    )
    def test_the_principal_arrives_with_its_limits(
        self, scripted: ScriptedRetriever, reached: Retriever, narrowed: dict[str, Any]
    ) -> None:
        """Tenant, roles, groups and indexes: a principal reaches no further there than here."""
        asking = principal("globex", "bob", Role.READER, **narrowed)
        asyncio.run(reached.retrieve(asking, RetrieveRequest(question="q")))
        ((arrived, _),) = scripted.asked
        assert arrived == replace(asking, token=None)

    @each_error
    def test_errors_arrive_as_they_were_raised(
        self, scripted: ScriptedRetriever, reached: Retriever, error: RagError
    ) -> None:
        """With class, words and all they carry."""
        scripted.failure = error
        request = RetrieveRequest(question="q")
        asyncio.run(same_failure(error, lambda: reached.retrieve(principal(), request)))

    def test_components_need_no_principal(self, reached: Retriever) -> None:
        """What there is to choose from is the same for everybody."""
        assert asyncio.run(reached.components()) == COMPONENTS


class GeneratorContract:
    """Subclass, and give the fixtures `scripted` and `reached`."""

    @pytest.fixture
    def scripted(self) -> ScriptedGenerator:
        """Give the service itself."""
        raise NotImplementedError

    @pytest.fixture
    def reached(self, scripted: ScriptedGenerator) -> Generator:
        """Give the service as its callers have it."""
        raise NotImplementedError

    def test_requests_and_results_arrive_whole(self, scripted: ScriptedGenerator, reached: Generator) -> None:
        """The conversation too."""
        ada = principal()
        request = QueryRequest(question="And then?", conversation=[Turn(role="user", content="First?")], user="u-1")
        preview = PromptPreviewRequest(question="q", index="handbook", prompt="helpdesk:live", filter={"year": 1})
        sent = SentRequest(
            run_id="run_1", release="rel_1", question="q", conversation=request.conversation,
            passages=SEARCHED.passages, given={1: 20}, sha256="0", asked_at=datetime(2026, 1, 1, tzinfo=UTC),
        )  # fmt: skip

        async def scenario() -> list[object]:
            return [
                await reached.answer(ada, request),
                await reached.preview(ada, preview),
                await reached.messages(ada, sent),
            ]

        assert asyncio.run(scenario()) == [answer("And then?"), PREVIEWED, PUT_TOGETHER]
        assert scripted.asked == [(ada, request), (ada, preview), (ada, sent)]

    def test_many_calls_at_once_get_their_own_answers(self, reached: Generator) -> None:
        """60 questions of two tenants, none mixed up."""

        async def scenario() -> list[str]:
            asked = [
                reached.answer(principal(f"tenant-{number % 2}"), QueryRequest(question=f"Question {number}?"))
                for number in range(60)
            ]
            return [each.answer for each in await asyncio.gather(*asked)]

        assert asyncio.run(scenario()) == [f"Question {number}?" for number in range(60)]

    def test_events_arrive_in_order(self, scripted: ScriptedGenerator, reached: Generator) -> None:
        """All of them, whatever their text holds."""
        scripted.events = [*usual_events()[:2], TokenEvent(text="a\r\n\n: b\u2028🙂"), *usual_events()[2:]]
        assert asyncio.run(streamed(reached)) == scripted.events

    def test_a_failure_within_the_stream_is_its_last_event(
        self, scripted: ScriptedGenerator, reached: Generator
    ) -> None:
        """It is not raised: the events before it hold."""
        problem = Unavailable("The model does not answer.").problem("1-0")
        scripted.events = [RunEvent(run_id="run_1", release="rel_1"), ErrorEvent(problem=problem)]
        assert asyncio.run(streamed(reached)) == scripted.events

    @each_error
    def test_errors_before_the_first_event_are_raised(
        self, scripted: ScriptedGenerator, reached: Generator, error: RagError
    ) -> None:
        """By both ways of asking."""
        scripted.failure = error
        request = QueryRequest(question="q")
        asyncio.run(same_failure(error, lambda: streamed(reached)))
        asyncio.run(same_failure(error, lambda: reached.answer(principal(), request)))

    def test_a_reader_may_stop_early(self, scripted: ScriptedGenerator, reached: Generator) -> None:
        """Closing the stream ends the service's work on it."""
        # Far more than what can be on its way between the two.
        many = [TokenEvent(text="x" * 1_000)] * 20_000
        scripted.events = [RunEvent(run_id="run_1", release="rel_1"), *many, DoneEvent(answer=answer())]

        async def scenario() -> None:
            events = reached.stream(principal(), QueryRequest(question="q"))
            assert await anext(events) == scripted.events[0]
            await events.aclose()
            await asyncio.to_thread(scripted.closed.wait, 5)

        asyncio.run(scenario())
        assert scripted.closed.is_set()

    def test_components_need_no_principal(self, reached: Generator) -> None:
        """What there is to choose from is the same for everybody."""
        assert asyncio.run(reached.components()) == COMPONENTS


async def streamed(generator: Generator, asking: Principal | None = None) -> list[AnswerEvent]:
    """Give all events of an answer."""
    stream = generator.stream(asking or principal(), QueryRequest(question="q"))
    return [event async for event in stream]


class ModelGatewayContract:
    """Subclass, and give the fixtures `scripted` and `reached`."""

    @pytest.fixture
    def scripted(self) -> ScriptedGateway:
        """Give the service itself."""
        raise NotImplementedError

    @pytest.fixture
    def reached(self, scripted: ScriptedGateway) -> ModelGateway:
        """Give the service as its callers have it."""
        raise NotImplementedError

    def test_requests_and_results_arrive_whole(self, scripted: ScriptedGateway, reached: ModelGateway) -> None:
        """Tools, schemas and labels of a chat as well."""
        ada = principal()
        schema: dict[str, Any] = {"type": "object", "properties": {"a": {"default": None}}}
        chat = ChatRequest(
            model="gpt-4.1",
            messages=[ChatMessage(role="system", content="Be brief."), ChatMessage(role="user", content="Ünï 🙂")],
            temperature=0.0,
            tools=[Tool(function=FunctionTool(name="find", parameters=schema))],
            tool_choice="auto",
            response_format=ResponseFormat(
                type="json_schema", json_schema=JsonSchemaFormat.model_validate({"name": "a", "schema": schema})
            ),
            metadata=CallLabels(run_id="run_1", purpose="answer"),
        )
        embed = EmbeddingsRequest(model="minilm", input=["a", "b"], input_type="query")
        rerank = RerankRequest(model="order", query="q", documents=["a", "b"], top_n=1)

        async def scenario() -> list[object]:
            return [
                await reached.chat(ada, chat),
                await reached.embed(ada, embed),
                await reached.rerank(ada, rerank),
                await reached.models(ada),
                await reached.test(ada, "gpt-4.1"),
                await reached.health(ada, "gpt-4.1"),
                await reached.providers(),
                await reached.components(),
            ]

        assert asyncio.run(scenario()) == [CHATTED, EMBEDDED, RANKED, MODELS, TESTED, STATE, PROVIDERS, COMPONENTS]
        assert scripted.asked == [(ada, each) for each in (chat, embed, rerank, "models", "gpt-4.1", "gpt-4.1")]

    def test_chunks_arrive_in_order(self, reached: ModelGateway) -> None:
        """All of them, the usage last, whatever their text holds."""
        assert asyncio.run(chatted(reached)) == USUAL_CHUNKS

    @each_error
    def test_errors_before_the_first_chunk_are_raised(
        self, scripted: ScriptedGateway, reached: ModelGateway, error: RagError
    ) -> None:
        """By both ways of asking."""
        scripted.failure = error
        asyncio.run(same_failure(error, lambda: chatted(reached)))
        asyncio.run(same_failure(error, lambda: reached.chat(principal(), _HELLO)))

    def test_a_failure_within_the_stream_is_raised_where_it_stands(
        self, scripted: ScriptedGateway, reached: ModelGateway
    ) -> None:
        """With its class and words; the chunks before it were given."""
        scripted.chunks, scripted.broken = [chunk("a")], BadUpstream("It broke off.", reason="broken_off")
        received: list[ChatChunk] = []

        async def scenario() -> None:
            async for one in reached.chat_stream(principal(), _HELLO):
                received.append(one)  # noqa: PERF401  what came before the failure is to be seen

        asyncio.run(same_failure(scripted.broken, scenario))
        assert received == [chunk("a")]

    def test_a_reader_may_stop_early(self, scripted: ScriptedGateway, reached: ModelGateway) -> None:
        """Closing the stream ends the service's work on it."""
        scripted.chunks = [chunk("x" * 1_000)] * 20_000

        async def scenario() -> None:
            chunks = reached.chat_stream(principal(), _HELLO)
            assert await anext(chunks) == scripted.chunks[0]
            await chunks.aclose()
            await asyncio.to_thread(scripted.closed.wait, 5)

        asyncio.run(scenario())
        assert scripted.closed.is_set()


_HELLO = ChatRequest(model="chat", messages=[ChatMessage(role="user", content="hi")])


async def chatted(gateway: ModelGateway) -> list[ChatChunk]:
    """Give all chunks of an answer."""
    return [one async for one in gateway.chat_stream(principal(), _HELLO)]
