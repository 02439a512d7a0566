"""The retrieval service: a question in, ranked and permitted passages out."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from chalicelib.contracts.asking import (
    RetrieveRequest,
    RetrieveResponse,
    SearchRequest,
    SearchResponse,
    WordingView,
)
from chalicelib.contracts.components import Components
from chalicelib.contracts.explanations import Explanation, ExplanationRequest
from chalicelib.contracts.releases import Checked, RetrievalCheck
from chalicelib.contracts.rendering import passage_views, recorded
from chalicelib.domain.access import Principal
from chalicelib.domain.filters import Filter, all_of, parse_filter, readable_by
from chalicelib.domain.identifiers import Entropy, ReleaseId, RunId, new_id
from chalicelib.domain.releases import Release
from chalicelib.domain.runs import Passage, Run, RunKind, Wording
from chalicelib.errors import Unavailable
from chalicelib.observability.spans import current_span_id, current_trace_id
from chalicelib.observability.stages import Stages
from chalicelib.ports.clock import Clock
from chalicelib.ports.models import Embedder
from chalicelib.ports.services import ModelGateway
from chalicelib.ports.vectors import VectorIndex, VectorQuery
from chalicelib.repositories import keys
from chalicelib.repositories.chunks import Chunks
from chalicelib.repositories.documents import Documents
from chalicelib.repositories.effective_release import EffectiveRelease
from chalicelib.repositories.runs import Runs
from fargate.retrieval.explaining import explain
from fargate.retrieval.hydration import Hydration
from fargate.retrieval.inquiry import Inquiry
from fargate.retrieval.meaning import Meaning
from fargate.retrieval.pipeline import Pipeline, components
from fargate.retrieval.query_cache import QueryCache, Scope
from fargate.retrieval.question import Question
from fargate.retrieval.registry import Tools
from fargate.retrieval.search import Search
from fargate.retrieval.transforms import Reworded


class RetrievalService:
    """See `ports.services.Retriever`."""

    def __init__(
        self,
        *,
        documents: Documents,
        chunks: Chunks,
        runs: Runs,
        releases: EffectiveRelease,
        vectors: VectorIndex,
        embedders: Mapping[str, Embedder],
        gateway: ModelGateway | None = None,
        clock: Clock,
        entropy: Entropy = secrets.token_bytes,
    ) -> None:
        self._documents = documents
        self._chunks = chunks
        self._runs = runs
        self._releases = releases
        self._vectors = vectors
        self._tools = Tools(embedders, gateway)
        self._clock = clock
        self._entropy = entropy
        self._cache = QueryCache()

    async def retrieve(self, principal: Principal, request: RetrieveRequest) -> RetrieveResponse:
        """See `Retriever.retrieve`."""
        stages = Stages("retrieval", self._clock.monotonic)
        wanted = _parsed(request.filter)  # a question that cannot be asked leaves no release behind
        with stages.stage("settle"):
            release = await asyncio.to_thread(self._releases.settle, principal, request, self._check)
        question = Question(principal, request.question, request.conversation, release.config.recipe.language)
        inquiry = await self._inquiry(question, release, wanted, stages, release.config.retrieval.top_k)

        def stored(found: list[Passage]) -> RetrieveResponse:
            run = self._run(request, inquiry, found)
            self._runs.add(principal.tenant, run)
            return RetrieveResponse(
                run_id=run.run_id,
                release=run.release_id,
                passages=passage_views(found, explain=request.explain),
                timings_ms=dict(run.timings_ms),
                searched=_wordings(inquiry),
                degraded=list(inquiry.degraded),
                narrowed_by=inquiry.narrowed_by,
            )

        return await inquiry.passages(stored)

    async def search(self, principal: Principal, request: SearchRequest) -> SearchResponse:
        """See `Retriever.search`."""
        stages = Stages("retrieval", self._clock.monotonic)
        wanted = _parsed(request.filter)
        with stages.stage("settle"):
            release = await asyncio.to_thread(self._releases.get, principal, ReleaseId(request.release))
        question = Question(principal, request.question, request.conversation, release.config.recipe.language)
        inquiry = await self._inquiry(question, release, wanted, stages, request.top_k)
        found = await inquiry.passages(lambda passages: passages)
        return SearchResponse(
            passages=passage_views(found, explain=True),
            timings_ms=stages.timings_ms(),
            searched=_wordings(inquiry),
            degraded=list(inquiry.degraded),
            narrowed_by=inquiry.narrowed_by,
        )

    async def explain(self, principal: Principal, request: ExplanationRequest) -> Explanation:
        """See `Retriever.explain`."""
        release = await asyncio.to_thread(self._releases.get, principal, ReleaseId(request.release))
        stages = Stages("retrieval", self._clock.monotonic)
        wordings = [view.entity() for view in request.searched] or [Wording(request.question)]
        question = Question(principal, request.question, (), release.config.recipe.language)
        wanted = _parsed(request.filter)
        inquiry = await self._inquiry(question, release, wanted, stages, request.top_k, Reworded(wordings))
        return await explain(inquiry, request, release, wanted)

    async def check(self, principal: Principal, request: RetrievalCheck) -> Checked:  # noqa: ARG002  anybody may ask it
        """See `Retriever.check`."""
        Pipeline.of(request.config(), self._tools)
        return Checked()

    async def components(self) -> Components:
        """See `Retriever.components`."""
        return Components(items=list(components()))

    def _check(self, release: Release) -> None:
        """Refuse a release that only this question would make, before it is written down."""
        Pipeline.of(release.config, self._tools)

    async def _inquiry(
        self,
        question: Question,
        release: Release,
        wanted: Filter | None,
        stages: Stages,
        top_k: int,
        reworded: Reworded | None = None,
    ) -> Inquiry:
        """Give the inquiry with its question reworded, unless it is, and its vectors made."""
        config = release.config
        pipeline = Pipeline.of(config, self._tools)
        if reworded is None:
            with stages.stage("reword", transform=config.retrieval.transform.name):
                reworded = await pipeline.reword(question)
        principal = question.asked_by
        scope = Scope.of(principal, release.release_id)
        query = VectorQuery(
            top_k=config.retrieval.candidates,
            filter=_both(wanted, _parsed(config.retrieval.filter)),
            within=readable_by(principal.reading_groups),
        )
        if pipeline.ranking.dense:
            meaning = Meaning(self._embedder(config.recipe.embedder.name), self._cache, scope, stages)
            vectors: Sequence[bytes | None] = await meaning.vectors(reworded.wordings)
        else:
            vectors = [None] * len(reworded.wordings)
        texts = [one.text if pipeline.ranking.lexical else None for one in reworded.wordings]
        search = Search(
            vectors=self._vectors,
            index=keys.vector_index(principal.tenant, config.index, config.generation),
            queries=[replace(query, vector=vector, text=text) for vector, text in zip(vectors, texts, strict=True)],
            ranking=pipeline.ranking,
            hydration=Hydration(self._documents, self._chunks, principal, config.index, config.generation),
            stages=stages,
            cache=self._cache,
            scope=scope,
        )
        return Inquiry(question, reworded, pipeline, search, stages, top_k, list(reworded.degraded))

    def _embedder(self, name: str) -> Embedder:
        embedder = self._tools.embedders.get(name)
        if embedder is None:
            raise Unavailable(f"The embedder {name!r} does not run here; ask with strategy lexical, or start it.")
        return embedder

    def _run(self, request: RetrieveRequest, inquiry: Inquiry, found: list[Passage]) -> Run:
        now = self._clock.now()
        return Run(
            run_id=RunId(new_id("run", now, self._entropy)),
            kind=RunKind.RETRIEVE,
            created_at=now,
            created_by=inquiry.question.asked_by.subject,
            index=inquiry.search.hydration.index,
            release_id=inquiry.search.scope.release,
            question=request.question,
            passages=found,
            request=recorded(request),
            timings_ms=inquiry.stages.timings_ms(),
            trace_id=current_trace_id() or "",
            span_id=current_span_id(),
            searched=inquiry.searched,
            degraded=tuple(inquiry.degraded),
            narrowed_by=inquiry.narrowed_by,
        )


def _parsed(raw: Mapping[str, Any] | None) -> Filter | None:
    return parse_filter(raw) if raw is not None else None


def _both(first: Filter | None, second: Filter | None) -> Filter | None:
    return all_of(first, second) if first is not None else second


def _wordings(inquiry: Inquiry) -> list[WordingView]:
    return [WordingView.model_validate(one) for one in inquiry.searched]
