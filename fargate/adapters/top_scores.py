"""Find the few best of many scores: pure functions over arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCKS = 16
"""How many blocks for each score that is wanted: with more, fewer scores pass the first look, which takes longer."""


def leading(scores: NDArray[np.floating[Any]], top_k: int, *, above: float, margin: float = 0) -> NDArray[np.int64]:
    """
    Give the sorted places of the *top_k* best of the *scores* over *above*, and of all within *margin* of the last.

    No score is NaN. The maxima of disjoint blocks are scores too, so the top_k-th best of them is never above the
    top_k-th best of all: what is below it is left out without being sorted.
    """
    passing = _not_below(scores, _bound(scores, top_k) - margin, above)
    if len(passing) <= top_k:
        return passing
    passed = scores[passing]
    least = np.partition(passed, len(passed) - top_k)[len(passed) - top_k] - margin
    return passing[np.flatnonzero(passed >= least)]


def _bound(scores: NDArray[np.floating[Any]], top_k: int) -> float:
    blocks = BLOCKS * top_k
    rows = len(scores) // blocks
    if rows < 2:
        return -np.inf
    maxima = scores[: rows * blocks].reshape(rows, blocks).max(axis=0)
    return float(np.partition(maxima, blocks - top_k)[blocks - top_k])


def _not_below(scores: NDArray[np.floating[Any]], bound: float, above: float) -> NDArray[np.int64]:
    return np.flatnonzero(scores >= bound if bound > above else scores > above)
