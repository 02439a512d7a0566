"""Passages that say the same make room for others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.identifiers import ChunkId
from chalicelib.domain.indexes import Component
from fargate.retrieval.diversity import DIVERSITIES, maximal_marginal_relevance
from fargate.retrieval.registry import Tools
from tests.fakes.passages import passage

EAST, NORTH = np.array([1.0, 0.0], "<f4"), np.array([0.0, 1.0], "<f4")


def test_a_repetition_stands_behind_something_new() -> None:
    """
    Scores 1, .9, .5 scale to 1, .8, 0; at .6 the second is worth .48 - .4 and the third 0 - 0 beside the first.

    At .4 the second is .32 - .6, and the third goes before it.
    """
    vectors = np.stack([EAST, EAST, NORTH])
    scores = [1.0, 0.9, 0.5]
    assert maximal_marginal_relevance(scores, vectors, relevance=0.6) == [(0, 0.0), (1, 1.0), (2, 0.0)]
    assert maximal_marginal_relevance(scores, vectors, relevance=0.4) == [(0, 0.0), (2, 0.0), (1, 1.0)]


def test_equal_worth_keeps_the_order() -> None:
    """And equal scores are all of full relevance."""
    vectors = np.stack([EAST, EAST, EAST])
    assert [place for place, _ in maximal_marginal_relevance([0.3] * 3, vectors, relevance=0.5)] == [0, 1, 2]


@given(st.lists(st.floats(-5, 5), max_size=12), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_every_passage_is_chosen_once(scores: list[float], relevance: float, seed: int) -> None:
    """The best is always the first, and with relevance alone the order is that of the scores."""
    directions = np.random.default_rng(seed).standard_normal((len(scores), 4)).astype("<f4")
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    chosen = [place for place, _ in maximal_marginal_relevance(scores, unit, relevance=relevance)]
    assert sorted(chosen) == list(range(len(scores)))
    plain = [place for place, _ in maximal_marginal_relevance(scores, unit, relevance=1)]
    assert [scores[place] for place in plain] == pytest.approx(sorted(scores, reverse=True))


def test_only_the_pool_is_ordered_anew_and_the_reason_is_noted() -> None:
    """A passage whose vector has gone stays at the pool's end."""
    passages = [replace(passage(f"text {n}", n), score=1 - n / 10) for n in range(5)]
    known = {passages[0].chunk_id: EAST, passages[1].chunk_id: EAST, passages[3].chunk_id: NORTH}

    def vectors(names: Sequence[ChunkId]) -> Mapping[ChunkId, bytes]:
        return {name: known[name].tobytes() for name in names if name in known}

    diversity = DIVERSITIES.make(Component("mmr", {"relevance": 0.3, "pool": 4}), Tools())
    ordered = diversity.order(passages, vectors)
    assert [one.chunk_id for one in ordered] == [passages[place].chunk_id for place in (0, 3, 1, 2, 4)]
    assert [one.reasons.redundancy for one in ordered] == [0, 0, 1, None, None]


def test_none_leaves_all_as_it_is() -> None:
    """And asks for no vector."""

    def vectors(_names: Sequence[ChunkId]) -> Mapping[ChunkId, bytes]:
        return {}

    passages = [passage("a", 1), passage("b", 2)]
    assert DIVERSITIES.make(Component("none"), Tools()).order(passages, vectors) == passages
