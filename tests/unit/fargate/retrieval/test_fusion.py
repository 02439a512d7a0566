"""Fusing two legs, against values worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.indexes import Component
from chalicelib.domain.releases import RetrievalSettings, Strategy
from chalicelib.errors import InvalidRequest
from chalicelib.ports.vectors import Hit
from fargate.retrieval.fusion import FUSIONS, Fuse, convex, reciprocal_rank
from fargate.retrieval.ranking import Ranking
from fargate.retrieval.registry import Tools

BOTH = Hit("both", {}, dense_rank=1, similarity=0.8, lexical_rank=2, lexical_score=6.0)
DENSE = Hit("dense", {}, dense_rank=2, similarity=0.5)
LEXICAL = Hit("lexical", {}, lexical_rank=1, lexical_score=12.0)
HITS = [BOTH, DENSE, LEXICAL]

scores = st.none() | st.floats(0, 1)
hits = st.lists(
    st.builds(
        Hit,
        key=st.text("abc", min_size=1, max_size=3),
        metadata=st.just({}),
        dense_rank=st.none() | st.integers(1, 50),
        similarity=st.none() | st.floats(-1, 1),
        lexical_rank=st.none() | st.integers(1, 50),
        lexical_score=st.none() | st.floats(0, 100),
    ),
    max_size=20,
    unique_by=lambda hit: hit.key,
)


def fuse_by(choice: Component) -> Fuse:
    return FUSIONS.make(choice, Tools())


def test_convex_adds_the_cosine_and_the_scaled_bm25() -> None:
    """An unknown cosine is the lowest known, an unknown BM25 is 0; 0.25 of the one and 0.75 of the other."""
    assert convex(HITS, dense_weight=0.25) == pytest.approx(
        {
            "both": 0.25 * 0.8 + 0.75 * 6 / 12,
            "dense": 0.25 * 0.5,
            "lexical": 0.25 * 0.5 + 0.75 * 1,
        }
    )


def test_convex_without_any_lexical_match_is_the_cosine_alone() -> None:
    """Nothing is divided by a highest BM25 of 0."""
    nothing_matched = [Hit("a", {}, 1, 0.5, None, 0.0), Hit("b", {}, 2, 0.25, None, 0.0)]
    assert convex(nothing_matched, dense_weight=0.5) == {"a": 0.25, "b": 0.125}


def test_reciprocal_rank_sums_over_the_legs_that_brought_a_hit() -> None:
    """Ranks count from 1 and k is 60, as in the paper."""
    halves = {"both": 1 / 61 + 1 / 62, "dense": 1 / 62, "lexical": 1 / 61}
    assert {key: 2 * score for key, score in reciprocal_rank(HITS).items()} == pytest.approx(halves)
    assert reciprocal_rank(HITS, k=1)["both"] == pytest.approx((1 / 2 + 1 / 3) / 2)


def test_reciprocal_ranks_can_be_weighted() -> None:
    """A quarter for the dense leg leaves three quarters for the other."""
    assert reciprocal_rank(HITS, dense_weight=0.25) == pytest.approx(
        {"both": 0.25 / 61 + 0.75 / 62, "dense": 0.25 / 62, "lexical": 0.75 / 61}
    )


def test_auto_is_convex_with_the_weight_of_the_agreement() -> None:
    """The dense leg's two best hold (6 + half of 6) / 2 of 12, well above a third."""
    fused = fuse_by(Component("auto"))(HITS)
    assert fused.weight.share == 0.7
    assert fused.scores == convex(HITS, dense_weight=0.7)


def test_auto_without_scores_weighs_reciprocal_ranks() -> None:
    """One of the dense leg's two was brought by the other leg as well."""
    ranks = [
        Hit("both", {}, dense_rank=1, lexical_rank=2),
        Hit("dense", {}, dense_rank=2),
        Hit("l", {}, lexical_rank=1),
    ]
    fused = fuse_by(Component("auto"))(ranks)
    assert fused.weight.share == pytest.approx(0.4)
    assert fused.scores == reciprocal_rank(ranks, dense_weight=fused.weight.share)


@pytest.mark.parametrize(
    ("choice", "share"),
    [(Component("convex"), 0.6), (Component("convex", {"dense_weight": 0.2}), 0.2), (Component("rrf"), 0.5)],
)
def test_a_weight_that_is_set_stays(choice: Component, share: float) -> None:
    """Whatever the legs found."""
    weight = fuse_by(choice)(HITS).weight
    assert (weight.share, weight.reason) == (share, "set by the release")


def test_hybrid_reasons_tell_the_weight_and_why() -> None:
    """A single leg has none."""
    hybrid = Ranking.of(RetrievalSettings()).order([HITS])[0].reasons()
    assert hybrid.dense_weight == 0.7
    assert hybrid.weight_reason == "the dense leg's best hold 0.38 of the highest BM25"
    alone = Ranking.of(RetrievalSettings(strategy=Strategy.DENSE)).order([HITS])[0].reasons()
    assert (alone.dense_weight, alone.weight_reason) == (None, None)


@given(hits)
def test_every_hit_gets_a_score_and_equal_scores_are_ordered_by_key(found: list[Hit]) -> None:
    """Whatever the legs know of the hits, with every fusion and strategy."""
    for fusion in FUSIONS:
        for strategy in Strategy:
            ranked = Ranking.of(RetrievalSettings(strategy=strategy, fusion=Component(fusion))).order([found])
            assert {one.hit.key for one in ranked} == {hit.key for hit in found}
            order = [(-one.score, one.hit.key) for one in ranked]
            assert order == sorted(order)


@given(hits)
def test_the_order_of_the_hits_changes_nothing(found: list[Hit]) -> None:
    """A store may give its hits in any order."""
    ranking = Ranking.of(RetrievalSettings())
    assert ranking.order([found]) == ranking.order([found[::-1]])


def test_a_cosine_counts_from_where_nothing_is_related() -> None:
    """
    A model whose unrelated texts have .6: .8 and .5 become .5 and -.25 before they are fused, and are told as they are.
    """
    convex_half = RetrievalSettings(fusion=Component("convex", {"dense_weight": 0.5}))
    ranked = {one.hit.key: one for one in Ranking.of(convex_half, unrelated=0.6).order([[BOTH, DENSE]])}
    assert ranked["both"].score == pytest.approx(0.5 * 0.5 + 0.5 * 1)
    assert ranked["dense"].score == pytest.approx(0.5 * -0.25)
    assert ranked["both"].reasons().dense_score == 0.8


def test_a_single_leg_is_ordered_by_its_own_score() -> None:
    """Cosine or BM25 stands as the score, and there is no fused score to speak of."""
    dense = Ranking.of(RetrievalSettings(strategy=Strategy.DENSE)).order([[DENSE, BOTH]])
    assert [(one.hit.key, one.score, one.reasons().fused_score) for one in dense] == [
        ("both", 0.8, None),
        ("dense", 0.5, None),
    ]
    lexical = Ranking.of(RetrievalSettings(strategy=Strategy.LEXICAL)).order([[BOTH, LEXICAL]])
    assert [(one.hit.key, one.score) for one in lexical] == [("lexical", 12.0), ("both", 6.0)]


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (Component("borda"), "auto, convex, rrf"),
        (Component("auto", {"floor": 0.8, "ceiling": 0.7}), "auto"),
        (Component("convex", {"dense_weight": 1.5}), "convex"),
        (Component("convex", {"dense_weight": "0.5"}), "convex"),
        (Component("convex", {"alpha": 0.5}), "convex"),
        (Component("rrf", {"k": 0}), "rrf"),
    ],
)
def test_an_unknown_fusion_or_parameter_is_refused(choice: Component, said: str) -> None:
    """The message names what there is."""
    with pytest.raises(InvalidRequest, match=said):
        fuse_by(choice)


def test_a_wrong_parameter_is_named() -> None:
    """The problem lists its place."""
    with pytest.raises(InvalidRequest) as refused:
        fuse_by(Component("convex", {"dense_weight": 2}))
    assert refused.value.extra["errors"][0]["loc"] == ["fusion", "dense_weight"]
