"""What every `VectorIndex` must do; a new adapter is a subclass with two fixtures."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.domain.documents import Metadata
from chalicelib.domain.filters import matches, parse_filter
from chalicelib.errors import Conflict, InvalidRequest, NotFound
from chalicelib.ports.vectors import (
    MAX_DELETE,
    MAX_DIMENSION,
    MAX_GET,
    MAX_LIST,
    MAX_PUT,
    MAX_TEXT_QUERY_CHARACTERS,
    MAX_TOP_K,
    Hit,
    VectorIndex,
    VectorIndexName,
    VectorIndexSpec,
    VectorQuery,
    VectorRecord,
)
from tests.fakes.filters import METADATA, RAW_FILTERS

INDEX = VectorIndexName("ten-1--handbook--1")
SPEC = VectorIndexSpec(dimension=3)
HR: Metadata = {"team": "hr"}
IT: Metadata = {"team": "it"}
ONLY_HR = parse_filter({"team": "hr"})
# One suite serves several adapters, and each example takes an index of its own.
PROPERTY = settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
VECTORS = st.tuples(*[st.sampled_from([-2.0, -1.0, 0.0, 0.5, 1.0])] * 3).filter(any)
TEXTS = st.lists(st.sampled_from(["amber", "birch", "cedar", "delta"]), max_size=6).map(" ".join)
ENTRIES = st.lists(st.tuples(VECTORS, TEXTS, METADATA), max_size=12)
_numbers = count()


def pack(*values: float) -> bytes:
    """Pack a vector."""
    return struct.pack(f"<{len(values)}f", *values)


def record(
    key: str,
    vector: Sequence[float] = (1, 0, 0),
    text: str = "",
    metadata: Metadata | None = None,
    language: str | None = None,
) -> VectorRecord:
    """Give a record."""
    return VectorRecord(key, pack(*vector), text, metadata or {}, language)


def keys(hits: Sequence[Hit]) -> set[str]:
    """Give the keys of *hits*."""
    return {hit.key for hit in hits}


def by_rank(hits: Sequence[Hit], leg: str) -> list[str]:
    """Give the keys that *leg* (``dense`` or ``lexical``) brought, best first; its ranks must be 1, 2, 3, …."""
    ranked = {getattr(hit, f"{leg}_rank"): hit.key for hit in hits if getattr(hit, f"{leg}_rank") is not None}
    assert sorted(ranked) == list(range(1, len(ranked) + 1))
    return [ranked[rank] for rank in sorted(ranked)]


class VectorsContract:
    """The suite: `vectors` is an empty store, `elsewhere` another process's view of the same one."""

    @pytest.fixture
    def index(self, vectors: VectorIndex) -> VectorIndexName:
        """Give an empty index of three dimensions, in English."""
        vectors.create(INDEX, SPEC)
        return INDEX

    # --- indexes

    def test_creating_again_with_the_same_spec_changes_nothing(self, vectors: VectorIndex) -> None:
        """Making an index is safe to repeat."""
        vectors.create(INDEX, SPEC)
        vectors.put(INDEX, [record("a")])
        vectors.create(INDEX, SPEC)
        assert [found.key for found in vectors.get(INDEX, ["a"])] == ["a"]

    @pytest.mark.parametrize("other", [VectorIndexSpec(4), VectorIndexSpec(3, "de")])
    def test_creating_again_with_another_spec_conflicts(self, vectors: VectorIndex, other: VectorIndexSpec) -> None:
        """Neither dimension nor language can change."""
        vectors.create(INDEX, SPEC)
        with pytest.raises(Conflict):
            vectors.create(INDEX, other)

    @pytest.mark.parametrize("dimension", [0, -1, MAX_DIMENSION + 1])
    def test_a_dimension_out_of_bounds_is_refused(self, vectors: VectorIndex, dimension: int) -> None:
        """As S3 Vectors does."""
        with pytest.raises(InvalidRequest, match=str(MAX_DIMENSION)):
            vectors.create(INDEX, VectorIndexSpec(dimension))

    def test_dropping_removes_everything(self, vectors: VectorIndex, index: VectorIndexName) -> None:
        """An index made again under the same name is empty, whatever its spec; dropping twice succeeds."""
        vectors.put(index, [record("a", text="leave")])
        vectors.drop(index)
        vectors.drop(index)
        vectors.create(index, VectorIndexSpec(2, "de"))
        assert vectors.list(index) == ([], None)
        assert not vectors.query(index, VectorQuery(10, pack(1, 0), "leave"))

    def test_indexes_are_listed_by_name_and_prefix(self, vectors: VectorIndex) -> None:
        """Every index whose name begins with the prefix, in order."""
        for name in ("b-2", "a-1", "b-1", "c%_"):
            vectors.create(VectorIndexName(name), SPEC)
        assert [index.name for index in vectors.indexes()] == ["a-1", "b-1", "b-2", "c%_"]
        assert [index.name for index in vectors.indexes("b-")] == ["b-1", "b-2"]
        assert [index.name for index in vectors.indexes("c%_")] == ["c%_"]
        assert not vectors.indexes("%")

    def test_an_index_that_does_not_exist_is_not_found(self, vectors: VectorIndex) -> None:
        """Every call says so, but for create and drop."""
        with pytest.raises(NotFound, match="handbook"):
            vectors.put(INDEX, [record("a")])
        with pytest.raises(NotFound):
            vectors.get(INDEX, ["a"])
        with pytest.raises(NotFound):
            vectors.delete(INDEX, ["a"])
        with pytest.raises(NotFound):
            vectors.list(INDEX)
        with pytest.raises(NotFound):
            vectors.version(INDEX)
        with pytest.raises(NotFound):
            vectors.query(INDEX, VectorQuery(1, text="leave"))

    def test_indexes_do_not_see_each_other(self, vectors: VectorIndex, index: VectorIndexName) -> None:
        """The isolation of tenants rests on it."""
        other = VectorIndexName("ten-2--handbook--1")
        vectors.create(other, SPEC)
        vectors.put(other, [record("theirs", text="leave")])
        assert not vectors.query(index, VectorQuery(10, pack(1, 0, 0), "leave"))
        assert not vectors.get(index, ["theirs"])

    # --- put, get, delete, list

    def test_get_gives_what_was_put_by_key(self, vectors: VectorIndex, index: VectorIndexName) -> None:
        """Bytes, text, metadata and language come back as they went in; keys that do not exist are left out."""
        metadata: Metadata = {"s": "日本", "i": 2**53 - 1, "f": 0.1, "b": True, "l": ["x", ""], "_acl": ["all"]}
        records = [
            record("b", (0.1, -2e-30, 3e30), "Text\x00 mit 日本", metadata),
            record("Ä a", text="", language="de"),
        ]
        vectors.put(index, records)
        assert list(vectors.get(index, ["Ä a", "missing", "b"])) == records

    def test_put_replaces_the_record_of_the_same_key(self, vectors: VectorIndex, index: VectorIndexName) -> None:
        """In every leg and in its metadata."""
        vectors.put(index, [record("a", (1, 0, 0), "amber", HR)])
        vectors.put(index, [record("a", (0, 1, 0), "birch", IT)])
        assert not vectors.query(index, VectorQuery(10, text="amber"))
        assert not vectors.query(index, VectorQuery(10, pack(1, 0, 0), filter=ONLY_HR))
        (hit,) = vectors.query(index, VectorQuery(10, pack(0, 1, 0), "birch"))
        assert hit.metadata == IT
        assert hit.similarity == pytest.approx(1)

    @pytest.mark.parametrize(
        "bad",
        [
            record("bad", (1, 0)),
            record("bad", (1, 0, 0, 0)),
            VectorRecord("bad", b"\x00" * 11, ""),
            record("bad", (math.nan, 0, 0)),
            record("bad", (math.inf, 0, 0)),
            record("bad", (0, -0.0, 0)),
            record("bad", metadata={"large": "x" * 3_000}),
            record("bad", metadata={"a": [1]}),  # type: ignore[list-item]
            record("bad", text="\ud800"),
            record(""),
            record("k" * 1_025),
            record("good"),
        ],
    )
    def test_a_put_with_one_bad_record_writes_none(
        self, vectors: VectorIndex, index: VectorIndexName, bad: VectorRecord
    ) -> None:
        """All or none; a key that comes twice is bad too."""
        with pytest.raises(InvalidRequest):
            vectors.put(index, [record("good"), bad])
        assert vectors.list(index) == ([], None)

    def test_batches_are_bounded(self, vectors: VectorIndex, index: VectorIndexName) -> None:
        """As S3 Vectors bounds them."""
        names = [f"k{number:04d}" for number in range(MAX_PUT + 1)]
        vectors.put(index, [record(name) for name in names[:MAX_PUT]])
        with pytest.raises(InvalidRequest, match=str(MAX_PUT)):
            vectors.put(index, [record(name) for name in names])
        assert len(vectors.get(index, names[:MAX_GET])) == MAX_GET
        with pytest.raises(InvalidRequest, match=str(MAX_GET)):
            vectors.get(index, names[: MAX_GET + 1])
        with pytest.raises(InvalidRequest, match=str(MAX_DELETE)):
            vectors.delete(index, names)
        vectors.delete(index, names[:MAX_DELETE])
        assert vectors.list(index) == ([], None)

    def test_what_is_deleted_is_gone(self, vectors: VectorIndex, index: VectorIndexName) -> None:
        """From get, list and both legs at once; deleting it again, or nothing, succeeds."""
        vectors.put(index, [record("a", text="leave"), record("b", text="leave")])
        vectors.delete(index, ["a", "missing"])
        vectors.delete(index, ["a"])
        vectors.delete(index, [])
        assert keys(vectors.query(index, VectorQuery(10, pack(1, 0, 0), "leave"))) == {"b"}
        assert vectors.list(index) == (["b"], None)
        assert not vectors.get(index, ["a"])

    def test_list_gives_every_key_once_in_order(self, vectors: VectorIndex, index: VectorIndexName) -> None:
        """Page by page, the last without a cursor."""
        names = ["B", "a", "a b", "ab", "ä", "日"]
        vectors.put(index, [record(name) for name in reversed(names)])
        pages, cursor = [], None
        while True:
            page, cursor = vectors.list(index, limit=4, cursor=cursor)
            pages.append(list(page))
            if cursor is None:
                break
        assert [len(page) for page in pages] == [4, 2]
        assert sorted([*pages[0], *pages[1]]) == names
        whole, cursor = vectors.list(index, limit=6)
        assert (sorted(whole), cursor) == (names, None)
        if vectors.capabilities.ordered:
            assert (pages, whole) == ([names[:4], names[4:]], names)

    @pytest.mark.parametrize("limit", [0, MAX_LIST + 1])
    def test_a_page_out_of_bounds_is_refused(self, vectors: VectorIndex, index: VectorIndexName, limit: int) -> None:
        """1 to `MAX_LIST`."""
        with pytest.raises(InvalidRequest, match=str(MAX_LIST)):
            vectors.list(index, limit=limit)

    # --- query

    @pytest.mark.parametrize(
        "query",
        [
            VectorQuery(10),
            VectorQuery(0, text="x"),
            VectorQuery(MAX_TOP_K + 1, text="x"),
            VectorQuery(10, pack(1, 0)),
            VectorQuery(10, pack(0, 0, 0)),
            VectorQuery(10, pack(math.nan, 0, 0)),
            VectorQuery(10, text="x" * (MAX_TEXT_QUERY_CHARACTERS + 1)),
        ],
    )
    def test_a_query_out_of_bounds_is_refused(
        self, vectors: VectorIndex, index: VectorIndexName, query: VectorQuery
    ) -> None:
        """Nothing to look for, too much, or no direction."""
        with pytest.raises(InvalidRequest):
            vectors.query(index, query)

    def test_an_empty_index_brings_nothing(self, vectors: VectorIndex, index: VectorIndexName) -> None:
        """Nor is it an error."""
        assert not vectors.query(index, VectorQuery(10, pack(1, 0, 0), "leave", ONLY_HR))

    def test_the_dense_leg_ranks_by_cosine(self, vectors: VectorIndex, index: VectorIndexName) -> None:
        """Length does not matter; the lexical fields stay empty when no text was given."""
        vectors.put(index, [record("near", (9, 9, 0)), record("far", (-1, 0, 0)), record("same", (0.1, 0, 0))])
        hits = vectors.query(index, VectorQuery(10, pack(2, 0, 0)))
        assert by_rank(hits, "dense") == ["same", "near", "far"]
        scores = {hit.key: hit.similarity for hit in hits}
        assert scores == pytest.approx({"same": 1.0, "near": math.sqrt(0.5), "far": -1.0}, abs=1e-6)
        assert all(hit.lexical_rank is None and hit.lexical_score is None and not hit.matched_terms for hit in hits)

    def test_the_lexical_leg_brings_only_what_matches(self, vectors: VectorIndex, index: VectorIndexName) -> None:
        """Rarer words weigh more; stems match; the dense fields stay empty when no vector was given."""
        texts = {"a": "annual leave policy", "b": "policy", "c": "policies, policies", "d": "cats"}
        vectors.put(index, [record(key, text=text) for key, text in texts.items()])
        hits = vectors.query(index, VectorQuery(10, text="The Policy of leaving"))
        ranking = by_rank(hits, "lexical")
        assert set(ranking) == {"a", "b", "c"}
        assert ranking[0] == "a"
        assert all(hit.dense_rank is None and hit.similarity is None for hit in hits)
        assert all(hit.lexical_score is not None and hit.lexical_score > 0 for hit in hits)

    def test_matched_terms_are_the_askers_words(self, vectors: VectorIndex, index: VectorIndexName) -> None:
        """As they stood in the question, each once, only those that the entry holds."""
        vectors.put(index, [record("a", text="leave policies"), record("b", text="leave")])
        hits = vectors.query(index, VectorQuery(10, text="What POLICY for leave, policy?"))
        assert {hit.key: list(hit.matched_terms) for hit in hits} == {"a": ["POLICY", "leave"], "b": ["leave"]}

    def test_both_legs_give_a_union_with_each_legs_ranks(self, vectors: VectorIndex, index: VectorIndexName) -> None:
        """Each key once; *top_k* bounds each leg by itself; a store may score what a leg did not bring."""
        vectors.put(index, [record("v", (1, 0, 0), "other"), record("t", (0, 1, 0), "leave"), record("n", (0, 0, 1))])
        hits = {hit.key: hit for hit in vectors.query(index, VectorQuery(1, pack(1, 0.5, 0), "leave"))}
        assert set(hits) == {"v", "t"}
        assert (hits["v"].dense_rank, hits["v"].lexical_rank) == (1, None)
        assert (hits["t"].dense_rank, hits["t"].lexical_rank) == (None, 1)
        assert hits["v"].lexical_score in (None, 0)
        assert hits["t"].similarity is None or hits["t"].similarity == pytest.approx(0.5 / math.sqrt(1.25), abs=1e-6)

    def test_equal_scores_rank_by_key(self, vectors: VectorIndex, index: VectorIndexName) -> None:
        """In both legs, and at the cut."""
        names = [f"k{number:02d}" for number in range(40)]
        for name in reversed(names):
            vectors.put(index, [record(name, (0.3, 0.7, 0.1), "annual leave")])
        hits = vectors.query(index, VectorQuery(7, pack(0.2, 0.5, 0.9), "leave"))
        assert by_rank(hits, "dense") == by_rank(hits, "lexical") == names[:7]

    def test_the_filter_comes_before_ranking(self, vectors: VectorIndex, index: VectorIndexName) -> None:
        """The best permitted entries are found however many better ones are not permitted."""
        vectors.put(index, [record(f"it{n}", (1, 0, 0), "leave leave", IT) for n in range(50)])
        vectors.put(index, [record("hr", (0, 1, 0), "annual leave and more", HR)])
        hits = vectors.query(index, VectorQuery(1, pack(1, 0, 0), "leave", ONLY_HR))
        assert (by_rank(hits, "dense"), by_rank(hits, "lexical")) == (["hr"], ["hr"])
        assert not vectors.query(index, VectorQuery(1, pack(1, 0, 0), "leave", parse_filter({"team": "law"})))

    def test_no_score_or_rank_tells_of_what_the_asker_may_not_know_of(
        self, vectors: VectorIndex, index: VectorIndexName
    ) -> None:
        """Rare words that others hold, longer texts and nearer vectors change nothing, to the last digit."""
        vectors.put(index, [record(f"hr{n}", (1, n, 0), "amber birch " * (n + 1), HR) for n in range(4)])
        query = VectorQuery(10, pack(1, 0, 0), "amber cedar birch delta", within=ONLY_HR)
        before = vectors.query(index, query)
        vectors.put(index, [record(f"it{n}", (1, 0, 0.1), "amber " + "cedar " * n, IT) for n in range(9)])
        after = {hit.key: hit for hit in vectors.query(index, query)}
        if vectors.capabilities.own_statistics:
            assert [(one.key, one.similarity) for one in before] == [
                (one.key, one.similarity) for one in after.values()
            ]
        else:
            assert {hit.key: hit for hit in before} == after

    def test_a_filter_changes_no_score(self, vectors: VectorIndex, index: VectorIndexName) -> None:
        """It narrows what is found; a word is as rare as it was."""
        vectors.put(index, [record(f"hr{n}", (1, n, 0), "amber birch " * (n + 1), HR) for n in range(4)])
        vectors.put(index, [record(f"it{n}", (1, 0, 0.1), "amber " + "cedar " * n, IT) for n in range(9)])
        query = VectorQuery(20, pack(1, 0, 0), "amber cedar birch delta")
        whole = {hit.key: (hit.similarity, hit.lexical_score) for hit in vectors.query(index, query)}
        narrowed = vectors.query(index, replace(query, filter=ONLY_HR))
        assert keys(narrowed) == {"hr0", "hr1", "hr2", "hr3"}
        assert all((hit.similarity, hit.lexical_score) == whole[hit.key] for hit in narrowed)

    def test_a_filter_tells_true_from_one(self, vectors: VectorIndex, index: VectorIndexName) -> None:
        """Also when the one was asked for just before the other."""
        vectors.put(index, [record("number", metadata={"a": 1}), record("boolean", metadata={"a": True})])
        for wanted, expected in ((1, "number"), (True, "boolean"), (1.0, "number")):
            hits = vectors.query(index, VectorQuery(9, pack(1, 0, 0), filter=parse_filter({"a": wanted})))
            assert keys(hits) == {expected}

    @pytest.mark.parametrize("text", ["", "  ", "the of and", '?!… — ""', "\x00", "🙂", "'", '"'])
    def test_a_text_without_searchable_terms_brings_nothing(
        self, vectors: VectorIndex, index: VectorIndexName, text: str
    ) -> None:
        """From the lexical leg; the dense one works on."""
        vectors.put(index, [record("a", text="the leave of and ?!… \" ' 🙂"), record("b", text=text)])
        assert not vectors.query(index, VectorQuery(10, text=text))
        hits = vectors.query(index, VectorQuery(10, pack(1, 0, 0), text))
        assert by_rank(hits, "dense") == ["a", "b"]
        assert by_rank(hits, "lexical") == []

    @pytest.mark.parametrize(
        "text",
        [
            'leave" OR 1=1 --',
            "leave AND NOT",
            "NEAR(leave",
            "text:leave",
            "leave*",
            "^leave",
            "{leave} : ( \\",
            "'; DROP TABLE entries; leave",
            "leave\x00",
            "ＬＥＡＶＥ",
        ],
    )
    def test_query_syntax_is_only_text(self, vectors: VectorIndex, index: VectorIndexName, text: str) -> None:
        """Whatever a question holds, its words are looked for and nothing else happens."""
        vectors.put(index, [record("a", text="annual leave"), record("b", text="cats")])
        assert by_rank(vectors.query(index, VectorQuery(10, text=text)), "lexical") == ["a"]

    @pytest.mark.parametrize(
        ("language", "text", "question"),
        [
            ("de", "Die Häuser der Straße", "haus STRASSE"),
            ("fr", "Les congés payés de l’employé", "congé"),
            ("ja", "有給休暇の申請方法", "休暇"),
            ("zh", "我在北京大学学习", "北京大学在哪里"),
            ("ko", "연차휴가 신청", "휴가"),
            ("ar", "الكِتَابُ في المكتبة", "كتاب"),
            ("xx", "Naïve café", "CAFÉ"),
        ],
    )
    def test_texts_are_analysed_in_their_language(
        self, vectors: VectorIndex, language: str, text: str, question: str
    ) -> None:
        """Stems, case, accents, and scripts without spaces; an unknown language is taken word by word."""
        vectors.create(INDEX, VectorIndexSpec(3, language))
        vectors.put(INDEX, [record("a", text=text), record("b", text="something else")])
        assert by_rank(vectors.query(INDEX, VectorQuery(10, text=question)), "lexical") == ["a"]

    def test_texts_of_several_languages_are_found_by_words_of_their_own(
        self, vectors: VectorIndex, index: VectorIndexName
    ) -> None:
        """In one index, each by another form of a word than it has itself; the others do not match."""
        texts = {
            "en": ("The policies of the company", "policy"),
            "de": ("Die Häuser der Straße", "Hauses"),
            "ar": ("الكِتَابُ في المكتبة", "كتاب"),
            "ja": ("有給休暇の申請方法", "休暇"),
        }
        vectors.put(index, [record(language, text=text, language=language) for language, (text, _) in texts.items()])
        for language, (_, question) in texts.items():
            (hit,) = vectors.query(index, VectorQuery(10, text=question))
            assert (hit.key, hit.lexical_rank, list(hit.matched_terms)) == (language, 1, [question])

    def test_a_name_is_found_in_every_language(self, vectors: VectorIndex, index: VectorIndexName) -> None:
        """Whichever language its text is in, and as often as it stands there, however many forms the question has."""
        vectors.put(index, [record("de", text="Aurora läuft", language="de"), record("en", text="Aurora runs")])
        hits = vectors.query(index, VectorQuery(10, text="Aurora"))
        assert by_rank(hits, "lexical") == ["de", "en"]
        assert len({hit.lexical_score for hit in hits}) == 1

    def test_a_words_forms_count_once(self, vectors: VectorIndex, index: VectorIndexName) -> None:
        """An entry that holds what two languages make of one word scores as if it held the one that it has more of."""
        vectors.put(index, [record("both", text="policies polici", language="xx"), record("one", text="policy other")])
        vectors.put(index, [record("fill", text="amber birch")])
        hits = {hit.key: hit.lexical_score for hit in vectors.query(index, VectorQuery(10, text="policies"))}
        assert set(hits) == {"both", "one"}
        if not vectors.capabilities.own_statistics:
            assert hits["both"] == pytest.approx(hits["one"])

    def test_stop_words_are_those_of_the_question(self, vectors: VectorIndex, index: VectorIndexName) -> None:
        """German *die* is no word to search English texts for, and English *will* none in German ones."""
        vectors.put(index, [record("en", text="They die of it"), record("de", text="Er will sie", language="de")])
        assert not vectors.query(index, VectorQuery(10, text="Wie ist die Reise?"))
        assert not vectors.query(index, VectorQuery(10, text="What will it be?"))
        assert keys(vectors.query(index, VectorQuery(10, text="they die"))) == {"en"}

    def test_the_last_text_of_a_language_takes_it_along(self, vectors: VectorIndex, index: VectorIndexName) -> None:
        """An index that holds one language only is searched as one that never held another."""
        vectors.put(index, [record("en", text="the policies")])
        before = vectors.query(index, VectorQuery(10, text="Was die policies?"))
        vectors.put(index, [record("de", text="die Police", language="de"), record("x", text="x", language="fr")])
        vectors.put(index, [record("x", text="amber")])
        vectors.delete(index, ["de", "x"])
        assert vectors.query(index, VectorQuery(10, text="Was die policies?")) == before

    # --- properties

    @given(entries=ENTRIES, raw=RAW_FILTERS, vector=VECTORS, text=TEXTS, top_k=st.integers(1, 5))
    @PROPERTY
    def test_both_legs_give_the_best_permitted(
        self,
        vectors: VectorIndex,
        entries: list[tuple[tuple[float, ...], str, Metadata]],
        raw: dict[str, object],
        vector: tuple[float, ...],
        text: str,
        top_k: int,
    ) -> None:
        """Against a filter evaluated entry by entry, cosines from the definition, and words counted by hand."""
        index = VectorIndexName(f"property-{next(_numbers)}")
        vectors.create(index, VectorIndexSpec(3, "xx"))
        vectors.put(index, [record(f"k{n}", *entry) for n, entry in enumerate(entries)])
        wanted = parse_filter(raw)  # type: ignore[arg-type]
        permitted = {f"k{n}": entry for n, entry in enumerate(entries) if matches(wanted, entry[2])}
        hits = vectors.query(index, VectorQuery(top_k, pack(*vector), text, wanted))
        cosines = {key: _cosine(vector, entry[0]) for key, entry in permitted.items()}
        matching = {key for key, entry in permitted.items() if set(entry[1].split()) & set(text.split())}
        dense, lexical = by_rank(hits, "dense"), by_rank(hits, "lexical")
        best = sorted(cosines.values(), reverse=True)[:top_k]
        assert [cosines[key] for key in dense] == pytest.approx(best, abs=1e-6)
        assert len(lexical) == min(top_k, len(matching))
        assert set(lexical) <= matching
        scores = {hit.key: hit.lexical_score or 0 for hit in hits}
        assert [scores[key] for key in lexical] == sorted((scores[key] for key in lexical), reverse=True)
        assert keys(hits) == {*dense, *lexical}
        vectors.drop(index)

    # --- many at once

    def test_writes_are_seen_elsewhere_at_once(self, vectors: VectorIndex, elsewhere: VectorIndex) -> None:
        """Another process sees each put, delete and drop in the very next call."""
        vectors.create(INDEX, SPEC)
        asked = VectorQuery(10, pack(1, 0, 0), "leave")
        assert not elsewhere.query(INDEX, asked)
        vectors.put(INDEX, [record("a", text="leave"), record("b")])
        assert keys(elsewhere.query(INDEX, asked)) == {"a", "b"}
        elsewhere.put(INDEX, [record("a", (0, 1, 0), "other"), record("c")])
        assert keys(vectors.query(INDEX, VectorQuery(10, text="other"))) == {"a"}
        vectors.delete(INDEX, ["b"])
        assert keys(elsewhere.query(INDEX, asked)) == {"a", "c"}
        vectors.drop(INDEX)
        with pytest.raises(NotFound):
            elsewhere.query(INDEX, asked)
        elsewhere.create(INDEX, VectorIndexSpec(2))
        assert not vectors.query(INDEX, VectorQuery(10, pack(1, 0)))

    def test_every_write_makes_another_version(self, vectors: VectorIndex, elsewhere: VectorIndex) -> None:
        """Reading makes none; an index made again under its name has none of the old one's; all see the same."""

        def make_again() -> None:
            vectors.drop(INDEX)
            vectors.create(INDEX, SPEC)

        vectors.create(INDEX, SPEC)
        seen = [vectors.version(INDEX)]
        if seen == [None]:
            pytest.skip("this store cannot tell")
        writes: Sequence[Callable[[], None]] = (
            lambda: vectors.put(INDEX, [record("a")]),
            lambda: elsewhere.put(INDEX, [record("a", (0, 1, 0))]),
            lambda: elsewhere.delete(INDEX, ["a"]),
            make_again,
        )
        for write in writes:
            write()
            vectors.query(INDEX, VectorQuery(1, pack(1, 0, 0)))
            seen.append(vectors.version(INDEX))
            assert elsewhere.version(INDEX) == vectors.version(INDEX) == seen[-1]
        assert len(set(seen)) == 5

    def test_queries_see_whole_batches_while_a_writer_writes(
        self, vectors: VectorIndex, index: VectorIndexName
    ) -> None:
        """A batch replaces all ten entries; no query ever sees a part of it, or an older state than one before."""

        def write() -> None:
            for version in range(1, 31):
                vectors.put(index, [record(f"k{n}", text="leave", metadata={"v": version}) for n in range(10)])

        def read() -> list[set[object]]:
            return [
                {hit.metadata["v"] for hit in vectors.query(index, VectorQuery(100, pack(1, 0, 0), "leave"))}
                for _ in range(60)
            ]

        vectors.put(index, [record(f"k{n}", text="leave", metadata={"v": 0}) for n in range(10)])
        with ThreadPoolExecutor(4) as threads:
            readers = [threads.submit(read) for _ in range(3)]
            threads.submit(write).result()
            for reader in readers:
                versions = [version for (version,) in reader.result()]
                assert versions == sorted(versions)  # type: ignore[type-var]
        assert {hit.metadata["v"] for hit in vectors.query(index, VectorQuery(100, pack(1, 0, 0)))} == {30}

    def test_writers_do_not_lose_each_others_entries(self, vectors: VectorIndex, elsewhere: VectorIndex) -> None:
        """Several threads and another process put at once."""
        vectors.create(INDEX, SPEC)

        def write(number: int) -> None:
            store = vectors if number % 2 else elsewhere
            for part in range(5):
                store.put(INDEX, [record(f"k{number}-{part}-{n}", text="leave") for n in range(4)])

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(write, range(4)))
        assert len(vectors.query(INDEX, VectorQuery(1_000, pack(1, 0, 0)))) == 80
        assert len(elsewhere.query(INDEX, VectorQuery(1_000, text="leave"))) == 80


def _cosine(left: Sequence[float], right: Sequence[float]) -> float:
    product = sum(a * b for a, b in zip(left, right, strict=True))
    return product / (math.hypot(*left) * math.hypot(*right))
