"""The search for one question: as wide as it takes until enough of what was found may be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from chalicelib.domain.identifiers import ChunkId
from chalicelib.domain.runs import Passage
from chalicelib.observability.stages import Stages
from chalicelib.ports.vectors import MAX_TOP_K, Hit, VectorIndex, VectorIndexName, VectorQuery
from fargate.retrieval.hydration import Hydration
from fargate.retrieval.query_cache import QueryCache, Scope
from fargate.retrieval.ranking import Ranked, Ranking, without

WIDEN_BY = 4
"""How many times more candidates each leg brings when too few of the last ones could be read."""
_ROWS_AT_ONCE = 100

Found = Sequence[Sequence[Hit]]
"""What each wording brought."""


@dataclass(slots=True)
class Search:
    """
    Everything a search needs; *queries* are the wordings of the question, the main one first, all of one top_k.
    """

    vectors: VectorIndex
    index: VectorIndexName
    queries: Sequence[VectorQuery]
    ranking: Ranking
    hydration: Hydration
    stages: Stages
    cache: QueryCache
    scope: Scope
    _read: dict[ChunkId, Passage] = field(default_factory=dict)
    _gone: set[str] = field(default_factory=set)

    def passages(self, wanted: int) -> list[Passage]:
        """
        Give the *wanted* best that may be read, best first; equal scores by chunk id.

        Chunks that are read in the same parent give one passage, where the best of them stands. Fewer only where the
        legs have no more to bring, or brought `MAX_TOP_K` candidates each. What may not be read any more, though the
        store still has it, is left out before ranking, so that no rank or score tells of it.
        """
        candidates = min(max(self.queries[0].top_k, wanted), MAX_TOP_K)
        while True:
            found = self.found(candidates)
            passages = self._readable(found, wanted)
            if len(passages) >= wanted or candidates == MAX_TOP_K or not _cut_off(found, candidates):
                return passages
            candidates = min(candidates * WIDEN_BY, MAX_TOP_K)

    def ranked(self, candidates: int) -> list[Ranked]:
        """Give all that so many *candidates* of each leg come to, best first, whether it may be read or not."""
        return self.ranking.order([without(hits, self._gone) for hits in self.found(candidates)])

    def found(self, candidates: int) -> Found:
        """Give what each wording brings with so many *candidates* of each leg."""
        with self.stages.stage("search", index=self.index.name, top_k=candidates):
            return [
                self.cache.hits(self.scope, self.vectors, self.index, replace(query, top_k=candidates))
                for query in self.queries
            ]

    def _readable(self, found: Found, wanted: int) -> list[Passage]:
        with self.stages.stage("hydrate", wanted=wanted):
            while True:
                known_gone = len(self._gone)
                ranked = self.ranking.order([without(hits, self._gone) for hits in found] if known_gone else found)
                passages = self._first(ranked, wanted)
                if len(self._gone) == known_gone:
                    return passages

    def _first(self, ranked: Sequence[Ranked], wanted: int) -> list[Passage]:
        passages: dict[tuple[str, int, int], Passage] = {}
        for batch in _batches(ranked, wanted):
            self._look_up([one.hit for one in batch if ChunkId(one.hit.key) not in self._read])
            for one in batch:
                passage = self._read.get(ChunkId(one.hit.key))
                if passage is not None:
                    place = (passage.document_id, passage.start, passage.end)
                    passages.setdefault(place, _placed(passage, one, len(passages) + 1))
            if len(passages) >= wanted:
                break
        return list(passages.values())[:wanted]

    def _look_up(self, hits: Sequence[Hit]) -> None:
        if not hits:
            return
        read = self.hydration.passages(hits)
        self._read.update(read)
        self._gone.update(hit.key for hit in hits if ChunkId(hit.key) not in read)


def _batches(ranked: Sequence[Ranked], first: int) -> Iterator[Sequence[Ranked]]:
    """Give *first* hits, which as a rule is all that is needed, then the rest in larger pieces."""
    yield ranked[:first]
    for start in range(first, len(ranked), _ROWS_AT_ONCE):
        yield ranked[start : start + _ROWS_AT_ONCE]


def _placed(passage: Passage, ranked: Ranked, rank: int) -> Passage:
    return replace(passage, score=ranked.score, reasons=ranked.reasons(rank))


def _cut_off(found: Found, candidates: int) -> bool:
    """Say whether some leg brought all it was asked for, so that there may be more."""
    return any(
        max(
            sum(hit.dense_rank is not None for hit in hits),
            sum(hit.lexical_rank is not None for hit in hits),
        )
        >= candidates
        for hits in found
    )
