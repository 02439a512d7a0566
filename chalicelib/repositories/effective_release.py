"""Which configuration answers a question: the release it names, or `live`, with the settings it overrides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from chalicelib.contracts.asking import AskFields, QueryRequest, RetrieveRequest
from chalicelib.contracts.release_settings import AnswerModel, RetrievalModel
from chalicelib.domain.access import Permission, Principal, Tenant, allows, may_use_index
from chalicelib.domain.identifiers import ReleaseId
from chalicelib.domain.indexes import Component
from chalicelib.domain.prompts import PromptVersion
from chalicelib.domain.releases import (
    DEFAULT_RERANKER,
    LIVE,
    GenerationSettings,
    Release,
    ReleaseConfig,
    ReleaseStatus,
    RetrievalSettings,
)
from chalicelib.errors import Forbidden, InvalidRequest, NotFound
from chalicelib.ports.clock import Clock
from chalicelib.repositories.indexes import Indexes
from chalicelib.repositories.prompts import Prompts
from chalicelib.repositories.releases import Releases


class EffectiveRelease:
    """Settles the release of a question, and writes down the ones that only a question made."""

    def __init__(self, releases: Releases, indexes: Indexes, prompts: Prompts, clock: Clock) -> None:
        self._releases = releases
        self._prompts = prompts
        self._indexes = indexes
        self._clock = clock

    def settle(
        self, principal: Principal, asked: AskFields, check: Callable[[Release], None] = lambda _: None
    ) -> Release:
        """
        Give the release that answers *asked*, stored under its id, so that the question can be repeated exactly.

        One that only this question makes is stored once *check* lets it pass. Raises `NotFound` for a release or index
        that is missing or out of reach, `InvalidRequest` where neither is named and the tenant has no live release, and
        `Forbidden` for settings that only an engineer may try out.
        """
        named = self._named(principal, asked)
        config = self._on_index(principal, named, asked.index)
        config = _with_overrides(principal, config, asked)
        config = pinned(principal.tenant, config, self._prompts)
        if named is not None and config == named.config:
            return named
        adhoc = Release(config, ReleaseStatus.ADHOC, self._clock.now(), principal.subject)
        check(adhoc)
        self._releases.add(principal.tenant, adhoc)
        return adhoc

    def get(self, principal: Principal, release_id: ReleaseId) -> Release:
        """Give a release that was settled before, if its index is within reach. Raises `NotFound`."""
        release = self._releases.get(principal.tenant, release_id)
        self._indexes.permitted(principal, release.config.index)
        return release

    def prompt(self, principal: Principal, release: Release) -> PromptVersion | None:
        """Give the prompt of a release that was settled; None for the built-in one."""
        reference = release.config.answer.prompt
        return None if reference is None else self._prompts.find(principal.tenant, reference)

    def prompt_called(self, principal: Principal, reference: str) -> PromptVersion:
        """Give the prompt that *reference* names now. Raises `NotFound`."""
        return self._prompts.find(principal.tenant, reference)

    def _named(self, principal: Principal, asked: AskFields) -> Release | None:
        if asked.release is not None:
            release = self._releases.resolve(principal.tenant, asked.release)
            if not may_use_index(principal, release.config.index):
                raise NotFound(f"There is no release {asked.release!r}.")
            return release
        live = self._releases.alias(principal.tenant, LIVE)
        return self._releases.get(principal.tenant, live) if live else None

    def _on_index(self, principal: Principal, named: Release | None, name: str | None) -> ReleaseConfig:
        if name is None:
            if named is None:
                raise InvalidRequest("Name an index: this tenant has no live release that would choose one.")
            if not may_use_index(principal, named.config.index):
                raise NotFound("There is no live release on an index within your reach; name an index.")
            self._indexes.permitted(principal, named.config.index)
            return named.config
        index = self._indexes.permitted(principal, name)
        if named is not None and named.config.index == index.name:
            return named.config
        built = index.generation
        if named is None:
            return ReleaseConfig(index.name, built.number, built.recipe)
        return replace(named.config, index=index.name, generation=built.number, recipe=built.recipe)


def pinned(tenant: Tenant, config: ReleaseConfig, prompts: Prompts) -> ReleaseConfig:
    """Give *config* with the version of its prompt in place of a label or the latest one. Raises `NotFound`."""
    reference = config.answer.prompt
    if reference is None:
        return config
    return replace(config, answer=replace(config.answer, prompt=prompts.find(tenant, reference).reference))


def _with_overrides(principal: Principal, config: ReleaseConfig, asked: AskFields) -> ReleaseConfig:
    retrieval, answer = config.retrieval, config.answer
    if isinstance(asked, RetrieveRequest):
        retrieval = _tried_out(principal, retrieval, asked.retrieval)
        retrieval = replace(retrieval, top_k=asked.top_k or retrieval.top_k)
    else:
        if isinstance(asked, QueryRequest):
            answer = _answer_tried_out(principal, answer, asked.answer)
        answer = replace(answer, passages=asked.top_k or answer.passages)
    if asked.strategy is not None:
        retrieval = replace(retrieval, strategy=asked.strategy)
    if asked.rerank is False:
        retrieval = replace(retrieval, reranker=Component("none"))
    elif asked.rerank and retrieval.reranker.name == "none":
        retrieval = replace(retrieval, reranker=DEFAULT_RERANKER)
    return replace(config, retrieval=retrieval, answer=answer)


def _tried_out(principal: Principal, settings: RetrievalSettings, tried: RetrievalModel | None) -> RetrievalSettings:
    if tried is None:
        return settings
    if not allows(principal, Permission.RELEASES_WRITE):
        raise Forbidden("Settings of retrieval can be tried out with the permission releases:write; name a release.")
    return tried.over(settings)


def _answer_tried_out(
    principal: Principal, settings: GenerationSettings, tried: AnswerModel | None
) -> GenerationSettings:
    if tried is None:
        return settings
    if not allows(principal, Permission.RELEASES_WRITE):
        raise Forbidden("Settings of answers can be tried out with the permission releases:write; name a release.")
    return tried.over(settings)
