"""Answers of a model that says more than its passages, under each policy of a release."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from pathlib import Path

import pytest

from chalicelib.contracts.asking import Answer, AnswerEvent, DoneEvent, QueryRequest, TokenEvent
from chalicelib.domain.indexes import Recipe
from chalicelib.domain.releases import ClaimPolicy, ClaimSettings, GenerationSettings, ReleaseConfig
from chalicelib.domain.runs import Passage, Verdict
from fargate.generation.abstention import nearest
from fargate.generation.drafts import Draft
from tests.fakes.knowledge import INDEX, Knowledge, knowledge, reader

QUESTION = "How many days of leave has everybody?"
RIGHT, WRONG = "Everybody has 30 days of leave.", "Managers have 90 days of leave."


class Inventive:
    """See `Answerer`: says one thing that its first passage holds, and one that it does not, and splits nothing."""

    description = "invents"

    async def write(
        self, question: str, passages: Sequence[Passage], config: ReleaseConfig
    ) -> AsyncGenerator[str | Draft, None]:
        """See `Answerer.write`."""
        text = f"{RIGHT} [1] {WRONG} [1]"
        for word in text.split(" "):
            yield word + " "
        yield Draft(text + " ", nearest(question, passages[:1]))


@pytest.fixture
def known(tmp_path: Path) -> Iterator[Knowledge]:
    with knowledge(tmp_path) as opened:
        opened.add("Everybody has thirty days of leave. Cars are washed on Fridays.", name="leave.md")
        yield opened


def told(known: Knowledge, policy: ClaimPolicy, abstain_below: float | None = None) -> tuple[str, Answer]:
    """Give the words of a stream, put together, and its whole answer; declined first where there is a bar."""
    settings = GenerationSettings(
        model="test/inventive",
        claims=ClaimSettings(policy),
        decline_first=abstain_below is not None,
        abstain_below=abstain_below or 0.0,
    )
    known.release(ReleaseConfig(INDEX, 1, Recipe(), answer=settings))
    service = known.generation(answerers={"test/inventive": Inventive()})

    async def collect() -> list[AnswerEvent]:
        return [event async for event in service.stream(reader(), QueryRequest(question=QUESTION))]

    events = asyncio.run(collect())
    last = events[-1]
    assert isinstance(last, DoneEvent)
    return "".join(event.text for event in events if isinstance(event, TokenEvent)), last.answer


def test_mark_says_everything_with_its_verdicts(known: Knowledge) -> None:
    """Each with its reason and the place that was looked at."""
    said, answer = told(known, ClaimPolicy.MARK)
    assert WRONG in said
    assert [(one.verdict, one.reason) for one in answer.claims] == [
        (Verdict.SUPPORTED, "words"),
        (Verdict.UNSUPPORTED, "number_not_in_source"),
    ]
    place = answer.claims[0].evidence[0]
    assert (place.marker, place.quote) == (1, "Everybody has thirty days of leave.")


def test_drop_never_says_what_is_not_borne_out(known: Knowledge) -> None:
    """Neither in the stream nor in the whole answer nor in the run, which tells that something was left out."""
    said, answer = told(known, ClaimPolicy.DROP)
    assert said == answer.answer == f"{RIGHT} [1]"
    run = known.runs.list(known.tenant, limit=1, cursor=None)[0][0]
    assert run.answer == f"{RIGHT} [1]"
    assert any("1 of 2 statements" in one for one in run.degraded)


def test_refuse_declines_and_offers_the_nearest_passages(known: Knowledge) -> None:
    """Nothing of the answer is said."""
    said, answer = told(known, ClaimPolicy.REFUSE)
    assert answer.abstained
    assert "90" not in said
    assert said == answer.answer
    assert [one.quote for one in answer.nearest] == ["Everybody has thirty days of leave."]
    assert known.runs.list(known.tenant, limit=1, cursor=None)[0][0].nearest[0].name == "leave.md"


def test_a_release_may_decline_before_its_model_is_asked(known: Knowledge) -> None:
    """Where no sentence comes near enough; otherwise the model answers."""
    said, answer = told(known, ClaimPolicy.MARK, abstain_below=0.99)
    assert answer.abstained
    assert said == answer.answer
    assert answer.nearest
    assert not told(known, ClaimPolicy.MARK, abstain_below=0.1)[1].abstained
