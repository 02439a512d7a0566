"""Passages that say what one before them says make room for others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from chalicelib.contracts.components import ComponentKind
from chalicelib.domain.identifiers import ChunkId
from chalicelib.domain.runs import Passage
from fargate.retrieval.registry import Entry, Parameters, Registry, Tools

Vectors = Callable[[Sequence[ChunkId]], Mapping[ChunkId, bytes]]
"""Gives the vectors of at most `MAX_GET` chunks, packed as in `VectorRecord`."""


class MmrParameters(Parameters):
    """How much relevance counts against novelty, and among how many passages is chosen."""

    relevance: float = Field(0.7, ge=0, le=1, description="1 keeps the ranking, 0 looks at novelty alone")
    pool: int = Field(50, ge=2, le=100, description="The best so many are ordered anew; the rest stay behind them")


@dataclass(frozen=True, slots=True)
class Diversity:
    """Orders a ranking's first *pool* passages anew; 0 leaves all as they are."""

    pool: int
    _order: Callable[[Sequence[Passage], Vectors], list[Passage]]

    def order(self, passages: Sequence[Passage], vectors: Vectors) -> list[Passage]:
        """Give the same passages, best first."""
        return [*self._order(passages[: self.pool], vectors), *passages[self.pool :]]


def maximal_marginal_relevance(
    scores: Sequence[float], vectors: NDArray[np.float32], *, relevance: float
) -> list[tuple[int, float]]:
    """
    Give the places of all passages in the order of choosing, each with its highest cosine to one chosen before it.

    Chosen next is the highest ``relevance × score − (1 − relevance) × that cosine``, scores scaled to 0 to 1; equal
    ones in their order. *vectors* (one row a passage) have length 1. The first chosen has nothing before it: 0.
    Carbonell and Goldstein, SIGIR 1998; the scaling is ours, since fused and reranked scores are no cosines.
    """
    scaled = _scaled(scores)
    redundancy = np.zeros(len(scaled))
    left = np.ones(len(scaled), bool)
    chosen: list[tuple[int, float]] = []
    while left.any():
        marginal = np.where(left, relevance * scaled - (1 - relevance) * redundancy, -np.inf)
        best = int(marginal.argmax())
        chosen.append((best, float(redundancy[best])))
        left[best] = False
        cosines = (vectors @ vectors[best]).astype(np.float64)
        redundancy = cosines if len(chosen) == 1 else np.maximum(redundancy, cosines)
    return chosen


def _scaled(scores: Sequence[float]) -> NDArray[np.float64]:
    values = np.asarray(scores, np.float64)
    span = np.ptp(values) if len(values) else 0.0
    return np.ones(len(values)) if span == 0 else (values - values.min()) / span


def _mmr(parameters: MmrParameters, _tools: Tools) -> Diversity:
    def order(passages: Sequence[Passage], vectors: Vectors) -> list[Passage]:
        known = vectors([one.chunk_id for one in passages])
        present = [one for one in passages if one.chunk_id in known]
        if not present:
            return list(passages)
        matrix = np.stack([np.frombuffer(known[one.chunk_id], "<f4") for one in present])
        chosen = maximal_marginal_relevance([one.score for one in present], matrix, relevance=parameters.relevance)
        ordered = [_noted(present[place], redundancy) for place, redundancy in chosen]
        return ordered + [one for one in passages if one.chunk_id not in known]

    return Diversity(parameters.pool, order)


def _noted(passage: Passage, redundancy: float) -> Passage:
    return replace(passage, reasons=replace(passage.reasons, redundancy=round(redundancy, 4)))


def _none(_parameters: Parameters, _tools: Tools) -> Diversity:
    return Diversity(0, lambda passages, _vectors: list(passages))


DIVERSITIES = Registry(
    ComponentKind.DIVERSITY,
    [
        Entry(
            "mmr", "Each passage is weighed against those before it (maximal marginal relevance)", _mmr, MmrParameters
        ),
        Entry("none", "Leave the ranking as it is", _none),
    ],
)
