"""Retrieval's own models, through the gateway's routes to a provider that is a server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from chalicelib.contracts.asking import RetrieveRequest, RetrieveResponse
from chalicelib.domain.indexes import Component, Recipe
from chalicelib.domain.releases import ReleaseConfig, RetrievalSettings
from chalicelib.domain.routes import Deployment, Route, RouteKind
from chalicelib.errors import DependencyError, NotFound
from tests.fakes.gateway import Gateway, gateway
from tests.fakes.knowledge import INDEX, Knowledge, knowledge, reader
from tests.fakes.openai_provider import openai_provider


def said(body: Mapping[str, Any]) -> str:
    """Grade passages about leave high, and imagine one for every question."""
    asked = str(body["messages"][-1]["content"])
    if asked.startswith("{"):
        return "9" if "holiday" in json.loads(asked)["passage"] else "1"
    return "holiday entitlement"


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[tuple[Knowledge, Gateway]]:
    with ExitStack() as stack:
        url, _ = stack.enter_context(openai_provider(answer=said))
        routes = [
            Route("chat", RouteKind.CHAT, [Deployment("direct/ok")]),
            Route("down", RouteKind.CHAT, [Deployment("direct/server_error")], timeout_s=2, retries=0),
            Route("rerank", RouteKind.RERANK, [Deployment("direct/ok")]),
        ]
        known = stack.enter_context(knowledge(tmp_path / "knowledge"))
        models = stack.enter_context(gateway(tmp_path, url, routes))
        known.gateway = models.service  # type: ignore[assignment]
        for text in ("days of leave", "holiday entitlement", "cars"):
            known.add(text)
        yield known, models


def retrieve(opened: tuple[Knowledge, Gateway], **settings: Any) -> RetrieveResponse:
    """Ask under a release with these settings."""
    known, models = opened
    known.release(ReleaseConfig(INDEX, 1, Recipe(), RetrievalSettings(**settings)))
    service = known.retrieval()

    async def scenario() -> RetrieveResponse:
        try:
            return await service.retrieve(reader(), RetrieveRequest(question="days of leave", top_k=3))
        finally:
            await models.direct.close()

    return asyncio.run(scenario())


def test_imagined_passages_and_grades_come_from_the_provider(opened: tuple[Knowledge, Gateway]) -> None:
    """Every call is metered in the asker's name, as a rewriting."""
    found = retrieve(
        opened,
        transform=Component("hyde", {"route": "chat"}),
        reranker=Component("llm", {"route": "chat", "mode": "pointwise"}),
    )
    assert found.searched[0].imagined == ["holiday entitlement"]
    assert found.passages[0].text == "holiday entitlement"
    _, models = opened
    assert len(models.meter.settled) == 4
    assert {call.principal.subject for call in models.meter.reserved} == {"rita"}


def test_a_rerank_route_is_asked(opened: tuple[Knowledge, Gateway]) -> None:
    """Its scores stand in the passages."""
    found = retrieve(opened, reranker=Component("route", {"route": "rerank"}))
    assert [one.score for one in found.passages] == sorted((one.score for one in found.passages), reverse=True)
    assert opened[1].meter.reserved[0].kind is RouteKind.RERANK


def test_a_provider_that_is_down_is_left_out_or_fails_the_question(opened: tuple[Knowledge, Gateway]) -> None:
    """As the release has it."""
    found = retrieve(opened, reranker=Component("llm", {"route": "down"}))
    assert found.passages[0].text == "days of leave"
    assert found.degraded == ["reranker: it failed (bad_upstream)"]
    with pytest.raises(DependencyError):
        retrieve(opened, reranker=Component("llm", {"route": "down", "on_failure": "fail"}))


def test_a_route_of_another_kind_is_the_releases_mistake(opened: tuple[Knowledge, Gateway]) -> None:
    """It is said, and never left out."""
    with pytest.raises(NotFound):
        retrieve(opened, reranker=Component("llm", {"route": "rerank"}))
