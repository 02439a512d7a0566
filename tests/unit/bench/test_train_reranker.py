"""How the local reranker learns."""

from __future__ import annotations

import numpy as np
import pytest

from bench.train_reranker import Example, fitted
from fargate.retrieval.rerankers.features import FEATURES

SEED = 20_261_123


def examples(*, wanted: str, count: int = 200) -> list[Example]:
    """Give lists of ten in which the highest of one feature answers, and the others are chance."""
    chance = np.random.default_rng(SEED)
    made = []
    for _ in range(count):
        rows = chance.standard_normal((10, len(FEATURES)))
        target = np.zeros(10)
        target[rows[:, list(FEATURES).index(wanted)].argmax()] = 1
        made.append(Example(rows, target))
    return made


@pytest.mark.parametrize("wanted", list(FEATURES))
def test_the_feature_that_tells_gets_the_weight(wanted: str) -> None:
    """What is chance is left at a small part of it."""
    weights = fitted(examples(wanted=wanted))
    assert weights[wanted] > 2
    assert all(weight < 0.2 * weights[wanted] for name, weight in weights.items() if name != wanted)


def test_no_weight_goes_against_its_meaning() -> None:
    """A feature that is lower where the answer is has no weight at all."""
    turned = [Example(-one.features, one.target) for one in examples(wanted="coverage")]
    assert fitted(turned)["coverage"] == 0.0


def test_the_same_examples_give_the_same_weights() -> None:
    """Nothing is drawn while it learns."""
    assert fitted(examples(wanted="fused", count=20)) == fitted(examples(wanted="fused", count=20))
