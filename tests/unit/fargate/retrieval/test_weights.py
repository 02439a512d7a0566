"""How much the dense leg counts, against values worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.releases import RetrievalSettings
from chalicelib.ports.vectors import Hit
from fargate.retrieval import weights
from fargate.retrieval.fusion import FUSIONS
from fargate.retrieval.weights import by_agreement, by_shared_ranks


def dense(rank: int, bm25: float | None) -> Hit:
    """Give a hit of the dense leg."""
    return Hit(f"dense{rank}", {}, dense_rank=rank, similarity=0.5, lexical_score=bm25)


LEXICAL = Hit("lexical", {}, similarity=0.1, lexical_rank=1, lexical_score=10.0)


def test_a_dense_leg_whose_best_hold_no_word_of_the_question_gets_the_floor() -> None:
    """As an embedder that cannot read the language."""
    assert by_agreement([LEXICAL, dense(1, 0.0), dense(2, 0.0)]).share == weights.FLOOR


def test_the_weight_grows_with_the_words_that_the_dense_leg_found() -> None:
    """A tenth and three tenths of the highest BM25 are a fifth on average, three fifths of full agreement."""
    weight = by_agreement([LEXICAL, dense(1, 1.0), dense(2, 3.0)])
    assert weight.share == pytest.approx(0.3 + 0.6 * 0.4)
    assert weight.reason == "the dense leg's best hold 0.20 of the highest BM25"


def test_the_weight_stops_at_the_ceiling() -> None:
    """The words keep a say where both agree."""
    assert by_agreement([LEXICAL, dense(1, 9.0)]).share == pytest.approx(weights.CEILING)
    assert by_agreement([LEXICAL, dense(1, 9.0)], floor=0.2, ceiling=0.9).share == pytest.approx(0.9)


def test_only_the_ten_best_are_looked_at() -> None:
    """What stands below says how long the list is, not how good."""
    ten = [dense(rank, 1.0) for rank in range(1, 11)]
    assert by_agreement([LEXICAL, *ten, dense(11, 9.0)]).share == by_agreement([LEXICAL, *ten]).share


def test_a_score_that_the_store_does_not_tell_is_half_the_lowest_known() -> None:
    """It is below what the lexical leg brought, and above nothing."""
    second = LEXICAL._replace(key="second", lexical_rank=2, lexical_score=4.0)
    assert by_agreement([LEXICAL, second, dense(1, None)]).share == pytest.approx(0.3 + 0.6 * 0.4)


@pytest.mark.parametrize("weigh", [by_agreement, by_shared_ranks])
def test_a_leg_that_found_nothing_counts_for_nothing(weigh: object) -> None:
    """A question of stop words is the dense leg's; one without vectors the lexical leg's."""
    assert callable(weigh)
    assert weigh([dense(1, 0.0)]).share == 1
    assert weigh([LEXICAL]).share == 0
    assert weigh([]).share == 0


def test_ranks_alone_tell_how_much_both_legs_share() -> None:
    """One of two was brought by both."""
    both = Hit("both", {}, dense_rank=1, lexical_rank=7)
    assert by_shared_ranks([both, Hit("dense", {}, dense_rank=2)]).share == pytest.approx(0.1 + 0.6 / 2)


@given(st.lists(st.tuples(st.none() | st.integers(1, 20), st.none() | st.floats(0, 100)), max_size=30))
def test_the_weight_is_a_share(found: list[tuple[int | None, float | None]]) -> None:
    """Whatever the legs brought."""
    hits = [Hit(str(n), {}, dense_rank=rank, lexical_score=bm25) for n, (rank, bm25) in enumerate(found)]
    assert 0 <= by_agreement(hits).share <= 1
    assert 0 <= by_shared_ranks(hits).share <= 1


def test_the_default_release_writes_out_the_defaults() -> None:
    """A release means the same when the defaults of the registry change."""
    fusion = RetrievalSettings().fusion
    assert dict(fusion.parameters) == FUSIONS[fusion.name].parameters().model_dump()
