"""The retrieval service: a question in, ranked and permitted passages out."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any

from chalicelib.contracts.asking import (
    AskFields,
    RetrieveRequest,
    RetrieveResponse,
    SearchRequest,
    SearchResponse,
)
from chalicelib.contracts.components import ComponentKind, Components, ComponentView
from chalicelib.contracts.rendering import passage_views
from chalicelib.domain.access import Principal
from chalicelib.domain.filters import Filter, all_of, parse_filter, readable_by
from chalicelib.domain.identifiers import Entropy, ReleaseId, RunId, new_id
from chalicelib.domain.releases import Release, RetrievalSettings
from chalicelib.domain.runs import Passage, Run, RunKind
from chalicelib.errors import Unavailable
from chalicelib.observability.spans import current_trace_id
from chalicelib.observability.stages import Stages
from chalicelib.ports.clock import Clock
from chalicelib.ports.models import Embedder, Purpose
from chalicelib.ports.vectors import VectorIndex, VectorQuery
from chalicelib.repositories import keys
from chalicelib.repositories.chunks import Chunks
from chalicelib.repositories.documents import Documents
from chalicelib.repositories.effective_release import EffectiveRelease
from chalicelib.repositories.runs import Runs
from fargate.retrieval.fusion import FUSIONS
from fargate.retrieval.hydration import Hydration
from fargate.retrieval.query_cache import QueryCache, Scope
from fargate.retrieval.ranking import RERANKERS, STRATEGIES, Ranking
from fargate.retrieval.search import Search
from fargate.retrieval.transforms import TRANSFORMS, transform_of


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
        clock: Clock,
        entropy: Entropy = secrets.token_bytes,
    ) -> None:
        self._documents = documents
        self._chunks = chunks
        self._runs = runs
        self._releases = releases
        self._vectors = vectors
        self._embedders = embedders
        self._clock = clock
        self._entropy = entropy
        self._cache = QueryCache()

    async def retrieve(self, principal: Principal, request: RetrieveRequest) -> RetrieveResponse:
        """See `Retriever.retrieve`."""
        stages = Stages("retrieval", self._clock.monotonic)
        release = await self._settle(principal, request, stages)
        wanted = _parsed(request.filter)
        search = await self._search(principal, release, request.question, wanted, stages)

        def find() -> RetrieveResponse:
            found = search.passages(release.config.retrieval.top_k)
            run = self._run(principal, request, search, found, stages.timings_ms())
            self._runs.add(principal.tenant, run)
            return RetrieveResponse(
                run_id=run.run_id,
                release=run.release_id,
                passages=passage_views(found, explain=request.explain),
                timings_ms=dict(run.timings_ms),
            )

        return await asyncio.to_thread(find)  # all in one: each time a thread is waited for costs .2 ms

    async def search(self, principal: Principal, request: SearchRequest) -> SearchResponse:
        """See `Retriever.search`."""
        stages = Stages("retrieval", self._clock.monotonic)
        wanted = _parsed(request.filter)
        with stages.stage("settle"):
            release = await asyncio.to_thread(self._releases.get, principal, ReleaseId(request.release))
        config = release.config
        reword = transform_of(config.retrieval.transform)
        question = reword(request.question, request.conversation, config.recipe.language)
        search = await self._search(principal, release, question, wanted, stages)
        found = await asyncio.to_thread(search.passages, request.top_k)
        return SearchResponse(passages=passage_views(found, explain=True), timings_ms=stages.timings_ms())

    async def components(self) -> Components:
        """See `Retriever.components`."""
        return Components(items=_components())

    async def _settle(self, principal: Principal, request: AskFields, stages: Stages) -> Release:
        _parsed(request.filter)  # a question that cannot be asked leaves no release behind
        with stages.stage("settle"):
            return await asyncio.to_thread(self._releases.settle, principal, request)

    async def _search(
        self, principal: Principal, release: Release, question: str, wanted: Filter | None, stages: Stages
    ) -> Search:
        """Give the search for *question*, its vector made."""
        config = release.config
        ranking = Ranking.of(config.retrieval)
        scope = Scope.of(principal, release.release_id)
        query = VectorQuery(
            top_k=config.retrieval.candidates,
            vector=await self._embed(config.recipe.embedder.name, question, scope, stages) if ranking.dense else None,
            text=question if ranking.lexical else None,
            filter=all_of(readable_by(principal.reading_groups), wanted),
        )
        index = keys.vector_index(principal.tenant, config.index, config.generation)
        hydration = Hydration(self._documents, self._chunks, principal, config.index, config.generation)
        return Search(self._vectors, index, query, ranking, hydration, stages, self._cache, scope)

    async def _embed(self, name: str, question: str, scope: Scope, stages: Stages) -> bytes:
        embedder = self._embedders.get(name)
        if embedder is None:
            raise Unavailable(f"The embedder {name!r} does not run here; ask with strategy lexical, or start it.")
        with stages.stage("embed", embedder=name):
            vector = self._cache.vector(scope, question)
            if vector is None:
                (vector,) = (await embedder.embed([question], Purpose.QUERY)).vectors
                self._cache.keep_vector(scope, question, vector)
            return vector

    def _run(
        self,
        principal: Principal,
        request: RetrieveRequest,
        search: Search,
        found: list[Passage],
        timings_ms: Mapping[str, float],
    ) -> Run:
        now = self._clock.now()
        return Run(
            run_id=RunId(new_id("run", now, self._entropy)),
            kind=RunKind.RETRIEVE,
            created_at=now,
            created_by=principal.subject,
            index=search.hydration.index,
            release_id=search.scope.release,
            question=request.question,
            passages=found,
            request=request.model_dump(mode="json"),
            timings_ms=timings_ms,
            trace_id=current_trace_id() or "",
        )


def _parsed(raw: Mapping[str, Any] | None) -> Filter | None:
    return parse_filter(raw) if raw is not None else None


def _components() -> list[ComponentView]:
    default = RetrievalSettings()
    strategies = [
        ComponentView(kind=ComponentKind.STRATEGY, name=name, description=description, default=name is default.strategy)
        for name, description in STRATEGIES.items()
    ]
    fusions = [
        ComponentView(
            kind=ComponentKind.FUSION,
            name=fusion.name,
            description=fusion.description,
            parameters=fusion.parameters.model_json_schema(),
            default=fusion.name == default.fusion.name,
        )
        for fusion in FUSIONS.values()
    ]
    rerankers = [
        ComponentView(
            kind=ComponentKind.RERANKER, name=name, description=description, default=name == default.reranker.name
        )
        for name, description in RERANKERS.items()
    ]
    transforms = [
        ComponentView(
            kind=ComponentKind.TRANSFORM, name=name, description=one.description, default=name == default.transform.name
        )
        for name, one in TRANSFORMS.items()
    ]
    return strategies + transforms + fusions + rerankers
