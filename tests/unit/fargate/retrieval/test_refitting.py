"""Weights fitted to golden cases: only where they are surely better."""

from __future__ import annotations

import random

from chalicelib.ports.vectors import Hit
from fargate.retrieval.refitting import FEWEST, GoldenCase, refit
from fargate.retrieval.weights import CEILING, FLOOR


def case(rng: random.Random, *, dense_knows: bool, lexical_knows: bool) -> GoldenCase:
    """Ten documents; a leg that knows puts the right one first, one that does not puts it anywhere."""
    names = [f"d{number}" for number in range(10)]
    dense, lexical = names[:], names[:]
    for order, knows in ((dense, dense_knows), (lexical, lexical_knows)):
        rng.shuffle(order)
        if knows:
            order.remove("d0")
            order.insert(0, "d0")
    hits = [
        Hit(name, {}, 1 + dense.index(name), 0.9 - 0.05 * dense.index(name), 1 + lexical.index(name),
            10.0 - lexical.index(name))
        for name in names
    ]  # fmt: skip
    return GoldenCase(hits, {name: name for name in names}, frozenset({"d0"}))


def test_a_leg_that_knows_gets_the_weight() -> None:
    """Whichever it is; the gain shows on cases that took no part."""
    rng = random.Random(5)
    by_words = refit([case(rng, dense_knows=False, lexical_knows=True) for _ in range(60)])
    assert by_words.better
    assert by_words.fusion.parameters["ceiling"] < CEILING
    assert by_words.fitted_ndcg > by_words.default_ndcg
    by_meaning = refit([case(rng, dense_knows=True, lexical_knows=False) for _ in range(60)])
    assert by_meaning.better
    assert by_meaning.fusion.parameters["ceiling"] > CEILING


def test_where_nothing_is_to_be_gained_the_default_stays() -> None:
    """Both legs know, or neither does."""
    rng = random.Random(7)
    for knows in (True, False):
        found = refit([case(rng, dense_knows=knows, lexical_knows=knows) for _ in range(40)])
        assert not found.better
        assert dict(found.fusion.parameters) == {"floor": FLOOR, "ceiling": CEILING}


def test_few_cases_change_nothing() -> None:
    """Even where all of them agree."""
    rng = random.Random(9)
    found = refit([case(rng, dense_knows=False, lexical_knows=True) for _ in range(FEWEST - 1)])
    assert not found.better
    assert refit([]).cases == 0


def test_the_same_cases_give_the_same_fit() -> None:
    """Folds and samples are seeded."""
    cases = [case(random.Random(n), dense_knows=n % 3 > 0, lexical_knows=True) for n in range(30)]
    assert refit(cases) == refit(cases)
