"""Answers given again: what that takes, and what it leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from chalicelib.contracts.asking import Answer, DoneEvent, QueryRequest, TokenEvent
from chalicelib.domain.access import Principal
from chalicelib.domain.identifiers import RunId
from chalicelib.domain.indexes import Recipe
from chalicelib.domain.releases import EXTRACTIVE, GenerationSettings, ReleaseConfig
from chalicelib.domain.runs import Passage, Usage
from chalicelib.errors import Unavailable
from fargate.generation.drafts import Draft
from fargate.generation.service import GenerationService
from tests.fakes.knowledge import INDEX, Knowledge, knowledge, reader

QUESTION = "How many days of leave has everybody?"


@dataclass
class Counting:
    """Says how often it was asked; fails while *broken*."""

    description = "counts"
    asked: int = 0
    broken: bool = False
    seen: list[Sequence[Passage]] = field(default_factory=list)

    async def write(
        self, question: str, passages: Sequence[Passage], config: ReleaseConfig
    ) -> AsyncGenerator[str | Draft, None]:
        """See `Answerer.write`."""
        self.asked += 1
        self.seen.append(passages)
        if self.broken:
            raise Unavailable("The model does not answer.")
        said = f"Answer {self.asked}."
        yield said
        yield Draft(said, usage=Usage(10, 2, cost_usd_micros=7))


@dataclass
class World:
    """One release that repeats answers for a minute, and one document."""

    known: Knowledge
    model: Counting = field(default_factory=Counting)

    def service(self) -> GenerationService:
        """Give the service as another process would have it: nothing is kept in memory."""
        return self.known.generation(answerers={EXTRACTIVE: self.model})

    def ask(self, who: Principal | None = None, **fields: Any) -> Answer:
        """Ask the question, but for *fields*."""
        request = QueryRequest.model_validate({"question": QUESTION, **fields})
        return asyncio.run(self.service().answer(who or reader(), request))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with knowledge(tmp_path) as known:
        known.release(ReleaseConfig(INDEX, 1, Recipe(), answer=GenerationSettings(cache_ttl_s=60)))
        known.add("Everybody has thirty days of leave.", name="leave.md")
        yield World(known)


def test_the_same_question_gets_the_same_answer_at_no_cost(world: World) -> None:
    """It says which run it repeats, and has a run of its own."""
    first, again = world.ask(), world.ask()
    assert (first.answer, again.answer, world.model.asked) == ("Answer 1.", "Answer 1.", 1)
    assert (first.repeats, again.repeats) == (None, first.run_id)
    assert (first.usage.cost_usd_micros, again.usage.cost_usd_micros) == (7, 0)
    assert world.known.runs.get(world.known.tenant, RunId(again.run_id)).repeats == first.run_id


def test_a_stream_repeats_as_well(world: World) -> None:
    """With the text and the one last event."""
    first = world.ask()

    async def collect() -> list[object]:
        return [event async for event in world.service().stream(reader(), QueryRequest(question=QUESTION))]

    events = asyncio.run(collect())
    assert [event.text for event in events if isinstance(event, TokenEvent)] == ["Answer 1."]
    assert isinstance(events[-1], DoneEvent)
    assert events[-1].answer.repeats == first.run_id


def test_it_is_written_anew_after_its_time(world: World) -> None:
    """From when it was written, not from when it was last given."""
    world.ask()
    world.known.clock.advance(40)
    assert world.ask().answer == "Answer 1."
    world.known.clock.advance(40)
    assert world.ask().answer == "Answer 2."


@pytest.mark.parametrize(
    "fields",
    [
        {"question": QUESTION + " Please."},
        {"conversation": [{"role": "user", "content": "Hello"}]},
        {"filter": {"team": {"$exists": False}}},
        {"top_k": 3},
    ],
    ids=["question", "conversation", "filter", "release"],
)
def test_another_question_is_another_answer(world: World, fields: dict[str, Any]) -> None:
    """Though the same passages answer it."""
    world.ask()
    assert world.ask(**fields).answer == "Answer 2."


def test_people_of_other_groups_get_their_own(world: World) -> None:
    """Even where they read the same passages."""
    world.ask()
    assert world.ask(reader("hr")).answer == "Answer 2."


def test_a_new_document_makes_a_new_answer(world: World) -> None:
    """As soon as it is among the passages."""
    world.ask()
    world.known.add("Everybody has forty days of leave.")
    assert world.ask().answer == "Answer 2."


def test_what_failed_is_not_repeated(world: World) -> None:
    """The next one is asked of the model again."""
    world.model.broken = True
    with pytest.raises(Unavailable):
        world.ask()
    world.model.broken = False
    assert world.ask().answer == "Answer 2."


def test_nothing_is_repeated_unless_the_release_says_so(world: World) -> None:
    """The default is to write each answer."""
    world.known.release(ReleaseConfig(INDEX, 1, Recipe()))
    assert [world.ask().answer, world.ask().answer] == ["Answer 1.", "Answer 2."]
