"""The hits of one question in order: of one leg or both, and of one wording or several."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pydantic import Field, JsonValue

from chalicelib.domain.releases import RetrievalSettings, Strategy
from chalicelib.domain.runs import Reasons
from chalicelib.ports.vectors import Hit
from fargate.retrieval.fusion import FUSIONS, Fuse
from fargate.retrieval.registry import Parameters, Tools
from fargate.retrieval.weights import DenseWeight

STRATEGIES: Mapping[Strategy, str] = {
    Strategy.DENSE: "Near in meaning: cosine of the embeddings",
    Strategy.LEXICAL: "The same words: BM25",
    Strategy.HYBRID: "Both, fused into one ranking",
}


class StrategyParameters(Parameters):
    """What every strategy can be told."""

    top_k: int = Field(10, ge=1, le=100, description="Passages in the end")
    candidates: int = Field(100, ge=1, le=1_000, description="How many each leg brings to the fusion")
    filter: dict[str, JsonValue] | None = Field(None, description="Narrows every question; S3 Vectors' filter language")


class Ranked(NamedTuple):
    """
    A hit in its place: *score* orders the passages; *weight* is None where only one leg searched.

    *found_by* are the wordings that brought it, counted from 1; *hit* is as the first of them saw it.
    """

    hit: Hit
    score: float
    weight: DenseWeight | None
    found_by: Sequence[int] = (1,)

    def reasons(self, rank: int | None = None) -> Reasons:
        """Say why it stands there, at *rank* of the ranking."""
        hit = self.hit
        return Reasons(
            dense_rank=hit.dense_rank,
            dense_score=hit.similarity,
            lexical_rank=hit.lexical_rank,
            lexical_score=hit.lexical_score,
            fused_score=self.score if self.weight else None,
            matched_terms=tuple(hit.matched_terms),
            dense_weight=round(self.weight.share, 4) if self.weight else None,
            weight_reason=self.weight.reason if self.weight else None,
            found_by=tuple(self.found_by),
            fused_rank=rank,
        )


@dataclass(frozen=True, slots=True)
class Ranking:
    """Orders the hits of one question."""

    strategy: Strategy
    fuse: Fuse
    unrelated: float = 0.0
    """What `EmbedderInfo` says; fused is how far a cosine is above it, as a share of how far it can be."""

    @classmethod
    def of(cls, settings: RetrievalSettings, unrelated: float = 0.0) -> Ranking:
        """Make it from a release's settings. Raises `InvalidRequest` for a fusion that does not exist."""
        return cls(settings.strategy, FUSIONS.make(settings.fusion, Tools()), unrelated)

    @property
    def dense(self) -> bool:
        """Say whether the dense leg searches."""
        return self.strategy is not Strategy.LEXICAL

    @property
    def lexical(self) -> bool:
        """Say whether the lexical leg searches."""
        return self.strategy is not Strategy.DENSE

    def order(self, found: Sequence[Sequence[Hit]]) -> list[Ranked]:
        """
        Give the hits best first; equal scores by key. *found* holds what each wording brought.

        With several wordings a hit's score is the mean of what it has in each; one that did not bring it counts as the
        lowest that it did bring. Scores of one kind are summed rather than ranks: Bruch, Gai and Ingber, TOIS 2023.
        """
        lists = [self._ranked(hits) for hits in found]
        ranked = lists[0] if len(lists) == 1 else _averaged(lists)
        return sorted(ranked, key=lambda one: (-one.score, one.hit.key))

    def _ranked(self, hits: Sequence[Hit]) -> list[Ranked]:
        if self.strategy is Strategy.DENSE:
            return [Ranked(hit, hit.similarity or 0.0, None) for hit in hits]
        if self.strategy is Strategy.LEXICAL:
            return [Ranked(hit, hit.lexical_score or 0.0, None) for hit in hits]
        fused = self.fuse([_above(hit, self.unrelated) for hit in hits] if self.unrelated else hits)
        return [Ranked(hit, fused.scores[hit.key], fused.weight) for hit in hits]


def without(found: Sequence[Hit], gone: Collection[str]) -> list[Hit]:
    """Give *found* without the keys *gone*, ranked as if those had never been."""
    dense = sorted(hit.dense_rank for hit in found if hit.key in gone and hit.dense_rank)
    lexical = sorted(hit.lexical_rank for hit in found if hit.key in gone and hit.lexical_rank)
    return [
        hit._replace(dense_rank=_closed_up(hit.dense_rank, dense), lexical_rank=_closed_up(hit.lexical_rank, lexical))
        for hit in found
        if hit.key not in gone
    ]


def _above(hit: Hit, unrelated: float) -> Hit:
    if hit.similarity is None:
        return hit
    return hit._replace(similarity=(hit.similarity - unrelated) / (1 - unrelated))


def _averaged(lists: Sequence[Sequence[Ranked]]) -> list[Ranked]:
    firsts: dict[str, Ranked] = {}
    found_by: defaultdict[str, list[int]] = defaultdict(list)
    totals: defaultdict[str, float] = defaultdict(float)
    absent = [min((one.score for one in ranked), default=0.0) for ranked in lists]
    for number, (ranked, lowest) in enumerate(zip(lists, absent, strict=True), 1):
        for one in ranked:
            firsts.setdefault(one.hit.key, one)
            found_by[one.hit.key].append(number)
            totals[one.hit.key] += one.score - lowest
    return [
        one._replace(score=(totals[key] + sum(absent)) / len(lists), found_by=found_by[key])
        for key, one in firsts.items()
    ]


def _closed_up(rank: int | None, gone: Sequence[int]) -> int | None:
    return None if rank is None else rank - sum(one < rank for one in gone)
