"""No passage reaches anybody who may not read it now, however stale the search index is (invariant I2)."""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.contracts.asking import RetrieveRequest, RetrieveResponse
from chalicelib.contracts.explanations import ExplanationRequest, ReturnedPassage, Subject
from chalicelib.domain.access import Principal, may_read
from chalicelib.domain.documents import DocumentStatus
from chalicelib.domain.identifiers import DocumentId, RunId, attempt_of
from chalicelib.domain.indexes import Component, Recipe
from chalicelib.domain.releases import ReleaseConfig, RetrievalSettings, Strategy
from tests.fakes.knowledge import INDEX, Knowledge, knowledge, reader

GROUPS = ["all", "hr", "it", "ops"]
WORDS = ["leave", "car", "sick", "pay"]
acls = st.lists(st.sampled_from(GROUPS), min_size=1, max_size=3, unique=True)
chunks = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join), min_size=1, max_size=3)


@dataclass(frozen=True)
class Story:
    """A document as it was indexed, and what became of it since."""

    chunks: list[str]
    acl: list[str]
    deleted: bool
    acl_now: list[str] | None
    chunks_now: list[str] | None


stories = st.builds(
    Story,
    chunks=chunks,
    acl=acls,
    deleted=st.booleans(),
    acl_now=st.none() | acls,
    chunks_now=st.none() | chunks,
)


def live_through(known: Knowledge, story: Story) -> DocumentId:
    """Index the document, then let the rest happen to its row alone."""
    document_id = known.add(*story.chunks, acl=story.acl)
    if story.chunks_now is not None:
        known.republish(document_id, *story.chunks_now)
    if story.acl_now is not None:
        known.change(document_id, acl=tuple(story.acl_now))
    if story.deleted:
        known.change(document_id, status=DocumentStatus.DELETED)
    return document_id


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    told=st.lists(stories, min_size=1, max_size=12),
    groups=st.sets(st.sampled_from(GROUPS[1:])),
    question=st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join),
    strategy=st.sampled_from(Strategy),
    candidates=st.integers(1, 5),
    top_k=st.integers(1, 8),
)
def test_only_permitted_passages_come_back_and_as_many_as_there_are(
    told: list[Story], groups: set[str], question: str, strategy: Strategy, candidates: int, top_k: int
) -> None:
    """Both access lists must let the reader in: the index's, and the row's as it stands now."""
    who = reader(*groups)
    with tempfile.TemporaryDirectory() as folder, knowledge(Path(folder)) as known:
        known.release(ReleaseConfig(INDEX, 1, Recipe(), RetrievalSettings(strategy, candidates=candidates)))
        written = {live_through(known, story): story for story in told}
        request = RetrieveRequest(question=question, top_k=top_k)
        found = asyncio.run(known.retrieval().retrieve(who, request)).passages
        findable = 0
        for document_id, story in written.items():
            row = known.documents.get(known.tenant, document_id)
            assert row.published is not None
            readable = not story.deleted and may_read(who, row.acl)
            for passage in (one for one in found if one.document_id == document_id):
                assert readable
                assert attempt_of(passage.chunk_id) == row.published.attempt
            if readable and may_read(who, story.acl):
                current = story.chunks_now or story.chunks
                matching = [text for text in current if set(text.split()) & set(question.split())]
                findable += len(matching if strategy is Strategy.LEXICAL else current)
        assert len(found) == min(top_k, findable)
        order = [(-passage.score, passage.chunk_id) for passage in found]
        assert order == sorted(order)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    told=st.lists(stories, min_size=1, max_size=8),
    groups=st.sets(st.sampled_from(GROUPS[1:])),
    question=st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join),
    strategy=st.sampled_from(Strategy),
    expansion=st.sampled_from(["none", "neighbours"]),
    diversity=st.sampled_from(["none", "mmr"]),
    candidates=st.integers(1, 5),
    top_k=st.integers(1, 4),
)
def test_nothing_tells_of_what_may_not_be_read(
    told: list[Story],
    groups: set[str],
    question: str,
    strategy: Strategy,
    expansion: str,
    diversity: str,
    candidates: int,
    top_k: int,
) -> None:
    """
    Passages, texts, ranks, scores and every other reason, the stored run, and what is said of each chunk that was not
    returned: all is as if nothing else had ever been stored.
    """
    who = reader(*groups)
    settings = RetrievalSettings(
        strategy, candidates=candidates, expansion=Component(expansion), diversity=Component(diversity)
    )
    whole = [story for story in told if may_read(who, story.acl)]
    with_all = _all_that_is_told(who, told, settings, question, top_k)
    alone = _all_that_is_told(who, whole, settings, question, top_k)
    assert with_all == alone


def _all_that_is_told(
    who: Principal, told: list[Story], settings: RetrievalSettings, question: str, top_k: int
) -> list[object]:
    """Give all that *who* can learn of *told*, where no list has changed since, with documents named by their order."""
    with tempfile.TemporaryDirectory() as folder, knowledge(Path(folder)) as known:
        known.release(ReleaseConfig(INDEX, 1, Recipe(), settings))
        written = {known.add(*story.chunks, acl=story.acl): story for story in told}
        names = {one: f"<{place}>" for place, one in enumerate(_readable(who, written))}
        service = known.retrieval()
        found = asyncio.run(service.retrieve(who, RetrieveRequest(question=question, top_k=top_k, explain=True)))
        run = known.runs.get(known.tenant, RunId(found.run_id))
        explained = [
            asyncio.run(service.explain(who, _about(found, question, top_k, document_id, known.clock.now())))
            for document_id in names
        ]
        seen: list[object] = [_named(one.model_dump(), names) for one in [*found.passages, *explained]]
        return [*seen, [one.reasons for one in run.passages], found.searched, found.degraded]


def _readable(who: Principal, written: Mapping[DocumentId, Story]) -> list[DocumentId]:
    return [document_id for document_id, story in written.items() if may_read(who, story.acl)]


def _about(
    found: RetrieveResponse, question: str, top_k: int, document_id: DocumentId, at: datetime
) -> ExplanationRequest:
    return ExplanationRequest(
        run_id="run_1",
        subject=Subject(document_id=document_id),
        release=found.release,
        question=question,
        top_k=top_k,
        returned=[ReturnedPassage.model_validate(one, from_attributes=True) for one in found.passages],
        asked_at=at,
    )


def _named(view: dict[str, Any], names: Mapping[DocumentId, str]) -> dict[str, Any]:
    """Give *view* with the names that differ from store to store taken out; chunks keep their place."""
    told = json.dumps(view, default=str)
    for document_id, name in names.items():
        told = told.replace(document_id, name)
    told = re.sub(r"chk_\w+?_(\d{5})", r"chk_\1", told)
    return dict(json.loads(re.sub(r"document \d+", "document", told)))
