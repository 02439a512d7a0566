"""Questions to answers, whole and streamed, over the embedded stores."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from chalicelib.contracts.asking import (
    Answer,
    AnswerEvent,
    DoneEvent,
    ErrorEvent,
    PassagesEvent,
    QueryRequest,
    RunEvent,
    SearchRequest,
    SearchResponse,
    TokenEvent,
    Turn,
)
from chalicelib.contracts.rendering import MAX_CONVERSATION_BYTES
from chalicelib.domain.access import Principal
from chalicelib.domain.documents import DocumentStatus
from chalicelib.domain.identifiers import RunId
from chalicelib.domain.indexes import Recipe
from chalicelib.domain.releases import EXTRACTIVE, GenerationSettings, ReleaseConfig
from chalicelib.domain.runs import Passage, Run, RunKind, Verdict
from chalicelib.errors import InvalidRequest, NotFound, Unavailable
from chalicelib.observability.metrics import Metrics
from chalicelib.observability.spans import start_trace
from chalicelib.ports.services import Retriever
from chalicelib.repositories.runs import Runs
from fargate.generation.answering import MAX_PASSAGE_BYTES
from fargate.generation.drafts import Draft
from fargate.generation.service import CLIENT_DISCONNECTED, GenerationService
from tests.fakes.knowledge import INDEX, Knowledge, knowledge, reader

LEAVE = "Everybody has thirty days of leave. Cars are washed on Fridays."
QUESTION = "How many days of leave has everybody?"
ANSWER = "Everybody has thirty days of leave. [1]"
SPOKEN = ["Everybody", " has", " thirty", " days", " of", " leave", ". [1", "]"]
"""A dot and a closing bracket wait until it is known that they belong to no address."""


@pytest.fixture
def known(tmp_path: Path) -> Iterator[Knowledge]:
    with knowledge(tmp_path) as opened:
        opened.release(ReleaseConfig(INDEX, 1, Recipe(), answer=GenerationSettings(max_sentences=1)))
        yield opened


def ask(service: GenerationService, who: Principal | None = None, **fields: object) -> Answer:
    request = QueryRequest.model_validate({"question": QUESTION, **fields})
    return asyncio.run(service.answer(who or reader(), request))


def streamed(service: GenerationService, **fields: object) -> list[AnswerEvent]:
    async def collect() -> list[AnswerEvent]:
        request = QueryRequest.model_validate({"question": QUESTION, **fields})
        return [event async for event in service.stream(reader(), request)]

    return asyncio.run(collect())


def runs(known: Knowledge) -> list[Run]:
    return known.runs.list(known.tenant, limit=100, cursor=None)[0]


class Broken:
    """Fails where a test wants it to: while retrieving, while writing, after *said*, or by ending without a draft."""

    description = "breaks"

    def __init__(self, failure: Exception | None, said: Sequence[str] = ()) -> None:
        self.failure = failure
        self.said = said

    async def search(self, principal: Principal, request: SearchRequest) -> SearchResponse:
        """See `Retriever.search`."""
        assert self.failure is not None
        raise self.failure

    async def write(
        self, question: str, passages: Sequence[Passage], config: ReleaseConfig
    ) -> AsyncGenerator[str | Draft, None]:
        """See `Answerer.write`."""
        for word in self.said:
            yield word
        if self.failure is not None:
            raise self.failure

    def add(self, tenant: object, run: Run) -> None:
        """See `Runs.add`."""
        assert self.failure is not None
        raise self.failure


def test_an_answer_quotes_its_document(known: Knowledge) -> None:
    """With the exact place in its text, a checked claim, and the release and model that made it."""
    document_id = known.add("Something else.", LEAVE, name="leave.md")
    answer = ask(known.generation())
    assert (answer.answer, answer.abstained, answer.model) == (ANSWER, False, EXTRACTIVE)
    citation = answer.citations[0]
    assert known.texts[document_id][citation.start : citation.end] == citation.quote
    assert [(claim.text, claim.verdict, claim.citations) for claim in answer.claims] == [
        ("Everybody has thirty days of leave.", Verdict.SUPPORTED, [1])
    ]
    assert answer.release == known.releases.resolve(known.tenant, "live").release_id
    assert answer.usage.input_tokens > 0
    assert set(answer.timings_ms) == {"settle", "retrieve", "write", "check", "total"}


def test_an_answer_leaves_a_run_with_all_it_was_made_from(known: Knowledge) -> None:
    """Passages with their texts and reasons, the request with user, filter and conversation, and the trace."""
    known.add(LEAVE, metadata={"team": "hr"})
    request = QueryRequest(
        question=QUESTION, user="u-7", filter={"team": "hr"}, conversation=[Turn(role="user", content="Hello")]
    )

    async def traced() -> tuple[str, Answer]:
        return start_trace(), await known.generation().answer(reader(), request)

    trace_id, answer = asyncio.run(traced())
    run = known.runs.get(known.tenant, RunId(answer.run_id))
    assert (run.kind, run.question, run.answer, run.user) == (RunKind.QUERY, QUESTION, ANSWER, "u-7")
    assert (run.created_by, run.trace_id, run.error, run.abstained) == ("rita", trace_id, None, False)
    assert run.passages[0].text == LEAVE
    assert run.passages[0].reasons.dense_rank == 1
    assert run.request["filter"] == {"team": "hr"}
    assert run.request["conversation"] == [{"role": "user", "content": "Hello"}]
    assert [(one.marker, one.quote) for one in run.citations] == [(one.marker, one.quote) for one in answer.citations]
    assert run.claims[0].verdict is Verdict.SUPPORTED
    assert run.usage.input_tokens == answer.usage.input_tokens


def test_a_question_the_documents_do_not_answer_is_declined(known: Knowledge) -> None:
    """Without citations and claims, and recorded as such."""
    known.add("Cars are washed on Fridays.", name="cars.md")
    answer = ask(known.generation())
    assert answer.abstained
    assert "cars.md" in answer.answer
    assert (answer.citations, answer.claims) == ([], [])
    assert runs(known)[0].abstained is True


def test_a_deleted_or_forbidden_document_answers_nothing(known: Knowledge) -> None:
    """Not even by its name."""
    known.change(known.add(LEAVE, name="gone.md"), status=DocumentStatus.DELETED)
    known.add(LEAVE, acl=["hr"], name="secret.md")
    answer = ask(known.generation())
    assert answer.abstained
    assert "gone.md" not in answer.answer
    assert "secret.md" not in answer.answer


def test_top_k_is_how_many_passages_the_answer_is_made_from(known: Knowledge) -> None:
    """And the stamped release says so."""
    for _ in range(4):
        known.add(LEAVE)
    answer = ask(known.generation(), top_k=2)
    assert len(runs(known)[0].passages) == 2
    assert known.releases.resolve(known.tenant, answer.release).config.answer.passages == 2


def test_a_stream_tells_the_answer_in_order(known: Knowledge) -> None:
    """Its run, its passages, its words, its evidence, and the whole once more."""
    known.add(LEAVE)
    events = streamed(known.generation())
    words = [event.text for event in events if isinstance(event, TokenEvent)]
    assert words == SPOKEN
    names = [event.event for event in events if not isinstance(event, TokenEvent)]
    assert names == ["run", "passages", "citations", "claims", "done"]
    first, last = events[0], events[-1]
    assert isinstance(first, RunEvent)
    assert isinstance(last, DoneEvent)
    assert (last.answer.answer, last.answer.run_id) == (ANSWER, first.run_id)
    assert runs(known)[0].answer == ANSWER


def test_streamed_passages_do_not_tell_their_reasons(known: Knowledge) -> None:
    """They are for those who ask to have them explained."""
    known.add(LEAVE)
    event = next(event for event in streamed(known.generation()) if isinstance(event, PassagesEvent))
    assert [passage.explain for passage in event.passages] == [None]


UNFORESEEN = ValueError("secret inside")
DOWN = Unavailable("The model is down.")


@pytest.mark.parametrize(
    ("broken", "parts", "said"),
    [
        (Broken(DOWN), ("retriever",), None),
        (Broken(UNFORESEEN), ("retriever",), None),
        (Broken(DOWN), ("answerers",), None),
        (Broken(DOWN, ["Thirty", " days"]), ("answerers",), "Thirty days"),
        (Broken(UNFORESEEN, ["Thirty"]), ("answerers",), "Thirty"),
        (Broken(None, ["Thirty"]), ("answerers",), "Thirty"),
    ],
)
def test_a_failure_ends_the_stream_with_one_error_and_is_recorded(
    known: Knowledge, broken: Broken, parts: Sequence[str], said: str | None
) -> None:
    """At every stage, foreseen or not, also where a model just ends; what was said till then is kept."""
    known.add(LEAVE)
    replaced = {part: {EXTRACTIVE: broken} if part == "answerers" else broken for part in parts}
    events = streamed(known.generation(**replaced))
    assert isinstance(events[0], RunEvent)
    assert [event for event in events if isinstance(event, DoneEvent | ErrorEvent)] == events[-1:]
    last = events[-1]
    assert isinstance(last, ErrorEvent)
    expected = "unavailable" if broken.failure is DOWN else "bad_upstream" if broken.failure is None else "internal"
    assert last.problem["code"] == expected
    assert "secret" not in str(last.problem)
    run = runs(known)[0]
    assert (run.run_id, run.answer, run.error) == (events[0].run_id, said, expected)


def test_the_model_being_down_is_an_error_not_an_abstention(known: Knowledge) -> None:
    """Whole or streamed."""
    known.add(LEAVE)
    service = known.generation()
    known.embedder.failure = DOWN
    assert isinstance(streamed(service)[-1], ErrorEvent)
    with pytest.raises(Unavailable, match="down"):
        ask(service)
    assert [run.error for run in runs(known)] == ["unavailable", "unavailable"]


@pytest.mark.parametrize("failure", [DOWN, UNFORESEEN])
def test_an_answer_whose_run_cannot_be_stored_is_not_given(known: Knowledge, failure: Exception) -> None:
    """A stream says so in its last event."""
    known.add(LEAVE)
    service = known.generation(runs=cast("Runs", Broken(failure)))
    with pytest.raises(type(failure)):
        ask(service)
    events = streamed(service)
    assert isinstance(events[-1], ErrorEvent)
    assert not any(isinstance(event, DoneEvent) for event in events)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [({"index": "other"}, NotFound), ({"release": "other"}, NotFound), ({"filter": {"_acl": "hr"}}, InvalidRequest)],
)
def test_errors_before_the_run_are_raised_and_leave_none(
    known: Knowledge, fields: dict[str, object], expected: type[Exception]
) -> None:
    """So that they are answered with their own status."""
    service = known.generation()
    with pytest.raises(expected):
        streamed(service, **fields)
    with pytest.raises(expected):
        asyncio.run(service.answer(reader(), QueryRequest.model_validate({"question": QUESTION, **fields})))
    assert runs(known) == []


def test_a_model_that_does_not_exist_is_refused(known: Knowledge) -> None:
    """The message names those that do."""
    config = known.releases.resolve(known.tenant, "live").config
    known.release(replace(config, answer=replace(config.answer, model="openai/none")))
    with pytest.raises(InvalidRequest, match=EXTRACTIVE):
        streamed(known.generation())


@pytest.mark.parametrize(("seen", "said"), [(1, None), (2, None), (4, "Everybody has"), (10, ANSWER), (12, ANSWER)])
def test_a_consumer_that_goes_away_leaves_a_run_of_what_was_said(known: Knowledge, seen: int, said: str | None) -> None:
    """After whichever event it goes: the run, the passages, a word, the last word, the claims."""
    known.add(LEAVE)

    async def leave_early() -> None:
        events = known.generation().stream(reader(), QueryRequest(question=QUESTION))
        for _ in range(seen):
            await anext(events)
        await events.aclose()

    asyncio.run(leave_early())
    (run,) = runs(known)
    assert (run.answer, run.error) == (said, CLIENT_DISCONNECTED)


def test_a_cancelled_answer_leaves_a_run(known: Knowledge) -> None:
    """Whole or streamed, while it waits for the passages."""
    started = asyncio.Event()

    class Waiting(Broken):
        async def search(self, principal: Principal, request: SearchRequest) -> SearchResponse:
            started.set()
            await asyncio.Event().wait()
            raise AssertionError

    service = known.generation(retriever=cast("Retriever", Waiting(None)))
    request = QueryRequest(question=QUESTION)

    async def consume() -> None:
        async for _ in service.stream(reader(), request):
            pass

    async def cancel() -> None:
        for work in (service.answer(reader(), request), consume()):
            started.clear()
            task = asyncio.ensure_future(work)
            await started.wait()
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()

    asyncio.run(cancel())
    assert [run.error for run in runs(known)] == [CLIENT_DISCONNECTED] * 2


def test_a_follow_up_finds_what_its_conversation_is_about(known: Knowledge) -> None:
    """The question names nothing; its words alone match no passage."""
    known.add(LEAVE)
    turns = [Turn(role="user", content="How much leave is there?").model_dump()]
    answer = ask(known.generation(), question="Why?", conversation=turns)
    (passage, *_) = known.runs.get(known.tenant, RunId(answer.run_id)).passages
    assert "leave" in passage.reasons.matched_terms


def test_a_run_fits_its_row_however_much_was_asked_and_found(known: Knowledge) -> None:
    """The last turns and the best passages are kept whole; how many turns were left out is said."""
    for number in range(60):
        known.add(f"{QUESTION} {number} " + "leave " * 1_000)
    turns = [Turn(role="user", content=f"{number:05d}" + "ü" * 7_000) for number in range(50)]
    answer = ask(known.generation(), conversation=[turn.model_dump() for turn in turns], top_k=60)
    run = known.runs.get(known.tenant, RunId(answer.run_id))
    kept = run.request["conversation"]
    assert 0 < len(kept) < 50
    assert kept[-1]["content"] == turns[-1].content
    assert sum(len(turn["content"].encode()) for turn in kept) <= MAX_CONVERSATION_BYTES
    assert run.request["conversation_turns_omitted"] == 50 - len(kept)
    texts = [passage.text for passage in run.passages]
    assert len(texts) == 60
    assert texts[0]
    assert not texts[-1]
    assert sum(map(len, texts)) <= MAX_PASSAGE_BYTES


def test_the_models_are_listed(known: Knowledge) -> None:
    """With the one that answers by default."""
    items = asyncio.run(known.generation(answerers={"other": Broken(None)}).components()).items
    assert [(item.kind.value, item.name, item.default) for item in items] == [
        ("model", EXTRACTIVE, True),
        ("model", "other", False),
    ]


def test_answers_and_verdicts_are_counted(known: Knowledge) -> None:
    """By model and outcome: answered, abstained, or the code of what failed."""
    stream = io.StringIO()
    metrics = Metrics("Ragstone", stream)
    service = known.generation(metrics=metrics)
    known.add(LEAVE)
    ask(service)
    ask(service, question="Which violin concertos were composed in Leipzig?")
    metrics.flush()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    counted = {line.get("Outcome") or line["Verdict"]: line.get("Answers") or line["Claims"] for line in lines}
    assert counted == {"answered": 1, "abstained": 1, "supported": 1}
