"""The measures by which fusions are compared, on cases worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.fusions import interval, ndcg, recall


@pytest.mark.parametrize(
    ("ranked", "expected"),
    [
        (["a", "b"], 1.0),
        (["b", "a"], (1 + 3 / math.log2(3)) / (3 + 1 / math.log2(3))),
        (["x", "a"], (3 / math.log2(3)) / (3 + 1 / math.log2(3))),
        ([*"cdefghijkl", "a"], 0.0),
    ],
)
def test_gains_are_discounted_by_rank(ranked: list[str], expected: float) -> None:
    """A gain of 2 is worth 3 at the top, a gain of 1 is worth 1; nothing counts below the tenth."""
    assert ndcg(ranked, {"a": 2, "b": 1, "z": 0}) == pytest.approx(expected)


def test_recall_counts_what_has_a_gain() -> None:
    """Among the first ten."""
    assert recall(["a", "x"], {"a": 1, "b": 2, "x": 0}) == 0.5


def test_an_interval_of_equal_differences_is_a_point() -> None:
    """However it is drawn."""
    assert interval(np.full(5, 0.25)) == (0.25, 0.25, 0.25)
