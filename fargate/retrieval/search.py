"""The search for one question: as wide as it takes until enough of what was found may be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from chalicelib.domain.identifiers import ChunkId
from chalicelib.domain.runs import Passage
from chalicelib.observability.stages import Stages
from chalicelib.ports.vectors import MAX_TOP_K, Hit, VectorIndex, VectorIndexName, VectorQuery
from fargate.retrieval.hydration import Hydration
from fargate.retrieval.query_cache import QueryCache, Scope
from fargate.retrieval.ranking import Ranked, Ranking

WIDEN_BY = 4
"""How many times more candidates each leg brings when too few of the last ones could be read."""
_ROWS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Search:
    """Everything a search needs; *query* says how many candidates each leg brings at first."""

    vectors: VectorIndex
    index: VectorIndexName
    query: VectorQuery
    ranking: Ranking
    hydration: Hydration
    stages: Stages
    cache: QueryCache
    scope: Scope

    def passages(self, top_k: int) -> list[Passage]:
        """
        Give the *top_k* best that may be read, best first; equal scores by chunk id.

        Chunks that are read in the same parent give one passage, where the best of them stands. Fewer only where the
        legs have no more to bring, or brought `MAX_TOP_K` candidates each.
        """
        candidates = min(max(self.query.top_k, top_k), MAX_TOP_K)
        unreadable: set[str] = set()
        while True:
            hits = self._hits(candidates)
            found = self._readable(hits, top_k, unreadable)
            if len(found) >= top_k or candidates == MAX_TOP_K or not _cut_off(hits, candidates):
                return found
            candidates = min(candidates * WIDEN_BY, MAX_TOP_K)

    def _hits(self, candidates: int) -> Sequence[Hit]:
        with self.stages.stage("search", index=self.index.name, top_k=candidates):
            return self.cache.hits(self.scope, self.vectors, self.index, replace(self.query, top_k=candidates))

    def _readable(self, hits: Sequence[Hit], top_k: int, unreadable: set[str]) -> list[Passage]:
        found: dict[tuple[str, int, int], Passage] = {}
        ranked = [one for one in self.ranking.order(hits) if one.hit.key not in unreadable]
        with self.stages.stage("hydrate", hits=len(ranked)):
            for batch in _batches(ranked, top_k):
                passages = self.hydration.passages(batch)
                unreadable.update(one.hit.key for one in batch if one.hit.key not in passages)
                for one in (passages[ChunkId(one.hit.key)] for one in batch if one.hit.key in passages):
                    found.setdefault((one.document_id, one.start, one.end), one)
                if len(found) >= top_k:
                    break
        return list(found.values())[:top_k]


def _batches(ranked: Sequence[Ranked], first: int) -> Iterator[Sequence[Ranked]]:
    """Give *first* hits, which as a rule is all that is needed, then the rest in larger pieces."""
    yield ranked[:first]
    for start in range(first, len(ranked), _ROWS_AT_ONCE):
        yield ranked[start : start + _ROWS_AT_ONCE]


def _cut_off(hits: Sequence[Hit], candidates: int) -> bool:
    """Say whether some leg brought all it was asked for, so that there may be more."""
    dense = sum(hit.dense_rank is not None for hit in hits)
    lexical = sum(hit.lexical_rank is not None for hit in hits)
    return max(dense, lexical) >= candidates
