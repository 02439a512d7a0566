"""Reranking without a model server: a small linear model over what words tell, learned from FAQs of manuals."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from pydantic import Field

from chalicelib.domain.runs import Passage
from fargate.retrieval.question import Question
from fargate.retrieval.registry import Parameters, Tools
from fargate.retrieval.rerankers.features import FEATURES, scaled_features
from fargate.retrieval.rerankers.reranker import Reranked

DEPTH = 30
WEIGHTS = Path(__file__).with_name("local_weights.json")
"""Written by ``bench/train_reranker.py``, with what it was trained on."""


class LocalParameters(Parameters):
    """How far down it looks."""

    depth: int = Field(DEPTH, ge=2, le=100, description="How many of the best are scored anew; it learned on 30")


@dataclass(frozen=True, slots=True)
class LocalReranker:
    """
    See `Reranker`. The score is a weighted sum of `FEATURES`, each scaled over the passages of the question.

    The *features* it tells are the parts of that sum. About 10 ms for 30 passages, in a thread.
    """

    depth: int
    optional: bool
    weights: Mapping[str, float]

    async def rerank(self, question: Question, passages: Sequence[Passage]) -> Sequence[Reranked]:
        """See `Reranker.rerank`."""
        return await asyncio.to_thread(self._scored, question, passages)

    def _scored(self, question: Question, passages: Sequence[Passage]) -> list[Reranked]:
        scaled = scaled_features(question.text, question.language, passages)
        parts = scaled * np.array([self.weights[name] for name in FEATURES])
        return [
            Reranked(float(row.sum()), {name: round(float(part), 4) for name, part in zip(FEATURES, row, strict=True)})
            for row in parts
        ]


def make(parameters: LocalParameters, _tools: Tools) -> LocalReranker:
    """Give the local reranker."""
    return LocalReranker(parameters.depth, False, committed_weights())


@cache
def committed_weights() -> Mapping[str, float]:
    """Give the weight of each feature that ships with the platform."""
    weights: Mapping[str, float] = json.loads(WEIGHTS.read_text(encoding="utf-8"))["weights"]
    return weights
