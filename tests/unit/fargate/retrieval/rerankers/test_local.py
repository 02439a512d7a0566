"""The reranker that asks no model server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.domain.indexes import Component
from chalicelib.domain.runs import Passage
from chalicelib.errors import InvalidRequest
from fargate.retrieval.question import Question
from fargate.retrieval.registry import Tools
from fargate.retrieval.rerankers.features import FEATURES
from fargate.retrieval.rerankers.local import DEPTH, WEIGHTS, LocalReranker
from fargate.retrieval.rerankers.registry import RERANKERS
from fargate.retrieval.rerankers.reranker import Reranked
from tests.fakes.knowledge import reader
from tests.fakes.passages import passage

# Small and made by hand: the fusion is unsure, and the word that decides stands in one passage alone.
QUESTIONS = [
    (
        "How long is parental leave in Portugal?",
        ["Parental leave in Spain lasts 16 weeks.", "In Portugal, parental leave is 120 days."],
    ),
    ("Does the pump stop at 80 degrees?", ["The pump stops when its tank is empty.", "At 80 degrees the pump stops."]),
    (
        "Who signs orders above 5,000 euros?",
        ["Orders are signed by the buyer.", "Above 5,000 euros the director signs."],
    ),
]


def rerank(question: str, passages: Sequence[Passage], **parameters: Any) -> Sequence[Reranked]:
    """Give what the local reranker says."""
    reranker = RERANKERS.make(Component("local", parameters), Tools())
    assert reranker is not None
    return asyncio.run(reranker.rerank(Question(reader(), question, (), "en"), passages))


def fused(texts: Sequence[str], scores: Sequence[float]) -> list[Passage]:
    """Give passages as the fusion left them."""
    return [
        replace(passage(text, number), score=score)
        for number, (text, score) in enumerate(zip(texts, scores, strict=True))
    ]


@pytest.mark.parametrize(("question", "texts"), QUESTIONS)
def test_the_word_that_decides_overrules_a_narrow_lead(question: str, texts: list[str]) -> None:
    """Where the fused scores are near each other among wider ones, the passage that holds more of the question wins."""
    passages = fused([*texts, "Something else.", "More of that."], [0.51, 0.5, 0.2, 0.1])
    scores = [one.score for one in rerank(question, passages)]
    assert scores.index(max(scores)) == 1


def test_a_wide_lead_of_the_fusion_stands() -> None:
    """What says one word more, but is far behind, stays behind."""
    question, texts = QUESTIONS[0]
    scores = [one.score for one in rerank(question, fused([*texts, "Other.", "More."], [0.9, 0.2, 0.19, 0.18]))]
    assert scores.index(max(scores)) == 0


def test_the_parts_add_up_to_the_score() -> None:
    """What `explain` shows is what the score was made of."""
    question, texts = QUESTIONS[1]
    for one in rerank(question, fused(texts, [0.6, 0.4])):
        assert list(one.features) == list(FEATURES)
        assert sum(one.features.values()) == pytest.approx(one.score, abs=1e-3)


def test_passages_that_say_the_same_are_equal() -> None:
    """A tie stays a tie, whoever breaks it."""
    first, second, _ = rerank("pump", fused(["the pump", "the pump", "other"], [0.5, 0.5, 0.4]))
    assert first == second


def test_no_passage_no_score() -> None:
    """Nothing found is nothing to rank; one passage has nothing to be compared with."""
    assert list(rerank("pump", [])) == []
    assert [one.score for one in rerank("pump", [passage("pump")])] == [0.0]


def test_it_looks_as_far_down_as_it_is_told() -> None:
    """By default as far as it learned on."""
    made = [RERANKERS.make(Component("local", told), Tools()) for told in ({}, {"depth": 50})]
    assert [one.depth for one in made if one] == [DEPTH, 50]


@pytest.mark.parametrize("wrong", [{"depth": 1}, {"depth": 101}, {"depth": "30"}, {"maxsim": True}])
def test_parameters_it_does_not_have_are_refused(wrong: dict[str, Any]) -> None:
    """Unknown names, and depths out of bounds."""
    with pytest.raises(InvalidRequest):
        RERANKERS.make(Component("local", wrong), Tools())


def test_the_weights_fit_the_features_and_say_where_they_are_from() -> None:
    """One weight a feature, none against its meaning, with sources of the kind that may be used."""
    written = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    assert list(written["weights"]) == list(FEATURES)
    assert all(weight >= 0 for weight in written["weights"].values())
    assert written["depth"] == DEPTH
    assert all(
        one["package"] and one["version"] and one["licence"] and one["questions"] for one in written["trained_on"]
    )
    assert not any("GPL" in one["licence"] for one in written["trained_on"])


def test_a_model_is_its_weights() -> None:
    """The score is the weighted sum of the scaled features."""
    passages = fused(["pump", "tank"], [0.2, 0.8])
    scored = asyncio.run(
        LocalReranker(30, False, {"fused": 2.0, "coverage": 0.5}).rerank(Question(reader(), "pump", (), "en"), passages)
    )
    assert [one.score for one in scored] == pytest.approx([-2.0 + 0.5, 2.0 - 0.5])
