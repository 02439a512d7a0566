"""Two rankings into one: pure functions over hits, and the registry that names them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

from pydantic import Field, model_validator

from chalicelib.contracts.components import ComponentKind
from chalicelib.ports.vectors import Hit
from fargate.retrieval.registry import Entry, Parameters, Registry, Tools
from fargate.retrieval.weights import CEILING, FLOOR, DenseWeight, by_agreement, by_shared_ranks

Scores = dict[str, float]
"""A score for each key; high is good."""


@dataclass(frozen=True, slots=True)
class Fused:
    """The scores of one question's hits, and how much the dense leg counted in them."""

    scores: Scores
    weight: DenseWeight


def auto(hits: Sequence[Hit], *, floor: float, ceiling: float) -> Fused:
    """
    Fuse as `convex` does, with the weight that `by_agreement` gives for this question.

    Where the store tells ranks only, fuse by `reciprocal_rank` with the weight of `by_shared_ranks`.
    """
    if _ranks_only(hits):
        weight = by_shared_ranks(hits)
        return Fused(reciprocal_rank(hits, dense_weight=weight.share), weight)
    weight = by_agreement(hits, floor=floor, ceiling=ceiling)
    return Fused(convex(hits, dense_weight=weight.share), weight)


def _ranks_only(hits: Sequence[Hit]) -> bool:
    """Say whether some leg brought a hit without telling its score."""
    return any(
        (hit.dense_rank is not None and hit.similarity is None)
        or (hit.lexical_rank is not None and hit.lexical_score is None)
        for hit in hits
    )


def convex(hits: Sequence[Hit], *, dense_weight: float) -> Scores:
    """
    Give each hit ``dense_weight × cosine + (1 − dense_weight) × BM25 / highest BM25``.

    The cosine stands as it is: it means the same for every question, so that a dense leg that finds nothing near, or
    tells nothing apart, counts for little by itself. The BM25 has no upper bound, so it is divided by the highest among
    *hits*. Where a leg does not know a hit, it is given the lowest cosine that is known, or a BM25 of 0.
    Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", TOIS 2023, section 4; they scale the
    cosine from its theoretical -1 to its highest value, which was no better on the sets measured here.
    """
    farthest = min((hit.similarity for hit in hits if hit.similarity is not None), default=0.0)
    highest = max((hit.lexical_score or 0.0 for hit in hits), default=0.0) or 1.0
    return {
        hit.key: dense_weight * (farthest if hit.similarity is None else hit.similarity)
        + (1 - dense_weight) * (hit.lexical_score or 0.0) / highest
        for hit in hits
    }


def reciprocal_rank(hits: Sequence[Hit], *, k: int = 60, dense_weight: float = 0.5) -> Scores:
    """
    Give each hit the sum of ``weight / (k + rank)`` over the legs that brought it, ranks from 1.

    Cormack, Clarke and Buettcher, SIGIR 2009, section 2; k as there. The weights of both legs add up to 1, so that at
    .5 the scores are half the paper's, in the same order.
    """
    return {
        hit.key: _reciprocal(hit.dense_rank, k) * dense_weight + _reciprocal(hit.lexical_rank, k) * (1 - dense_weight)
        for hit in hits
    }


def _reciprocal(rank: int | None, k: int) -> float:
    return 0.0 if rank is None else 1 / (k + rank)


class AutoParameters(Parameters):
    """Between which weights of the dense leg the agreement of both legs chooses."""

    floor: float = Field(FLOOR, ge=0, le=1, description="Share of the dense leg where the legs do not agree at all")
    ceiling: float = Field(CEILING, ge=0, le=1, description="Its share where they agree well; at least `floor`")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.floor > self.ceiling:
            raise ValueError("floor is above ceiling")
        return self


class ConvexParameters(Parameters):
    """How much the dense leg counts: 1 is dense alone, 0 lexical alone."""

    dense_weight: float = Field(0.6, ge=0, le=1, description="Share of the dense leg; the rest is the lexical leg's")


class ReciprocalRankParameters(Parameters):
    """How flat the weight of a rank is."""

    k: int = Field(60, ge=1, le=10_000, description="The higher, the less the first ranks stand out")
    dense_weight: float = Field(0.5, ge=0, le=1, description="Share of the dense leg; the rest is the lexical leg's")


Fuse = Callable[[Sequence[Hit]], Fused]


def _auto(parameters: AutoParameters, _tools: Tools) -> Fuse:
    return partial(auto, floor=parameters.floor, ceiling=parameters.ceiling)


def _convex(parameters: ConvexParameters, _tools: Tools) -> Fuse:
    weight = DenseWeight(parameters.dense_weight, _BY_RELEASE)
    return lambda hits: Fused(convex(hits, dense_weight=weight.share), weight)


def _reciprocal_rank(parameters: ReciprocalRankParameters, _tools: Tools) -> Fuse:
    weight = DenseWeight(parameters.dense_weight, _BY_RELEASE)
    return lambda hits: Fused(reciprocal_rank(hits, k=parameters.k, dense_weight=weight.share), weight)


_BY_RELEASE = "set by the release"

FUSIONS = Registry(
    ComponentKind.FUSION,
    [
        Entry("auto", "A weighted sum of both legs' scores; how far they agree sets the weight", _auto, AutoParameters),
        Entry("convex", "A weighted sum of both legs' scores", _convex, ConvexParameters),
        Entry(
            "rrf",
            "A weighted sum of reciprocal ranks; needs no scores",
            _reciprocal_rank,
            ReciprocalRankParameters,
        ),
    ],
)
