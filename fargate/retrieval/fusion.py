"""Two rankings into one: pure functions over hits, and the registry that names them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chalicelib.domain.indexes import Component
from chalicelib.errors import InvalidRequest
from chalicelib.ports.vectors import Hit

Scores = dict[str, float]
"""A score for each key; high is good."""


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


def reciprocal_rank(hits: Sequence[Hit], *, k: int = 60) -> Scores:
    """
    Give each hit the sum of ``1 / (k + rank)`` over the legs that brought it, ranks from 1.

    Cormack, Clarke and Buettcher, SIGIR 2009, section 2; k as there.
    """
    return {
        hit.key: sum(1 / (k + rank) for rank in (hit.dense_rank, hit.lexical_rank) if rank is not None) for hit in hits
    }


class ConvexParameters(BaseModel):
    """How much the dense leg counts: 1 is dense alone, 0 lexical alone."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    dense_weight: float = Field(0.6, ge=0, le=1, description="Share of the dense leg; the rest is the lexical leg's")


class ReciprocalRankParameters(BaseModel):
    """How flat the weight of a rank is."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    k: int = Field(60, ge=1, le=10_000, description="The higher, the less the first ranks stand out")


Fuse = Callable[[Sequence[Hit]], Scores]


@dataclass(frozen=True, slots=True)
class Fusion:
    """An entry of the registry."""

    name: str
    description: str
    parameters: type[BaseModel]
    function: Callable[..., Scores]


FUSIONS: Mapping[str, Fusion] = {
    fusion.name: fusion
    for fusion in (
        Fusion("convex", "A weighted sum of both legs' scores", ConvexParameters, convex),
        Fusion(
            "reciprocal_rank",
            "Sums reciprocal ranks; needs no scores, and both legs count alike",
            ReciprocalRankParameters,
            reciprocal_rank,
        ),
    )
}


def fusion_of(choice: Component) -> Fuse:
    """Give the function that *choice* names, with its parameters. Raises `InvalidRequest` for what is not known."""
    fusion = FUSIONS.get(choice.name)
    if fusion is None:
        raise InvalidRequest(f"There is no fusion {choice.name!r}; choose one of {', '.join(FUSIONS)}.")
    parameters = _parameters(fusion, choice.parameters)
    return lambda hits: fusion.function(hits, **parameters)


def _parameters(fusion: Fusion, given: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return fusion.parameters.model_validate(dict(given)).model_dump()
    except ValidationError as error:
        places = [{"loc": ["fusion", *found["loc"]], "msg": found["msg"]} for found in error.errors()]
        raise InvalidRequest(f"The parameters of fusion {fusion.name!r} do not fit; see its schema.", places) from error
