"""A question through all the steps of its release."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chalicelib.contracts.asking import RetrieveRequest, RetrieveResponse, Turn
from chalicelib.contracts.gateway import ChatRequest
from chalicelib.domain.access import Role
from chalicelib.domain.identifiers import RunId
from chalicelib.domain.indexes import Component, Recipe
from chalicelib.domain.releases import ReleaseConfig, RetrievalSettings, Strategy
from chalicelib.errors import Forbidden, InvalidRequest, Unavailable
from fargate.retrieval.meaning import mean_direction
from tests.fakes.embedder import vector
from tests.fakes.knowledge import INDEX, Knowledge, knowledge, reader
from tests.fakes.models import told

ENGINEER = replace(reader(), roles=frozenset({Role.ENGINEER}))
RERANK = Component("route", {"route": "judge", "depth": 3})


@pytest.fixture
def known(tmp_path: Path) -> Iterator[Knowledge]:
    with knowledge(tmp_path) as opened:
        yield opened


def retrieve(known: Knowledge, question: str, **fields: Any) -> RetrieveResponse:
    request = RetrieveRequest.model_validate({"question": question, "explain": True, **fields})
    return asyncio.run(known.retrieval().retrieve(ENGINEER, request))


def texts(found: RetrieveResponse) -> list[str]:
    return [passage.text for passage in found.passages]


def release(known: Knowledge, **settings: Any) -> None:
    known.release(ReleaseConfig(INDEX, 1, Recipe(), RetrievalSettings(**settings)))


def shortest_first(_query: str, document: str) -> float:
    return -len(document)


def test_a_reranker_orders_the_best_and_leaves_the_rest_behind(known: Knowledge) -> None:
    """Three are scored anew; reasons tell both places, and equal scores are ordered by chunk id."""
    for days in ("leave leave leave leave", "leave leave leave", "leave leave", "leave of the station house"):
        known.add(days)
    release(known, reranker=RERANK)
    known.gateway.relevance = shortest_first
    found = retrieve(known, "leave leave leave leave")
    assert texts(found) == [
        "leave leave",
        "leave leave leave",
        "leave leave leave leave",
        "leave of the station house",
    ]
    first, last = found.passages[0].explain, found.passages[-1].explain
    assert first is not None
    assert last is not None
    assert (first.fused_rank, first.rerank_score, first.rerank_features) == (3, found.passages[0].score, {
        "relevance": found.passages[0].score
    })  # fmt: skip
    assert (last.fused_rank, last.rerank_score) == (4, None)
    assert (
        known.runs.get(known.tenant, RunId(found.run_id)).passages[0].reasons.rerank_features == first.rerank_features
    )


def test_a_reranker_that_fails_is_left_out_and_the_run_tells(known: Knowledge) -> None:
    """Unless the release would rather fail."""
    known.add("leave")
    known.gateway.failure = Unavailable("down")
    release(known, reranker=RERANK)
    found = retrieve(known, "leave")
    assert texts(found) == ["leave"]
    assert found.degraded == ["reranker: it failed (unavailable)"]
    assert list(known.runs.get(known.tenant, RunId(found.run_id)).degraded) == found.degraded
    release(known, reranker=Component("route", {"route": "judge", "on_failure": "fail"}))
    with pytest.raises(Unavailable):
        retrieve(known, "leave")


def test_a_question_may_ask_to_be_reranked_or_not(known: Knowledge) -> None:
    """Whatever its release says."""
    known.add("leave leave")
    known.add("leave")
    known.gateway.relevance = shortest_first
    release(known, reranker=RERANK)
    assert texts(retrieve(known, "leave leave")) == ["leave", "leave leave"]
    assert texts(retrieve(known, "leave leave", rerank=False)) == ["leave leave", "leave"]


def test_every_wording_is_searched_and_reasons_say_which_found_what(known: Knowledge) -> None:
    """What only another wording brings is found too; the run keeps what was searched."""
    for text in ("holiday entitlement", "leave days", "cars"):
        known.add(text)
    release(
        known,
        candidates=1,
        transform=Component("multi_query", {"route": "small"}),
    )
    known.gateway.reply = lambda _request: "holiday entitlement"
    found = retrieve(known, "leave days", top_k=1)
    assert [wording.text for wording in found.searched] == ["leave days", "holiday entitlement"]
    kept = known.runs.get(known.tenant, RunId(found.run_id)).searched
    assert [wording.text for wording in kept] == ["leave days", "holiday entitlement"]
    both = {one.text: one.explain for one in retrieve(known, "leave days", top_k=2).passages}
    assert both["leave days"] is not None
    assert both["holiday entitlement"] is not None
    assert 1 in both["leave days"].found_by
    assert 2 in both["holiday entitlement"].found_by


def test_imagined_passages_pull_the_vector_their_way(known: Knowledge) -> None:
    """The question's words alone are nowhere near; the mean of both vectors is what is searched."""
    known.add("statutory entitlement of thirty days")
    known.add("leave for the station")
    release(known, strategy=Strategy.DENSE, transform=Component("hyde", {"route": "small"}))
    known.gateway.reply = lambda _request: "statutory entitlement of thirty days"
    found = retrieve(known, "how much vacation")
    assert texts(found)[0] == "statutory entitlement of thirty days"
    assert "statutory entitlement of thirty days" in known.embedder.embedded


def test_the_mean_of_vectors_has_length_one() -> None:
    """And vectors that cancel out leave the first."""
    north = vector("north")
    assert np.frombuffer(mean_direction([north, north]), "<f4") == pytest.approx(np.frombuffer(north, "<f4"))
    south = (-np.frombuffer(north, "<f4")).tobytes()
    assert mean_direction([north, south]) == north


def test_a_follow_up_is_searched_as_it_stands_alone(known: Knowledge) -> None:
    """Retrieval alone takes a conversation too."""
    known.add("parental leave in Norway")
    known.add("who pays for it department")
    turns = [Turn(role="user", content="How long is parental leave in Norway?").model_dump()]
    found = retrieve(known, "Who pays for it?", conversation=turns, strategy="lexical")
    assert found.passages[0].text == "parental leave in Norway"
    assert found.searched[0].text.startswith("Who pays for it? ")


def test_the_model_is_asked_in_the_askers_name(known: Knowledge) -> None:
    """So that its cost is theirs."""
    known.add("leave")
    release(known, transform=Component("multi_query", {"route": "small"}))
    retrieve(known, "leave")
    ((who, request),) = known.gateway.asked
    assert who == ENGINEER
    assert isinstance(request, ChatRequest)
    assert told(request)[1] == "leave"


def test_repetitions_make_room_where_the_release_wants_diversity(known: Knowledge) -> None:
    """The second copy of a text stands behind another one, and says how alike it is."""
    for text in ("days of leave", "days of leave", "days of the week"):
        known.add(text)
    tried = {"diversity": {"name": "mmr", "relevance": 0.1}}
    found = retrieve(known, "days of leave", retrieval=tried)
    assert texts(found) == ["days of leave", "days of the week", "days of leave"]
    assert found.passages[2].explain is not None
    assert found.passages[2].explain.redundancy == pytest.approx(1, abs=1e-4)


def test_a_releases_own_filter_narrows_every_question(known: Knowledge) -> None:
    """Beside the question's."""
    known.add("leave old", metadata={"year": 2020, "team": "hr"})
    known.add("leave new", metadata={"year": 2026, "team": "hr"})
    known.add("leave newer", metadata={"year": 2027, "team": "it"})
    release(known, filter={"year": {"$gte": 2025}})
    found = retrieve(known, "leave", filter={"team": "hr"})
    assert texts(found) == ["leave new"]
    assert found.narrowed_by == {"$and": [{"team": {"$eq": "hr"}}, {"year": {"$gte": 2025}}]}
    assert known.runs.get(known.tenant, RunId(found.run_id)).narrowed_by == found.narrowed_by


def test_a_setting_that_cannot_be_is_refused_and_leaves_nothing(known: Knowledge) -> None:
    """Neither a release nor a run, and the place is named."""
    with pytest.raises(InvalidRequest) as refused:
        retrieve(known, "leave", retrieval={"diversity": {"name": "mmr", "relevance": 7}})
    assert refused.value.extra["errors"][0]["loc"] == ["diversity", "relevance"]
    assert known.runs.list(known.tenant, limit=10, cursor=None) == ([], None)


def test_readers_do_not_try_out_settings(known: Knowledge) -> None:
    """They may ask under the release that an engineer's question came to."""
    known.add("leave")
    tried = {"fusion": {"name": "rrf"}}
    named = retrieve(known, "leave", retrieval=tried).release
    request = RetrieveRequest.model_validate({"question": "leave", "retrieval": tried})
    with pytest.raises(Forbidden):
        asyncio.run(known.retrieval().retrieve(reader(), request))
    again = asyncio.run(known.retrieval().retrieve(reader(), RetrieveRequest(question="leave", release=named)))
    assert again.release == named
