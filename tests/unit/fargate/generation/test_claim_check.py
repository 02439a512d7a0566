"""The whole check: words, then likeness, then a judge; and what becomes of it when one of them fails."""

from __future__ import annotations

import asyncio
import json

from chalicelib.contracts.gateway import ChatRequest
from chalicelib.domain.indexes import Recipe
from chalicelib.domain.releases import ClaimSettings, GenerationSettings, ReleaseConfig
from chalicelib.domain.runs import Verdict
from chalicelib.errors import Unavailable
from fargate.generation.abstention import nearest
from fargate.generation.claim_check import Checked, ClaimCheck
from fargate.generation.drafts import Draft, Statement
from tests.fakes.embedder import BagOfWords
from tests.fakes.knowledge import INDEX, reader
from tests.fakes.models import TalkingGateway
from tests.fakes.passages import passage

PASSAGE = passage("Leave is thirty days for everybody. Cars are washed on Fridays.")
REWORDED = "Staff may take thirty days of leave"


def check(
    text: str, gateway: TalkingGateway, *, judge: str | None = "judge", failure: Exception | None = None
) -> Checked:
    draft = Draft(text, nearest("leave", [PASSAGE]), [Statement(text, (1,))])
    settings = GenerationSettings(claims=ClaimSettings(judge=judge))
    config = ReleaseConfig(INDEX, 1, Recipe(), answer=settings)
    embedder = BagOfWords()
    embedder.failure = failure
    checking = ClaimCheck({"local/minilm": embedder}, gateway)
    return asyncio.run(checking.check(draft, [PASSAGE], config, reader()))


def saying(verdict: str) -> TalkingGateway:
    def reply(request: ChatRequest) -> str:
        return "Here: " + json.dumps({"verdicts": [{"claim": 1, "verdict": verdict}]})

    return TalkingGateway(reply=reply)


def test_a_judge_decides_what_is_left_open() -> None:
    """It is shown the claim with the whole passage it cites, as data."""
    gateway = saying("unsupported")
    found = check(REWORDED, gateway)
    assert [(one.verdict, one.reason) for one in found.claims] == [(Verdict.UNSUPPORTED, "judged")]
    ((who, request),) = gateway.asked
    assert who == reader()
    assert isinstance(request, ChatRequest)
    assert json.loads(str(request.messages[-1].content)) == [{"claim": 1, "text": REWORDED, "sources": [PASSAGE.text]}]


def test_a_judge_is_not_asked_what_is_decided() -> None:
    """A call costs money."""
    gateway = saying("unsupported")
    assert check("Leave is thirty days for everybody.", gateway).claims[0].verdict is Verdict.SUPPORTED
    assert check("Leave is forty days for everybody.", gateway).claims[0].verdict is Verdict.UNSUPPORTED
    assert not gateway.asked


def test_a_failing_judge_leaves_the_claim_unchecked_and_is_told() -> None:
    """As does one that gives no verdict."""
    for gateway in (TalkingGateway(failure=Unavailable("down")), TalkingGateway(reply=lambda _: "I like it")):
        found = check(REWORDED, gateway)
        assert found.claims[0].verdict is Verdict.UNCHECKED
        assert ["'judge'" in told for told in found.degraded] == [True]


def test_without_an_embedder_that_answers_words_still_decide() -> None:
    """What they leave open stays open, and the run tells why."""
    found = check(REWORDED, TalkingGateway(), judge=None, failure=Unavailable("down"))
    assert found.claims[0].verdict is Verdict.UNCHECKED
    assert len(found.degraded) == 1
    assert check("Leave is forty days.", TalkingGateway(), failure=Unavailable("down")).degraded == []


def test_a_claim_far_from_all_that_it_cites_is_unsupported() -> None:
    """No word is shared, and the vectors are as good as orthogonal."""
    found = check("Elephants migrate every winter", TalkingGateway(), judge=None)
    assert (found.claims[0].verdict, found.claims[0].reason) == (Verdict.UNSUPPORTED, "not_in_source")
