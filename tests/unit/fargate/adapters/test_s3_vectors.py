"""What is particular to S3 Vectors: names, terms, filters, depth of the legs, pages, pace and old indexes."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.filters import And, Exists, NoneOf, OneOf, Or, matches, parse_filter, readable_by
from chalicelib.errors import InvalidRequest, Misconfigured
from chalicelib.ports.vectors import MAX_TOP_K, VectorIndexName, VectorIndexSpec, VectorQuery, VectorRecord
from fargate.adapters.lexical_analysis import Analysers
from fargate.adapters.s3_vectors import S3Vectors
from fargate.adapters.s3_vectors_entries import in_parts
from fargate.adapters.s3_vectors_filters import service_filter
from fargate.adapters.s3_vectors_names import index_name, service_name, service_prefixes
from fargate.adapters.s3_vectors_search import RRF_CONSTANT, searches
from fargate.adapters.s3_vectors_texts import MAX_QUERY_CHARACTERS, matched, question, searchable, terms_of, text_of
from fargate.adapters.write_pace import SHARE, WritePace
from tests.fakes.clock import HandClock
from tests.fakes.filters import METADATA, RAW_FILTERS
from tests.fakes.s3_vectors_filters import check_filter, passes
from tests.fakes.s3_vectors_rules import NAME_PATTERN
from tests.fakes.s3_vectors_server import S3VectorsServer, s3_vectors_server

INDEX = VectorIndexName("acme.handbook.g1")
SPEC = VectorIndexSpec(2)
EAST = struct.pack("<2f", 1, 0)
PROPERTY = settings(max_examples=60, deadline=None, derandomize=True, database=None)
ANALYSERS = Analysers()
_numbers = count(1)


def pack(*values: float) -> bytes:
    """Pack a vector."""
    return struct.pack(f"<{len(values)}f", *values)


@pytest.fixture(scope="module")
def clock() -> HandClock:
    """Give the clock that the server and the adapter share."""
    return HandClock()


@pytest.fixture(scope="module")
def server(clock: HandClock) -> Iterator[S3VectorsServer]:
    """Serve S3 Vectors, with its limits of writes a second."""
    with s3_vectors_server(clock) as running:
        yield running


@pytest.fixture
def bucket(server: S3VectorsServer) -> Iterator[str]:
    """Make a vector bucket of its own."""
    name = f"bucket-{next(_numbers)}"
    server.client.create_vector_bucket(vectorBucketName=name)
    yield name
    del server.account.buckets[name]


@pytest.fixture
def store(server: S3VectorsServer, bucket: str, clock: HandClock) -> S3Vectors:
    """Give a store with an empty index; waiting takes no time but the clock's."""
    made = S3Vectors(server.client, bucket, clock, sleep=clock.advance)
    made.create(INDEX, SPEC)
    return made


# --- names


@given(st.text(min_size=1, max_size=9))
@PROPERTY
def test_every_name_has_a_name_of_its_own_that_the_service_takes(name: str) -> None:
    """And leads back; what the platform makes stays as it is."""
    made = service_name(name)
    assert re.fullmatch(NAME_PATTERN, made)
    assert index_name(made) == name
    for cut in range(len(name) + 1):
        assert any(made.startswith(prefix) for prefix in service_prefixes(name[:cut]))
    assert service_name("acme.handbook.g12") == "acme.handbook.g12"
    assert service_prefixes("acme.handbook.g") == ["acme.handbook.g"]


def test_a_name_that_looks_like_an_escaped_one_is_escaped() -> None:
    """So that no two meet; one too long for that is refused."""
    escaped = service_name("c%_")
    assert service_name(escaped) != escaped
    assert index_name(service_name(escaped)) == escaped
    with pytest.raises(InvalidRequest, match="3 to 63"):
        service_name("Ä" * 20)


# --- texts


@given(st.text(max_size=40), st.sampled_from([None, "de", "ar", "x y"]))
@PROPERTY
def test_a_stored_text_is_taken_apart_again(text: str, language: str | None) -> None:
    """Text and language come back as they were, whatever lines the text has."""
    stored = searchable(text, language, ANALYSERS.of("en"))
    assert text_of(stored) == (text, language)


@pytest.mark.parametrize(
    ("language", "text", "asked"),
    [("ar", "الكِتَابُ في المكتبة", "كتاب"), ("ru", "политики компании", "политика"), ("th", "การลาพักร้อน", "พักร้อน")],
)
def test_languages_that_the_service_has_no_analyser_for_are_searched(language: str, text: str, asked: str) -> None:
    """Each text by its own terms, which no analyser changes; the asker's words are told back."""
    held = terms_of(searchable(text, language, ANALYSERS.of(language)))
    terms = ANALYSERS.query_terms(asked, {language}, "en")
    assert all(term.isascii() and term.isalnum() and len(term) == 7 for term in held)
    assert set(question(terms).split()) & held
    assert matched(terms, held)


def test_a_long_question_is_cut_between_terms_and_every_word_comes_before_second_forms() -> None:
    """The service takes 1,024 characters."""
    words = " ".join(f"policies{number}" for number in range(100))
    terms = ANALYSERS.query_terms(words, {"en", "fr", "de"}, "en")
    asked = question(terms)
    assert len(asked) <= MAX_QUERY_CHARACTERS
    assert {len(term) for term in asked.split()} == {7}
    assert len(matched(terms, frozenset(asked.split()))) == 100


# --- filters


@given(RAW_FILTERS, METADATA)
@PROPERTY
def test_a_filter_means_to_the_service_what_it_means_here(raw: dict[str, object], metadata: dict[str, object]) -> None:
    """Though the server of the tests reads what AWS does not say about missing keys the other way."""
    wanted = parse_filter(raw)  # type: ignore[arg-type]
    sent = service_filter(wanted)
    assert isinstance(sent, dict)
    check_filter(sent, enhanced=True, non_filterable=["_text"])
    assert passes(sent, metadata) is matches(wanted, metadata)  # type: ignore[arg-type]


def test_empty_lists_of_values_are_worked_out() -> None:
    """The service takes none: who is in no group finds nothing."""
    anything, hr = NoneOf("team", ()), OneOf("team", ("hr",))
    assert service_filter(readable_by([]), hr) is False
    assert service_filter(anything, None) is True
    assert service_filter(And((anything, hr))) == service_filter(hr) == {"team": {"$eq": "hr"}}
    assert service_filter(Or((hr, anything))) is True
    assert service_filter(Or((OneOf("team", ()), hr))) == {"team": {"$eq": "hr"}}
    assert service_filter(Or((OneOf("team", ()), OneOf("year", ())))) is False


def test_more_constraints_than_the_service_takes_are_refused_here() -> None:
    """With the remedy."""
    with pytest.raises(InvalidRequest, match=r"101 .*\$in"):
        service_filter(*[Exists(f"k{number}", present=True) for number in range(101)])


def test_nobody_searches_for_what_cannot_be(store: S3Vectors, server: S3VectorsServer) -> None:
    """No request is made."""
    server.carried.clear()
    assert store.query(INDEX, VectorQuery(5, EAST, within=readable_by([]))) == []
    assert "QueryVectors" not in server.carried


# --- legs


@given(st.lists(st.integers(0, 400), unique=True), st.lists(st.integers(0, 400), unique=True), st.integers(1, 40))
@PROPERTY
def test_one_search_for_both_legs_is_deep_enough(dense: list[int], lexical: list[int], top_k: int) -> None:
    """Of the fused list, as far as it is asked for, nothing is missing that is among the best of a leg."""
    asked = searches(VectorQuery(top_k, EAST, "leave"), ANALYSERS.query_terms("leave", {"en"}, "en"))
    (depth,) = [search["topK"] for search in asked]
    scores: dict[int, float] = {}
    for ranking in (dense[:depth], lexical[:depth]):
        for rank, key in enumerate(ranking, 1):
            scores[key] = scores.get(key, 0.0) + 1 / (RRF_CONSTANT + rank)
    told = set(sorted(scores, key=lambda key: (-scores[key], key))[:depth])
    assert {*dense[:top_k], *lexical[:top_k]} <= told


def test_legs_too_deep_for_one_search_are_searched_one_by_one(store: S3Vectors, server: S3VectorsServer) -> None:
    """As explanations do; the hits are the same."""
    records = [VectorRecord(f"k{n}", pack(1, n), "leave " * (n + 1)) for n in range(9)]
    store.put(INDEX, records)
    server.carried.clear()
    deep = store.query(INDEX, VectorQuery(MAX_TOP_K, EAST, "leave"))
    assert server.carried.count("QueryVectors") == 2
    assert sorted(deep) == sorted(store.query(INDEX, VectorQuery(20, EAST, "leave")))


def test_pages_of_results_are_read_to_the_end(store: S3Vectors, server: S3VectorsServer) -> None:
    """The service gives them in pages; the ranks go on from one to the next."""
    store.put(INDEX, [VectorRecord(f"k{n:03}", pack(1, n / 100), "") for n in range(250)])
    server.carried.clear()
    hits = {hit.dense_rank: hit for hit in store.query(INDEX, VectorQuery(230, EAST))}
    assert server.carried.count("QueryVectors") == 3
    assert [hits[rank].key for rank in range(1, 231)] == [f"k{n:03}" for n in range(230)]
    assert [hit.similarity for _, hit in sorted(hits.items())][99] == pytest.approx(1 / math.hypot(1, 0.99), abs=1e-6)


def test_hits_that_no_leg_scored_are_told_from_those_without_a_term(store: S3Vectors) -> None:
    """0 where no term matches, None where the service did not say."""
    store.put(INDEX, [VectorRecord("with", EAST, "leave"), VectorRecord("without", EAST, "policy")])
    hits = {hit.key: hit for hit in store.query(INDEX, VectorQuery(5, EAST, "leave"))}
    assert (hits["without"].lexical_score, hits["without"].lexical_rank) == (0.0, None)
    assert hits["with"].lexical_rank == 1


# --- languages


def test_another_process_learns_of_a_new_language_within_half_a_minute(
    store: S3Vectors, server: S3VectorsServer, bucket: str, clock: HandClock
) -> None:
    """A word that both languages have in one form is found at once."""
    elsewhere = S3Vectors(server.client, bucket, clock, sleep=clock.advance)
    assert not elsewhere.query(INDEX, VectorQuery(5, text="Hauses"))
    store.put(INDEX, [VectorRecord("a", EAST, "Die Häuser der Straße, Aurora", language="de")])
    assert [hit.key for hit in elsewhere.query(INDEX, VectorQuery(5, text="Aurora"))] == ["a"]
    clock.advance(30)
    assert [hit.key for hit in elsewhere.query(INDEX, VectorQuery(5, text="Hauses"))] == ["a"]


def test_an_index_made_again_elsewhere_is_not_taken_for_the_old_one(
    store: S3Vectors, server: S3VectorsServer, bucket: str, clock: HandClock
) -> None:
    """Its dimension and its language are read again."""
    store.put(INDEX, [VectorRecord("a", EAST, "leave")])
    elsewhere = S3Vectors(server.client, bucket, clock, sleep=clock.advance)
    elsewhere.drop(INDEX)
    elsewhere.create(INDEX, VectorIndexSpec(3, "de"))
    store.put(INDEX, [VectorRecord("b", pack(1, 0, 0), "Die Häuser")])
    assert [hit.key for hit in elsewhere.query(INDEX, VectorQuery(5, pack(1, 0, 0), "Hauses"))] == ["b"]


# --- indexes


def test_an_index_in_an_old_bucket_is_made_enhanced(server: S3VectorsServer, clock: HandClock, bucket: str) -> None:
    """Such buckets make CLASSIC ones, which filter after searching and know no texts."""
    server.client.put_vector_bucket_default_index_mode(vectorBucketName=bucket, defaultIndexMode="CLASSIC")
    store = S3Vectors(server.client, bucket, clock)
    store.create(INDEX, SPEC)
    assert server.client.get_index(vectorBucketName=bucket, indexName=INDEX.name)["index"]["indexMode"] == "ENHANCED"
    server.client.update_index_mode(vectorBucketName=bucket, indexName=INDEX.name, indexMode="CLASSIC")
    store.create(INDEX, SPEC)
    assert server.client.get_index(vectorBucketName=bucket, indexName=INDEX.name)["index"]["indexMode"] == "ENHANCED"


def test_an_index_without_texts_is_searched_by_vectors_alone(
    server: S3VectorsServer, clock: HandClock, bucket: str
) -> None:
    """As one that an older boto3 made; a question by words alone says what is wrong."""
    server.client.create_index(
        vectorBucketName=bucket, indexName=INDEX.name, dataType="float32", dimension=2, distanceMetric="cosine"
    )
    store = S3Vectors(server.client, bucket, clock)
    server.client.put_vectors(
        vectorBucketName=bucket, indexName=INDEX.name, vectors=[{"key": "a", "data": {"float32": [1, 0]}}]
    )
    (hit,) = store.query(INDEX, VectorQuery(5, EAST, "leave"))
    assert (hit.key, hit.dense_rank, hit.lexical_score) == ("a", 1, None)
    with pytest.raises(Misconfigured, match="words"):
        store.query(INDEX, VectorQuery(5, text="leave"))


class OlderClient:
    """A client of a boto3 whose service model knows no text queries yet."""

    def __init__(self, client: Any) -> None:
        self._client = client
        shape = SimpleNamespace(input_shape=SimpleNamespace(members={"queryVector": None}))
        self.meta = SimpleNamespace(service_model=SimpleNamespace(operation_model=lambda _: shape))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def test_an_older_boto3_searches_by_vectors_alone_and_says_so(
    server: S3VectorsServer, clock: HandClock, bucket: str
) -> None:
    """Its indexes have no texts; what a newer one finds of them is the same."""
    older = S3Vectors(OlderClient(server.client), bucket, clock)
    older.create(INDEX, SPEC)
    older.put(INDEX, [VectorRecord("a", EAST, "leave")])
    assert (older.capabilities.native_hybrid, older.capabilities.lexical) == (False, False)
    for store in (older, S3Vectors(server.client, bucket, clock)):
        (hit,) = store.query(INDEX, VectorQuery(5, EAST, "leave"))
        assert (hit.key, hit.dense_rank, hit.lexical_rank, hit.lexical_score) == ("a", 1, None, None)
        with pytest.raises(Misconfigured, match="words"):
            store.query(INDEX, VectorQuery(5, text="leave"))


def test_more_indexes_than_a_page_are_listed(store: S3Vectors, server: S3VectorsServer, bucket: str) -> None:
    """Whatever their names."""
    made = server.account.buckets[bucket].indexes
    for number in range(501):
        name = f"acme.b{number:03}.g1"
        made[name] = replace(made[INDEX.name], name=name)
    assert len(store.indexes("acme.b")) == 501
    assert len(store.indexes()) == 502


# --- writes


def test_writers_wait_before_the_service_throttles_them(
    store: S3Vectors, server: S3VectorsServer, clock: HandClock
) -> None:
    """At most 2,500 vectors a second; the server refuses more, and nothing is sent twice."""
    before = clock.monotonic()
    server.carried.clear()
    for start in range(0, 4_000, 500):
        store.put(INDEX, [VectorRecord(f"k{n}", EAST, "") for n in range(start, start + 500)])
    assert server.carried.count("PutVectors") == 8
    assert clock.monotonic() - before == pytest.approx(3_500 / 2_500 / SHARE)


def test_small_writes_are_counted_too() -> None:
    """At most 1,000 a second, for each index by itself; waiting is done beside, not under the lock."""
    clock = HandClock()
    pace = WritePace(clock, clock.advance)
    sent = []
    for _ in range(3_000):
        pace.wait("one", 1)
        sent.append(clock.monotonic())
    assert all(later - earlier > 1 for earlier, later in zip(sent, sent[1_000:], strict=False))
    before = clock.monotonic()
    pace.wait("another", 500)
    assert clock.monotonic() == before


@given(st.lists(st.text(max_size=30), max_size=12), st.integers(300, 3_000))
@PROPERTY
def test_a_put_larger_than_a_request_is_sent_in_parts(texts: list[str], bound: int) -> None:
    """In order, none larger than the bound as boto3 writes it, but for one entry alone."""
    entries = [
        {"key": text[:3], "data": {"float32": [-0.12345678901234567e-20] * 9}, "metadata": {"_text": text}}
        for text in texts
    ]
    parts = list(in_parts(entries, bound))
    assert [one for part in parts for one in part] == entries
    assert all(len(part) == 1 or len(json.dumps(part)) <= bound for part in parts)


def test_a_text_too_long_for_the_service_is_refused_whole(store: S3Vectors) -> None:
    """With its size and the remedy; nothing of the batch is written."""
    with pytest.raises(InvalidRequest, match=r"'long' comes to .* smaller chunks"):
        store.put(INDEX, [VectorRecord("a", EAST, ""), VectorRecord("long", EAST, "word " * 9_000)])
    assert store.list(INDEX) == ([], None)
