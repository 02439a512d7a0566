"""Which configuration answers a question: the release it names, or `live`, with the settings it overrides."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.contracts.asking import AskFields, QueryRequest
from chalicelib.domain.access import Principal
from chalicelib.domain.identifiers import ReleaseId
from chalicelib.domain.indexes import Component
from chalicelib.domain.releases import LIVE, Release, ReleaseConfig, ReleaseStatus
from chalicelib.errors import InvalidRequest
from chalicelib.ports.clock import Clock
from chalicelib.repositories.indexes import Indexes
from chalicelib.repositories.releases import Releases


class EffectiveRelease:
    """Settles the release of a question, and writes down the ones that only a question made."""

    def __init__(self, releases: Releases, indexes: Indexes, clock: Clock) -> None:
        self._releases = releases
        self._indexes = indexes
        self._clock = clock

    def settle(self, principal: Principal, asked: AskFields) -> Release:
        """
        Give the release that answers *asked*, stored under its id, so that the question can be repeated exactly.

        Raises `NotFound` for a release or index that is missing or out of reach, `InvalidRequest` where neither is
        named and the tenant has no live release, or where a setting is asked for that the release cannot give.
        """
        named = self._named(principal, asked)
        config = self._on_index(principal, named, asked.index)
        config = _with_overrides(config, asked)
        if named is not None and config == named.config:
            return named
        adhoc = Release(config, ReleaseStatus.ADHOC, self._clock.now(), principal.subject)
        self._releases.add(principal.tenant, adhoc)
        return adhoc

    def get(self, principal: Principal, release_id: ReleaseId) -> Release:
        """Give a release that was settled before, if its index is within reach. Raises `NotFound`."""
        release = self._releases.get(principal.tenant, release_id)
        self._indexes.permitted(principal, release.config.index)
        return release

    def _named(self, principal: Principal, asked: AskFields) -> Release | None:
        if asked.release is not None:
            return self._releases.resolve(principal.tenant, asked.release)
        live = self._releases.alias(principal.tenant, LIVE)
        return self._releases.get(principal.tenant, live) if live else None

    def _on_index(self, principal: Principal, named: Release | None, name: str | None) -> ReleaseConfig:
        if name is None:
            if named is None:
                raise InvalidRequest("Name an index: this tenant has no live release that would choose one.")
            self._indexes.permitted(principal, named.config.index)
            return named.config
        index = self._indexes.permitted(principal, name)
        if named is not None and named.config.index == index.name:
            return named.config
        built = index.generation
        if named is None:
            return ReleaseConfig(index.name, built.number, built.recipe)
        return replace(named.config, index=index.name, generation=built.number, recipe=built.recipe)


def _with_overrides(config: ReleaseConfig, asked: AskFields) -> ReleaseConfig:
    retrieval = config.retrieval
    if asked.strategy is not None:
        retrieval = replace(retrieval, strategy=asked.strategy)
    if asked.top_k is not None and not isinstance(asked, QueryRequest):
        retrieval = replace(retrieval, top_k=asked.top_k)
    if asked.rerank is False:
        retrieval = replace(retrieval, reranker=Component("none"))
    if asked.rerank and retrieval.reranker.name == "none":
        raise InvalidRequest("rerank: this release has no reranker; name a release that has one, or leave it out.")
    answer = config.answer
    if asked.top_k is not None and isinstance(asked, QueryRequest):
        answer = replace(answer, passages=asked.top_k)
    return replace(config, retrieval=retrieval, answer=answer)
