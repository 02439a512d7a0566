"""What the local reranker looks at."""

from __future__ import annotations

from dataclasses import replace
from math import log

import numpy as np
import pytest

from chalicelib.domain.runs import Passage
from fargate.retrieval.rerankers.features import FEATURES, Pool, coverage, scaled_features
from tests.fakes.passages import passage


def covered(question: str, *texts: str, language: str = "en") -> list[float]:
    """Give the coverage of *question* by passages of *texts*."""
    return coverage(Pool.of(question, language, [passage(text, number) for number, text in enumerate(texts)]))


def test_a_word_that_few_passages_have_counts_for_more() -> None:
    """Of two passages one says "parental", both say "leave": ln 2 for the rare word, ln 1.2 for the other."""
    both, common_only = covered("parental leave", "Parental leave is long.", "Sick leave is short.")
    assert both == pytest.approx(1.0)
    assert common_only == pytest.approx(log(1.2) / (log(2) + log(1.2)))


def test_a_word_that_no_passage_has_counts_for_nothing() -> None:
    """What nobody speaks of tells no passage from another."""
    assert covered("unicorn leave", "leave", "work") == [1.0, 0.0]


def test_words_meet_their_other_forms() -> None:
    """Plural and inflected forms count, stop words and asking words do not."""
    assert covered("What are the cells and batteries?", "cell battery", "what are the") == [1.0, 0.0]


def test_name_headings_and_table_header_count_as_said() -> None:
    """A passage is read with what it stands under, without the file's ending."""
    above = replace(
        passage("none of it", 1), name="parental.pdf", heading_path=("Germany", "Leave"), context="| weeks |"
    )
    pool = Pool.of("parental leave weeks Germany pdf", "en", [above, passage("something else", 2)])
    assert coverage(pool) == [1.0, 0.0]


@pytest.mark.parametrize(
    ("question", "text", "language"),
    [
        ("كم كان عمره؟", "عُمْرُهُ كَانَ", "ar"),
        ("東京の人口", "人口は東京に多い", "ja"),
        ("Größe des Hauses", "GRÖSSE eines Hauses", "de"),
    ],
)
def test_words_of_any_script_are_found(question: str, text: str, language: str) -> None:
    """Vowel signs, missing spaces and capitals hide nothing."""
    found, other = covered(question, text, "xyz", language=language)
    assert found > 0.4
    assert other == 0.0


@pytest.mark.parametrize("question", ["", "?", "what is it"])
def test_a_question_without_words_is_covered_by_nothing(question: str) -> None:
    """No word, no share, and no division by zero."""
    assert covered(question, "something", "else") == [0.0, 0.0]


def test_columns_are_scaled_among_the_passages() -> None:
    """Mean 0 and deviation 1; what is alike everywhere is 0."""
    passages = [replace(passage(text, number), score=float(number)) for number, text in enumerate(["a b", "b", "c"])]
    columns = dict(zip(FEATURES, scaled_features("nothing", "en", passages).T, strict=True))
    assert columns["fused"] == pytest.approx([-(1.5**0.5), 0.0, 1.5**0.5])
    assert columns["coverage"] == pytest.approx([0.0, 0.0, 0.0])


def test_order_of_the_passages_does_not_matter() -> None:
    """Each passage has the same features wherever it stands in the list."""
    texts = ["parental leave", "sick leave in Germany", "Germany", "leave the parents"]
    passages = [replace(passage(text, number), score=number / 7) for number, text in enumerate(texts)]
    forwards = scaled_features("parental leave in Germany", "en", passages)
    backwards = scaled_features("parental leave in Germany", "en", passages[::-1])
    np.testing.assert_allclose(forwards, backwards[::-1], atol=1e-12)


@pytest.mark.parametrize("passages", [[], [passage("alone")]])
def test_none_or_one_passage_has_nothing_to_be_compared_with(passages: list[Passage]) -> None:
    """No rows, or a row of zeros."""
    assert scaled_features("alone", "en", passages).tolist() == [[0.0] * len(FEATURES)] * len(passages)
