"""One question on its way through the steps of its release, from its wordings to its passages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from pydantic import JsonValue

from chalicelib.domain.filters import to_json
from chalicelib.domain.identifiers import ChunkId
from chalicelib.domain.runs import Passage, Wording
from chalicelib.observability.stages import Stages
from chalicelib.ports.vectors import MAX_GET
from fargate.retrieval.model_calls import FAILURES
from fargate.retrieval.pipeline import Pipeline
from fargate.retrieval.question import Question
from fargate.retrieval.search import Search
from fargate.retrieval.transforms import Reworded

ResultT = TypeVar("ResultT")


@dataclass(slots=True)
class Inquiry:
    """A question that is *reworded*, embedded and ready to be searched; *degraded* grows by what has to be left out."""

    question: Question
    reworded: Reworded
    pipeline: Pipeline
    search: Search
    stages: Stages
    top_k: int
    degraded: list[str] = field(default_factory=list)

    @property
    def narrowed_by(self) -> dict[str, JsonValue] | None:
        """The filters of question and release together."""
        wanted = self.search.queries[0].filter
        return to_json(wanted) if wanted is not None else None

    @property
    def searched(self) -> Sequence[Wording]:
        """The wordings that are searched."""
        return self.reworded.wordings

    async def passages(self, then: Callable[[list[Passage]], ResultT]) -> ResultT:
        """
        Find the passages, best first, and give what *then* makes of them, in a thread.

        Without a reranker all is done in one visit to a thread: each time one is waited for costs .2 ms.
        """
        pool = self.pipeline.pool(self.top_k)
        if self.pipeline.reranker is None:
            return await asyncio.to_thread(lambda: then(self.shaped(self.search.passages(pool))))
        reranked = await self.reranked(await asyncio.to_thread(self.search.passages, pool))
        return await asyncio.to_thread(lambda: then(self.shaped(reranked)))

    async def reranked(self, pool: Sequence[Passage]) -> list[Passage]:
        """Give *pool* with its first *depth* in the reranker's order, equal scores by chunk id."""
        reranker = self.pipeline.reranker
        if reranker is None or not pool:
            return list(pool)
        first, rest = pool[: reranker.depth], pool[reranker.depth :]
        try:
            with self.stages.stage("rerank", passages=len(first)):
                scored = await reranker.rerank(replace(self.question, text=self.reworded.main), first)
        except FAILURES as error:
            if not reranker.optional:
                raise
            self.degraded.append(f"reranker: it failed ({error.code})")
            return list(pool)
        placed = [
            replace(
                passage,
                score=one.score,
                reasons=replace(passage.reasons, rerank_score=one.score, rerank_features=one.features),
            )
            for passage, one in zip(first, scored, strict=True)
        ]
        return [*sorted(placed, key=lambda one: (-one.score, one.chunk_id)), *rest]

    def shaped(self, pool: Sequence[Passage]) -> list[Passage]:
        """Give the best *top_k* of *pool*, diversified and with what is read around them."""
        with self.stages.stage("shape", pool=len(pool)):
            ordered = self.pipeline.diversity.order(pool, self._vectors)
            return self.pipeline.expansion.expand(ordered, self.top_k, self.search.hydration.neighbours)

    def _vectors(self, names: Sequence[ChunkId]) -> Mapping[ChunkId, bytes]:
        search = self.search
        batches = [names[start : start + MAX_GET] for start in range(0, len(names), MAX_GET)]
        records = [record for batch in batches for record in search.vectors.get(search.index, batch)]
        return {ChunkId(record.key): record.vector for record in records}
