"""Every answer brings the token with which its reader can say what he thinks of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from chalicelib.adapters.file_secrets import FileSecrets
from chalicelib.contracts.asking import Answer, DoneEvent, QueryRequest
from chalicelib.domain.access import Tenant
from chalicelib.domain.feedback import hashed_subject
from chalicelib.domain.identifiers import RunId
from chalicelib.domain.runs import Run
from chalicelib.domain.tenants import TenantSettings
from chalicelib.errors import Unavailable
from chalicelib.repositories.feedback_tokens import FeedbackTokens, token_with_answer
from chalicelib.repositories.tenants import Tenants
from fargate.generation.service import GenerationService
from tests.fakes.knowledge import Knowledge, knowledge, reader

CHAT = "https://chat.example"


@pytest.fixture
def known(tmp_path: Path) -> Iterator[Knowledge]:
    with knowledge(tmp_path) as opened:
        opened.add("Everybody has thirty days of leave.")
        yield opened


@pytest.fixture
def tokens(known: Knowledge, tmp_path: Path) -> FeedbackTokens:
    return FeedbackTokens(FileSecrets(tmp_path / "secrets"), known.clock)


def service(known: Knowledge, feedback_token: Callable[[Tenant, Run], str]) -> GenerationService:
    return known.generation(feedback_token=feedback_token)


def ask(service: GenerationService, **asked: Any) -> Answer:
    return asyncio.run(service.answer(reader(), QueryRequest(question="How many days of leave?", **asked)))


def streamed(service: GenerationService, **asked: Any) -> Answer:
    async def last() -> Answer:
        request = QueryRequest(question="How many days of leave?", **asked)
        (done,) = [event async for event in service.stream(reader(), request) if isinstance(event, DoneEvent)]
        return done.answer

    return asyncio.run(last())


@pytest.mark.parametrize("way", [ask, streamed])
def test_an_answer_brings_a_token_for_its_reader(
    known: Knowledge, tokens: FeedbackTokens, way: Callable[..., Answer]
) -> None:
    """For this run and whom it was asked for, on the pages of the tenant."""
    tenants = Tenants(known.table, TenantSettings(feedback_origins=(CHAT,)))
    answer = way(service(known, partial(token_with_answer, tokens, tenants)), user="ada")
    assert answer.feedback_token is not None
    scope = tokens.read(answer.feedback_token)
    assert (scope.tenant, scope.run_id, scope.origins) == (known.tenant, answer.run_id, (CHAT,))
    assert scope.subject == hashed_subject(known.tenant, "ada")


def test_an_answer_does_not_fail_with_its_token(known: Knowledge) -> None:
    """It is good and stored; only feedback has to do without."""

    def unavailable(tenant: Tenant, run: Run) -> str:
        raise Unavailable("The secrets do not answer.")

    answer = ask(service(known, unavailable))
    assert (known.runs.get(known.tenant, RunId(answer.run_id)).error, answer.feedback_token) == (None, None)
