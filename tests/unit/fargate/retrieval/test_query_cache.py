"""Questions asked again: nothing is done twice, nothing stale or foreign is given."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from chalicelib.contracts.asking import RetrieveRequest
from chalicelib.domain.access import Principal, Tenant
from chalicelib.domain.filters import parse_filter
from chalicelib.domain.identifiers import ReleaseId, TenantId
from chalicelib.ports.models import Embeddings, Purpose
from chalicelib.ports.vectors import Hit, VectorIndexName, VectorIndexSpec, VectorQuery, VectorRecord
from fargate.adapters.sqlite_vectors import SqliteVectors
from fargate.retrieval.query_cache import QueryCache, Scope
from fargate.retrieval.service import RetrievalService
from tests.fakes.embedder import DIMENSION, BagOfWords, vector
from tests.fakes.knowledge import ACME, Knowledge, knowledge, reader

LEAVE = "Everybody has thirty days of leave each year."
SCOPE = Scope(ACME, frozenset({"hr"}), ReleaseId("rel_1"))
QUERY = VectorQuery(10, text="leave")


class CountedEmbedder(BagOfWords):
    """Remembers what it was asked to embed."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> Embeddings:
        self.asked += texts
        return await super().embed(texts, purpose)


class CountedVectors(SqliteVectors):
    """Counts its searches."""

    searches = 0

    def query(self, index: VectorIndexName, query: VectorQuery) -> Sequence[Hit]:
        self.searches += 1
        return super().query(index, query)


@pytest.fixture
def known(tmp_path: Path) -> Iterator[Knowledge]:
    with knowledge(tmp_path) as opened:
        opened.vectors.close()
        opened.vectors = CountedVectors(tmp_path / "counted")
        opened.embedder = CountedEmbedder()
        opened.vectors.create(opened.physical, VectorIndexSpec(DIMENSION))
        yield opened
        opened.vectors.close()


def searched(known: Knowledge, cache: QueryCache, query: VectorQuery = QUERY, scope: Scope = SCOPE) -> int:
    """Ask, and give how many searches that took."""
    assert isinstance(known.vectors, CountedVectors)
    before = known.vectors.searches
    assert cache.hits(scope, known.vectors, known.physical, query) == known.vectors.query(known.physical, query)
    return known.vectors.searches - before - 1


def texts(service: RetrievalService, question: str, who: Principal) -> list[str]:
    found = asyncio.run(service.retrieve(who, RetrieveRequest(question=question)))
    return [passage.text for passage in found.passages]


def test_the_same_query_is_searched_once(known: Knowledge) -> None:
    """Any other is searched for itself."""
    cache = QueryCache()
    known.add(LEAVE)
    assert [searched(known, cache) for _ in range(3)] == [1, 0, 0]
    assert searched(known, cache, VectorQuery(9, text="leave")) == 1
    assert searched(known, cache, VectorQuery(10, vector("leave"), "leave")) == 1
    assert searched(known, cache, VectorQuery(10, text="leave", filter=parse_filter({"n": 1}))) == 1
    assert searched(known, cache, VectorQuery(10, text="leave", filter=parse_filter({"n": True}))) == 1


@pytest.mark.parametrize(
    "other",
    [
        Scope(Tenant(TenantId("other")), SCOPE.groups, SCOPE.release),
        Scope(SCOPE.tenant, frozenset({"it"}), SCOPE.release),
        Scope(SCOPE.tenant, SCOPE.groups, ReleaseId("rel_2")),
    ],
    ids=["tenant", "groups", "release"],
)
def test_nothing_crosses_a_scope(known: Knowledge, other: Scope) -> None:
    """Neither hits nor vectors: who asks what others asked waits as long as they did."""
    cache = QueryCache()
    known.add(LEAVE)
    cache.keep_vector(SCOPE, "leave", b"v")
    assert (cache.vector(SCOPE, "leave"), cache.vector(other, "leave")) == (b"v", None)
    assert (searched(known, cache), searched(known, cache, scope=other)) == (1, 1)


def test_every_write_is_seen_at_once(known: Knowledge) -> None:
    """A put, a replacement and a deletion each."""
    cache = QueryCache()
    for text in ("leave", "leave leave"):
        known.vectors.put(known.physical, [VectorRecord("a", vector("leave"), text)])
        assert [searched(known, cache) for _ in range(2)] == [1, 0]
    known.vectors.delete(known.physical, ["a"])
    assert [searched(known, cache) for _ in range(2)] == [1, 0]


def test_the_questions_used_last_are_kept(known: Knowledge) -> None:
    """Room is counted in hits over all questions; what alone is too large is not kept."""
    known.add(LEAVE, "Sick leave.")
    cache = QueryCache(max_vectors=2, max_hits=7)
    first, second, third = (VectorQuery(top_k, text="leave") for top_k in (10, 11, 12))
    assert [searched(known, cache, one) for one in (first, second, first, third)] == [1, 1, 0, 1]
    assert [searched(known, cache, one) for one in (first, second)] == [0, 1]
    for question in ("a", "b", "c"):
        cache.keep_vector(SCOPE, question, question.encode())
    assert [cache.vector(SCOPE, question) for question in ("a", "b", "c")] == [None, b"b", b"c"]
    small = QueryCache(max_hits=2)
    assert [searched(known, small) for _ in range(2)] == [1, 1]


def test_a_question_asked_again_is_neither_embedded_nor_searched(known: Knowledge) -> None:
    """By the same asker; another one's is."""
    known.add(LEAVE)
    service = known.retrieval()
    for who in (reader(), reader(), reader("hr"), reader("hr")):
        assert texts(service, "leave", who) == [LEAVE]
    assert isinstance(known.embedder, CountedEmbedder)
    assert isinstance(known.vectors, CountedVectors)
    assert (known.embedder.asked, known.vectors.searches) == (["leave", "leave"], 2)


def test_what_may_no_longer_be_read_is_not_given_again(known: Knowledge) -> None:
    """The rows decide each time, though the search index was not told."""
    kept = known.add(LEAVE)
    lost = known.add("Leave for parents.", acl=["hr"])
    service = known.retrieval()
    assert set(texts(service, "leave", reader("hr"))) == {LEAVE, "Leave for parents."}
    known.change(lost, acl=("board",))
    assert texts(service, "leave", reader("hr")) == [LEAVE]
    known.change(kept, acl=("board",))
    assert texts(service, "leave", reader("hr")) == []
