"""No passage reaches anybody who may not read it now, however stale the search index is (invariant I2)."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.contracts.asking import RetrieveRequest
from chalicelib.domain.access import may_read
from chalicelib.domain.documents import DocumentStatus
from chalicelib.domain.identifiers import DocumentId, attempt_of
from chalicelib.domain.indexes import Recipe
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
