"""What a release says about ranking, made ready to run: which legs search, and how their hits are ordered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from chalicelib.domain.releases import RetrievalSettings, Strategy
from chalicelib.domain.runs import Reasons
from chalicelib.errors import InvalidRequest
from chalicelib.ports.vectors import Hit
from fargate.retrieval.fusion import Scores, fusion_of

STRATEGIES: Mapping[Strategy, str] = {
    Strategy.DENSE: "Near in meaning: cosine of the embeddings",
    Strategy.LEXICAL: "The same words: BM25",
    Strategy.HYBRID: "Both, fused into one ranking",
}
RERANKERS: Mapping[str, str] = {"none": "Leave the ranking as it is"}


@dataclass(frozen=True, slots=True)
class Ranked:
    """A hit in its place: *score* orders the passages, *fused_score* is None where only one leg searched."""

    hit: Hit
    score: float
    fused_score: float | None

    def reasons(self) -> Reasons:
        """Say why it stands there."""
        hit = self.hit
        return Reasons(
            dense_rank=hit.dense_rank,
            dense_score=hit.similarity,
            lexical_rank=hit.lexical_rank,
            lexical_score=hit.lexical_score,
            fused_score=self.fused_score,
            matched_terms=tuple(hit.matched_terms),
        )


@dataclass(frozen=True, slots=True)
class Ranking:
    """Orders the hits of one question."""

    strategy: Strategy
    _score: Callable[[Sequence[Hit]], Scores]

    @classmethod
    def of(cls, settings: RetrievalSettings) -> Ranking:
        """Make it from a release's settings. Raises `InvalidRequest` for a component that does not exist."""
        if settings.reranker.name not in RERANKERS:
            known = ", ".join(RERANKERS)
            raise InvalidRequest(f"There is no reranker {settings.reranker.name!r}; choose one of {known}.")
        fuse = fusion_of(settings.fusion)
        return cls(settings.strategy, fuse if settings.strategy is Strategy.HYBRID else _LEGS[settings.strategy])

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
        scores = self._score(hits)
        fused = self.strategy is Strategy.HYBRID
        ranked = [Ranked(hit, scores[hit.key], scores[hit.key] if fused else None) for hit in hits]
        return sorted(ranked, key=lambda one: (-one.score, one.hit.key))


def _cosines(hits: Sequence[Hit]) -> Scores:
    return {hit.key: hit.similarity or 0.0 for hit in hits}


def _bm25s(hits: Sequence[Hit]) -> Scores:
    return {hit.key: hit.lexical_score or 0.0 for hit in hits}


_LEGS = {Strategy.DENSE: _cosines, Strategy.LEXICAL: _bm25s}
