"""The dense weight fitted to an index's own golden cases, where they show that the default can be bettered."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.indexes import Component
from chalicelib.ports.vectors import Hit
from fargate.retrieval.fusion import auto
from fargate.retrieval.weights import CEILING, FLOOR

FEWEST = 20
"""Cases under which nothing is fitted."""
CUT = 10
FOLDS = 5
SAMPLES = 2_000
SEED = 20261122
_STEPS = [round(step / 10, 1) for step in range(11)]
_DEFAULT = (FLOOR, CEILING)
_CHOICES = [(floor, ceiling) for floor in _STEPS for ceiling in _STEPS if floor <= ceiling]


@dataclass(frozen=True, slots=True)
class GoldenCase:
    """A question's *hits* of both legs, the document each key is of, and the documents that answer it."""

    hits: Sequence[Hit]
    documents: Mapping[str, str]
    relevant: frozenset[str]


@dataclass(frozen=True, slots=True)
class Refit:
    """
    What the cases say: nDCG@10 under the default, and under weights fitted to the other folds' cases.

    *interval* is the 95 % interval of that gain; *better* says whether it lies above 0, *fusion* what to use: fitted
    to all cases if so, otherwise the default.
    """

    cases: int
    default_ndcg: float
    fitted_ndcg: float
    interval: tuple[float, float]
    fusion: Component

    @property
    def better(self) -> bool:
        """Say whether the fitted weights are to be preferred."""
        return self.interval[0] > 0


def refit(cases: Sequence[GoldenCase]) -> Refit:
    """
    Fit floor and ceiling of the fusion `auto` to *cases*, in steps of a tenth; equal ones nearest to the default.

    The gain is measured on cases that took no part (five folds, seeded) and its interval bootstrapped over cases, so
    that a few lucky cases change nothing. Under `FEWEST` cases the default stays.
    """
    gains = np.array([[_ndcg(case, choice) for choice in _CHOICES] for case in cases]).reshape(-1, len(_CHOICES))
    default = gains[:, _CHOICES.index(_DEFAULT)]
    fitted = _cross_validated(gains)
    interval = _interval(fitted - default) if len(cases) >= FEWEST else (-math.inf, math.inf)
    floor, ceiling = _CHOICES[_best(gains)] if interval[0] > 0 else _DEFAULT
    return Refit(
        cases=len(cases),
        default_ndcg=float(default.mean()) if len(cases) else 0.0,
        fitted_ndcg=float(fitted.mean()) if len(cases) else 0.0,
        interval=interval,
        fusion=Component("auto", {"floor": floor, "ceiling": ceiling}),
    )


def _ndcg(case: GoldenCase, choice: tuple[float, float]) -> float:
    """Give nDCG@10 of the documents, each where its best chunk stands; every relevant one has a gain of 1."""
    scores = auto(case.hits, floor=choice[0], ceiling=choice[1]).scores
    ranked = sorted(scores, key=lambda key: (-scores[key], key))
    documents = list(dict.fromkeys(case.documents[key] for key in ranked))[:CUT]
    reached = math.fsum(1 / math.log2(rank + 1) for rank, one in enumerate(documents, 1) if one in case.relevant)
    ideal = math.fsum(1 / math.log2(rank + 1) for rank in range(1, min(len(case.relevant), CUT) + 1))
    return reached / ideal if ideal else 0.0


def _cross_validated(gains: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give each case's gain under what the cases of the other folds would choose."""
    folds = np.random.default_rng(SEED).permutation(len(gains)) % FOLDS
    fitted = np.zeros(len(gains))
    for fold in range(FOLDS):
        held_out = folds == fold
        if held_out.any() and not held_out.all():
            fitted[held_out] = gains[held_out, _best(gains[~held_out])]
    return fitted


def _best(gains: NDArray[np.float64]) -> int:
    means = gains.mean(axis=0).round(9)
    distances = [abs(floor - FLOOR) + abs(ceiling - CEILING) for floor, ceiling in _CHOICES]
    return min(range(len(_CHOICES)), key=lambda place: (-means[place], distances[place]))


def _interval(differences: NDArray[np.float64]) -> tuple[float, float]:
    drawn = np.random.default_rng(SEED).integers(0, len(differences), (SAMPLES, len(differences)))
    low, high = np.percentile(differences[drawn].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)
