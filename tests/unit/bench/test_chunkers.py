"""The measures by which chunkers are compared, on cases worked out by hand."""

from __future__ import annotations

import pytest

from bench.chunkers import Place, Question, scores_of

QUESTION = Question("How long?", [Place("a", 10, 20), Place("a", 40, 50)])


@pytest.mark.parametrize(
    ("places", "recall", "precision", "iou"),
    [
        ([Place("a", 10, 20), Place("a", 40, 50)], 1, 1, 1),
        ([Place("a", 0, 20)], 10 / 20, 10 / 20, 10 / 30),
        ([Place("a", 0, 20), Place("a", 10, 30)], 10 / 20, 10 / 40, 10 / 50),
        ([Place("b", 10, 20), Place("a", 0, 100)], 1, 20 / 110, 20 / 110),
        ([Place("b", 10, 20)], 0, 0, 0),
        ([], 0, 0, 0),
    ],
)
def test_what_is_retrieved_twice_counts_twice_against_precision(
    places: list[Place], recall: float, precision: float, iou: float
) -> None:
    """And once for recall; the same place in another text counts for nothing."""
    assert scores_of(QUESTION, places) == pytest.approx((recall, precision, iou))
