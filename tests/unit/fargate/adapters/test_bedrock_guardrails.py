"""Bedrock's guardrails, over the wire and through an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from chalicelib.contracts.asking import Answer, DoneEvent, QueryRequest, TokenEvent
from chalicelib.domain.identifiers import RunId
from chalicelib.domain.indexes import Recipe
from chalicelib.domain.releases import GenerationSettings, GuardrailSettings, ReleaseConfig
from chalicelib.errors import InvalidRequest, Unavailable
from chalicelib.ports.guardrails import Ruling
from fargate.adapters.bedrock_guardrails import BedrockGuardrails
from fargate.generation.service import GenerationService
from tests.fakes.bedrock import BLOCKED, GUARDRAIL, bedrock
from tests.fakes.knowledge import INDEX, Knowledge, knowledge, reader

SETTINGS = GuardrailSettings(GUARDRAIL, "1")
QUESTION = "How many days of leave has everybody?"


@pytest.fixture(scope="module")
def guardrails() -> Iterator[BedrockGuardrails]:
    """Give the adapter, whose client is a real one, without waiting between attempts."""
    with bedrock() as url:
        client = boto3.session.Session(
            aws_access_key_id="test", aws_secret_access_key="test", region_name="eu-central-1"
        ).client("bedrock-runtime", endpoint_url=url, config=Config(retries={"total_max_attempts": 1}))
        with closing(BedrockGuardrails(client)) as opened:
            yield opened


@pytest.fixture
def known(tmp_path: Path) -> Iterator[Knowledge]:
    with knowledge(tmp_path) as opened:
        settings = GenerationSettings(model="chat", guardrail=SETTINGS)
        opened.release(ReleaseConfig(INDEX, 1, Recipe(), answer=settings))
        opened.add("Everybody has thirty days of leave.")
        yield opened


def judged(guardrails: BedrockGuardrails, text: str, settings: GuardrailSettings = SETTINGS) -> Ruling:
    return asyncio.run(guardrails.judge(text, settings))


def service(known: Knowledge, guardrails: BedrockGuardrails | None) -> GenerationService:
    judge = {} if guardrails is None else {"guardrails": lambda: guardrails}
    return known.generation(gateway=known.gateway, **judge)


def answered(known: Knowledge, guardrails: BedrockGuardrails, said: str) -> tuple[str, Answer]:
    """Give what a stream said, and the answer at its end, of a model that says *said*."""
    known.gateway.reply = lambda _: said

    async def events() -> list[object]:
        asked = QueryRequest(question=QUESTION)
        return [event async for event in service(known, guardrails).stream(reader(), asked)]

    heard = asyncio.run(events())
    assert isinstance(heard[-1], DoneEvent)
    return "".join(one.text for one in heard if isinstance(one, TokenEvent)), heard[-1].answer


def test_a_text_that_breaks_no_rule_stays(guardrails: BedrockGuardrails) -> None:
    """To the letter."""
    assert judged(guardrails, "Thirty days. ") == Ruling("Thirty days. ")


def test_a_blocked_text_is_replaced(guardrails: BedrockGuardrails) -> None:
    """By what the guardrail says; the rule is named."""
    assert judged(guardrails, "Buy weapons") == Ruling(
        BLOCKED, blocked=True, reasons=["topicPolicy: Weapons (blocked)"]
    )


def test_a_masked_text_is_not_blocked(guardrails: BedrockGuardrails) -> None:
    """What was found is nowhere in the reasons."""
    ruling = judged(guardrails, "Write to ann@example.com")
    assert ruling == Ruling("Write to {EMAIL}", reasons=["sensitiveInformationPolicy: EMAIL (anonymized)"])


def test_a_guardrail_that_cannot_judge_says_so(guardrails: BedrockGuardrails) -> None:
    """One that is not there, and one that is asked too often."""
    with pytest.raises(InvalidRequest):
        judged(guardrails, "x", GuardrailSettings("nowhere", "1"))
    with pytest.raises(Unavailable):
        judged(guardrails, "throttle")


def test_an_answer_passes_its_releases_guardrail(known: Knowledge, guardrails: BedrockGuardrails) -> None:
    """With citations and claims, as if there were none."""
    said, answer = answered(known, guardrails, "Everybody has thirty days of leave [1].")
    assert said == answer.answer == "Everybody has thirty days of leave [1]."
    assert (len(answer.citations), len(answer.claims), answer.abstained) == (1, 1, False)


def test_nothing_of_a_blocked_answer_is_heard(known: Knowledge, guardrails: BedrockGuardrails) -> None:
    """Not in the stream either: it begins when the whole answer was judged. The run tells the rule."""
    said, answer = answered(known, guardrails, "Everybody has weapons [1].")
    assert said == answer.answer == BLOCKED
    assert (answer.abstained, answer.citations, answer.claims, answer.ended) == (True, [], [], "content_filter")
    run = known.runs.get(known.tenant, RunId(answer.run_id))
    assert "weapons" not in f"{run.answer} {run.claims}"
    assert list(run.degraded) == ["The guardrail changed the answer: topicPolicy: Weapons (blocked)."]


def test_a_masked_answer_keeps_its_citations(known: Knowledge, guardrails: BedrockGuardrails) -> None:
    """Claims, which would tell what was masked, go."""
    said, answer = answered(known, guardrails, "Ask ann@example.com for leave [1].")
    assert said == answer.answer == "Ask {EMAIL} for leave [1]."
    assert (len(answer.citations), answer.claims) == (1, [])


def test_without_a_judge_nothing_is_said(known: Knowledge, guardrails: BedrockGuardrails) -> None:
    """A guardrail that does not answer, and a platform that has none: the question fails, and says why."""
    known.gateway.reply = lambda _: "Everybody has throttle [1]."
    with pytest.raises(Unavailable):
        asyncio.run(service(known, guardrails).answer(reader(), QueryRequest(question=QUESTION)))
    with pytest.raises(InvalidRequest, match="cannot be asked here"):
        asyncio.run(service(known, None).answer(reader(), QueryRequest(question=QUESTION)))
