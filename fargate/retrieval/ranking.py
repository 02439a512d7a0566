"""What a release says about ranking, made ready to run: which legs search, and how their hits are ordered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chalicelib.domain.releases import RetrievalSettings, Strategy
from chalicelib.domain.runs import Reasons
from chalicelib.errors import InvalidRequest
from chalicelib.ports.vectors import Hit
from fargate.retrieval.fusion import Fuse, fusion_of
from fargate.retrieval.weights import DenseWeight

STRATEGIES: Mapping[Strategy, str] = {
    Strategy.DENSE: "Near in meaning: cosine of the embeddings",
    Strategy.LEXICAL: "The same words: BM25",
    Strategy.HYBRID: "Both, fused into one ranking",
}
RERANKERS: Mapping[str, str] = {"none": "Leave the ranking as it is"}


@dataclass(frozen=True, slots=True)
class Ranked:
    """A hit in its place: *score* orders the passages; *weight* is None where only one leg searched."""

    hit: Hit
    score: float
    weight: DenseWeight | None

    def reasons(self) -> Reasons:
        """Say why it stands there."""
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
        )


@dataclass(frozen=True, slots=True)
class Ranking:
    """Orders the hits of one question."""

    strategy: Strategy
    _fuse: Fuse

    @classmethod
    def of(cls, settings: RetrievalSettings) -> Ranking:
        """Make it from a release's settings. Raises `InvalidRequest` for a component that does not exist."""
        if settings.reranker.name not in RERANKERS:
            known = ", ".join(RERANKERS)
            raise InvalidRequest(f"There is no reranker {settings.reranker.name!r}; choose one of {known}.")
        return cls(settings.strategy, fusion_of(settings.fusion))

    @property
    def dense(self) -> bool:
        """Say whether the dense leg searches."""
        return self.strategy is not Strategy.LEXICAL

    @property
    def lexical(self) -> bool:
        """Say whether the lexical leg searches."""
        return self.strategy is not Strategy.DENSE

    def order(self, hits: Sequence[Hit]) -> list[Ranked]:
        """Give *hits* best first; equal scores by key."""
        return sorted(self._ranked(hits), key=lambda one: (-one.score, one.hit.key))

    def _ranked(self, hits: Sequence[Hit]) -> list[Ranked]:
        if self.strategy is Strategy.DENSE:
            return [Ranked(hit, hit.similarity or 0.0, None) for hit in hits]
        if self.strategy is Strategy.LEXICAL:
            return [Ranked(hit, hit.lexical_score or 0.0, None) for hit in hits]
        fused = self._fuse(hits)
        return [Ranked(hit, fused.scores[hit.key], fused.weight) for hit in hits]
