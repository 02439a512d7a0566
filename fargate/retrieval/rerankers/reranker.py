"""What every reranker does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from chalicelib.domain.runs import Passage
from fargate.retrieval.question import Question


@dataclass(frozen=True, slots=True)
class Reranked:
    """What a reranker says of one passage: a *score*, high is good, and the *features* it was made of."""

    score: float
    features: Mapping[str, float] = field(default_factory=dict)


class Reranker(Protocol):
    """Scores the best passages of a ranking anew."""

    @property
    def depth(self) -> int:
        """Say how many of the fused best it looks at; those behind keep their order, behind them."""
        ...

    @property
    def optional(self) -> bool:
        """Say whether a question goes on without it where a dependency of it fails."""
        ...

    async def rerank(self, question: Question, passages: Sequence[Passage]) -> Sequence[Reranked]:
        """
        Give a score for each of *passages*, in their order; comparable within this one question only.

        *question* stands alone. *passages* come best first, with the reasons of the fusion. Raises what its model
        raises.
        """
        ...
