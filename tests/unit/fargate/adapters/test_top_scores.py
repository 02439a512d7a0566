"""The best of many scores, found without sorting them all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fargate.adapters.top_scores import leading


@given(
    seed=st.integers(0, 2**16),
    size=st.sampled_from([0, 1, 7, 40, 1_000, 5_000]),
    top_k=st.sampled_from([1, 5, 60, 2_000]),
    steps=st.sampled_from([3, 50, 10**6]),
    above=st.sampled_from([-np.inf, 0.0, 0.9]),
    margin=st.sampled_from([0.0, 0.01, 3.0]),
)
@settings(max_examples=200, deadline=None, derandomize=True, database=None)
def test_the_leading_scores_are_those_that_sorting_gives(
    seed: int, size: int, top_k: int, steps: int, above: float, margin: float
) -> None:
    """With many equal scores or none, few or many, and with those below a bound left out."""
    rng = np.random.default_rng(seed)
    scores = (rng.integers(-steps, steps, size) / steps).astype(np.float32)
    passing = sorted((score for score in scores.tolist() if score > above), reverse=True)
    least = passing[top_k - 1] - margin if len(passing) > top_k else -np.inf
    expected = [place for place, score in enumerate(scores.tolist()) if score > above and score >= np.float32(least)]
    assert leading(scores, top_k, above=above, margin=margin).tolist() == expected


@pytest.mark.parametrize("infinite", [1, 999, 1_000])
def test_scores_of_minus_infinity_are_never_leading(infinite: int) -> None:
    """They mark what must not be found."""
    scores = np.arange(1_000, dtype=np.float32)
    scores[:infinite] = -np.inf
    assert leading(scores, 10, above=-np.inf).tolist() == list(range(max(infinite, 990), 1_000))
