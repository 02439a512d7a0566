"""Prompts of releases: how they are put to a model, previewed, and put together again from a run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chalicelib.contracts.asking import QueryRequest
from chalicelib.contracts.gateway import ChatRequest
from chalicelib.contracts.prompts import PromptPreview, PromptPreviewRequest, SentMessages, SentRequest
from chalicelib.contracts.rendering import passage_views
from chalicelib.domain.access import Principal, Role
from chalicelib.domain.identifiers import RunId
from chalicelib.domain.indexes import Recipe
from chalicelib.domain.prompts import Prompt, PromptVersion
from chalicelib.domain.releases import GenerationSettings, ReleaseConfig
from chalicelib.domain.runs import Run
from chalicelib.errors import NotFound
from fargate.generation.service import GenerationService
from tests.fakes.knowledge import ACME, INDEX, Knowledge, knowledge, reader

QUESTION = "How many days of leave has everybody?"
LEAVE = "Everybody has thirty days of leave. Cars are washed on Fridays."
ENGINEER = Principal(ACME, "eve", frozenset({Role.ENGINEER}))


@pytest.fixture
def known(tmp_path: Path) -> Iterator[Knowledge]:
    """Give an index under a release whose prompt is the second of two versions."""
    with knowledge(tmp_path) as opened:
        now = opened.clock.now()
        prompt = Prompt("helpdesk", "", 1, now, now, "ann", {"production": 1}, 1)
        first = PromptVersion("helpdesk", 1, "Serve {{index}}.", "{{question}} ({{date}})\n{{passages}}", now, "ann")
        opened.prompts.create(ACME, prompt, first)
        opened.prompts.add_version(ACME, "helpdesk", lambda number: replace(first, number=number, system="Be kind."))
        settings = GenerationSettings(model="chat", prompt="helpdesk@2")
        opened.release(ReleaseConfig(INDEX, 1, Recipe(), answer=settings))
        opened.add(LEAVE, name="leave.md")
        opened.gateway.reply = lambda _: "Everybody has thirty days of leave [1]."
        yield opened


def service(known: Knowledge) -> GenerationService:
    return known.generation(gateway=known.gateway)


def answered(known: Knowledge, **fields: Any) -> tuple[Run, list[str]]:
    """Ask, and give the run with the texts of the messages that the model was sent."""
    request = QueryRequest.model_validate({"question": QUESTION, **fields})
    answer = asyncio.run(service(known).answer(ENGINEER, request))
    asked = known.gateway.asked[-1][1]
    assert isinstance(asked, ChatRequest)
    return known.runs.get(ACME, RunId(answer.run_id)), [str(message.content) for message in asked.messages]


def previewed(known: Knowledge, **fields: Any) -> PromptPreview:
    request = PromptPreviewRequest.model_validate({"question": QUESTION, **fields})
    return asyncio.run(service(known).preview(ENGINEER, request))


def put_together(known: Knowledge, run: Run, **changed: Any) -> SentMessages:
    assert run.sent is not None
    request = {
        "run_id": run.run_id,
        "release": run.release_id,
        "question": run.question,
        "conversation": run.request["conversation"],
        "passages": passage_views(run.passages, explain=False),
        "given": dict(run.sent.given),
        "sha256": run.sent.sha256,
        "asked_at": run.created_at,
        **changed,
    }
    return asyncio.run(service(known).messages(ENGINEER, SentRequest.model_validate(request)))


def test_a_model_is_asked_by_the_prompt_of_its_release(known: Knowledge) -> None:
    """Under the platform's rules, which come first; the run says which version it was."""
    run, (system, user) = answered(known)
    assert system.startswith("You answer questions from numbered passages")
    assert system.endswith("\n\nBe kind.")
    day = known.clock.now().date().isoformat()
    assert user.startswith(f"{QUESTION} ({day})\n<<")
    assert LEAVE in user
    assert run.sent is not None
    assert (run.sent.prompt, run.sent.given) == ("helpdesk@2", {1: len(LEAVE)})


def test_a_question_can_try_another_prompt(known: Knowledge) -> None:
    """By label; the release that the answer names keeps the version."""
    run, (system, _) = answered(known, answer={"prompt": "helpdesk:production"})
    assert system.endswith(f"\n\nServe {INDEX}.")
    assert known.releases.get(ACME, run.release_id).config.answer.prompt == "helpdesk@1"


@pytest.mark.parametrize("prompt", ["nowhere", "helpdesk@3", "helpdesk:trial"])
def test_a_prompt_that_is_not_there_is_not_found(known: Knowledge, prompt: str) -> None:
    """Before anything is searched or stored."""
    with pytest.raises(NotFound):
        answered(known, answer={"prompt": prompt})
    with pytest.raises(NotFound):
        previewed(known, prompt=prompt)


def test_a_preview_is_what_a_model_would_be_told(known: Knowledge) -> None:
    """With real passages, the release's prompt, one there is, or two templates; no model is asked, no run is kept."""
    own, other = previewed(known), previewed(known, prompt="helpdesk@1")
    typed = previewed(known, system="In {{index}}.", user="{{passages}}?{{question}}")
    assert [one.prompt for one in (own, other, typed)] == ["helpdesk@2", "helpdesk@1", None]
    assert own.messages[0].content.endswith("Be kind.")
    assert other.messages[0].content.endswith(f"Serve {INDEX}.")
    assert typed.messages[1].content.endswith(f"?{QUESTION}")
    assert [passage.text for passage in typed.passages] == [LEAVE]
    assert own.tokens > sum(len(message.content) for message in own.messages) / 4
    assert known.gateway.asked == []
    assert known.runs.list(ACME, limit=10, cursor=None) == ([], None)


def test_a_preview_shows_only_what_the_caller_may_read(known: Knowledge) -> None:
    """Permissions hold as for any question."""
    known.add("The board has ninety days of leave.", acl=["board"])
    assert "ninety" not in str(previewed(known))


def test_a_preview_says_what_is_left_out(known: Knowledge) -> None:
    """As a run would."""
    for number in range(4):
        known.add(f"Everybody has days of leave, number {number}. " * 10)
    settings = GenerationSettings(model="chat", context_tokens=200)
    release = known.release(ReleaseConfig(INDEX, 1, Recipe(), answer=settings))
    told = previewed(known, release=release.release_id).left_out
    assert any("more than the model is given" in line for line in told)


def test_what_a_model_was_sent_can_be_put_together_again(known: Knowledge) -> None:
    """To the letter, with the conversation; and what is not the same says so."""
    turns = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello!"}]
    run, sent = answered(known, conversation=turns)
    again = put_together(known, run)
    assert ([message.content for message in again.messages], again.exact) == (sent, True)
    assert [message.role for message in again.messages] == ["system", "user", "assistant", "user"]
    assert not put_together(known, run, conversation=[]).exact


def test_passages_that_were_cut_are_put_together_as_they_were(known: Knowledge) -> None:
    """Only so much of each as the model was given."""
    for number in range(4):
        known.add(f"Everybody has days of leave, number {number}. " * 10)
    settings = GenerationSettings(model="chat", context_tokens=250)
    known.release(ReleaseConfig(INDEX, 1, Recipe(), answer=settings))
    run, sent = answered(known)
    assert run.sent is not None
    assert len(run.sent.given) < len(run.passages)
    again = put_together(known, run)
    assert ([message.content for message in again.messages], again.exact) == (sent, True)


def test_an_answer_without_a_model_was_sent_nothing(known: Knowledge) -> None:
    """The extractive answerer has no prompt."""
    known.release(ReleaseConfig(INDEX, 1, Recipe()))
    answer = asyncio.run(service(known).answer(reader(), QueryRequest(question=QUESTION)))
    assert known.runs.get(ACME, RunId(answer.run_id)).sent is None
