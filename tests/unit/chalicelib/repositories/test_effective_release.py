"""Which configuration answers a question, and under which id it is written down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chalicelib.adapters.sqlite_table import SqliteTable
from chalicelib.contracts.asking import AskFields, QueryRequest, RetrieveRequest
from chalicelib.domain.access import Principal, Role, Tenant
from chalicelib.domain.identifiers import ReleaseId, TenantId
from chalicelib.domain.indexes import Component, Generation, GenerationStatus, Index, Recipe
from chalicelib.domain.releases import (
    DEFAULT_RERANKER,
    Release,
    ReleaseConfig,
    ReleaseStatus,
    RetrievalSettings,
    Strategy,
)
from chalicelib.errors import Forbidden, InvalidRequest, NotFound
from chalicelib.ports.table import Table
from chalicelib.repositories.effective_release import EffectiveRelease
from chalicelib.repositories.indexes import Indexes
from chalicelib.repositories.prompts import Prompts
from chalicelib.repositories.releases import Releases
from tests.fakes.clock import HandClock
from tests.fakes.releases import go_live

ACME = Tenant(TenantId("acme"))
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ADA = Principal(ACME, "ada", frozenset({Role.READER}))
NARROWED = replace(ADA, indexes=frozenset({"wiki"}))
GERMAN = Recipe(language="de")
CONFIG = ReleaseConfig("handbook", 1, Recipe(), RetrievalSettings(strategy=Strategy.DENSE, top_k=7))


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Table]:
    table = SqliteTable(tmp_path / "table.sqlite", HandClock(NOW))
    yield table
    table.close()


@pytest.fixture
def releases(table: Table) -> Releases:
    """Two indexes, `handbook` and `wiki`, and the live release of the first."""
    indexes = Indexes(table)
    for name, recipe, number in (("handbook", Recipe(), 1), ("wiki", GERMAN, 3)):
        generation = Generation(number, recipe, GenerationStatus.LIVE, NOW)
        indexes.create(ACME, Index(name, "", generation, NOW, NOW))
    go_live(table, ACME, CONFIG, NOW)
    return Releases(table)


@pytest.fixture
def effective(table: Table, releases: Releases) -> EffectiveRelease:
    return EffectiveRelease(releases, Indexes(table), Prompts(table), HandClock(NOW))


def asked(**fields: object) -> RetrieveRequest:
    return RetrieveRequest.model_validate({"question": "How many days?", **fields})


@pytest.mark.parametrize("fields", [{}, {"release": "live"}, {"release": CONFIG.release_id}, {"index": "handbook"}])
def test_the_live_release_answers_when_nothing_else_is_asked_for(
    effective: EffectiveRelease, fields: dict[str, object]
) -> None:
    """Left out, named by alias, by id, or by its index: it is the release that was written down."""
    settled = effective.settle(ADA, asked(**fields))
    assert (settled.config, settled.status, settled.created_by) == (CONFIG, ReleaseStatus.LIVE, "eve")


@pytest.mark.parametrize("fields", [{"strategy": "dense"}, {"top_k": 7}, {"rerank": False}])
def test_asking_for_what_the_release_does_anyway_is_the_release(
    effective: EffectiveRelease, fields: dict[str, object]
) -> None:
    """Equal configurations have equal ids."""
    assert effective.settle(ADA, asked(**fields)).release_id == CONFIG.release_id


def test_another_index_is_asked_with_the_live_settings(effective: EffectiveRelease) -> None:
    """Recipe and generation are those of the index, the rest the release's."""
    settled = effective.settle(ADA, asked(index="wiki"))
    assert settled.status is ReleaseStatus.ADHOC
    assert settled.config == ReleaseConfig("wiki", 3, GERMAN, CONFIG.retrieval)


def test_overrides_make_a_release_that_can_be_asked_again(effective: EffectiveRelease) -> None:
    """It is stored under the id its content gives it; naming that id settles on the same."""
    settled = effective.settle(ADA, asked(strategy="hybrid", top_k=3))
    assert settled.config.retrieval == replace(CONFIG.retrieval, strategy=Strategy.HYBRID, top_k=3)
    assert effective.settle(ADA, asked(release=settled.release_id)) == settled
    assert effective.get(ADA, settled.release_id) == settled


def test_top_k_of_a_query_is_how_many_passages_answer(effective: EffectiveRelease) -> None:
    """So that the release alone repeats the answer; in a retrieval it is how many are found."""
    query: AskFields = QueryRequest(question="How many days?", top_k=2)
    settled = effective.settle(ADA, query)
    assert (settled.config.answer.passages, settled.config.retrieval.top_k) == (2, 7)
    assert effective.settle(ADA, asked(top_k=2)).config.retrieval.top_k == 2


def test_without_a_live_release_the_index_decides(effective: EffectiveRelease, table: Table) -> None:
    """With default settings; and where no index is named either, the message says what to do."""
    other = Tenant(TenantId("newcomer"))
    newcomer = replace(ADA, tenant=other)
    with pytest.raises(InvalidRequest, match="Name an index"):
        effective.settle(newcomer, asked())
    with pytest.raises(NotFound):
        effective.settle(newcomer, asked(index="handbook"))
    go_live(table, ACME, effective.settle(ADA, asked(index="wiki")).config, NOW)
    assert effective.settle(ADA, asked()).config.index == "wiki"


def test_a_release_of_an_index_out_of_reach_is_not_found(effective: EffectiveRelease) -> None:
    """However it is named; its settings may still be used on an index within reach."""
    for fields in ({}, {"release": "live"}, {"index": "handbook"}, {"release": CONFIG.release_id}):
        with pytest.raises(NotFound):
            effective.settle(NARROWED, asked(**fields))
    with pytest.raises(NotFound):
        effective.get(NARROWED, CONFIG.release_id)
    assert effective.settle(NARROWED, asked(index="wiki")).config.index == "wiki"


def test_another_tenants_release_is_not_found(effective: EffectiveRelease) -> None:
    """By id, though the content would have the same id there."""
    rival = replace(ADA, tenant=Tenant(TenantId("rival")))
    with pytest.raises(NotFound):
        effective.settle(rival, asked(release=CONFIG.release_id))
    with pytest.raises(NotFound):
        effective.get(rival, CONFIG.release_id)


def test_a_release_that_does_not_exist_is_not_found(effective: EffectiveRelease) -> None:
    """An alias and an id alike."""
    for name in ("canary", "rel_" + "0" * 40):
        with pytest.raises(NotFound):
            effective.settle(ADA, asked(release=name))
    with pytest.raises(NotFound):
        effective.get(ADA, ReleaseId("rel_" + "0" * 40))


def test_reranking_is_switched_on_and_off(effective: EffectiveRelease, releases: Releases) -> None:
    """By the release's own reranker, or where it has none by the default one."""
    assert effective.settle(ADA, asked(rerank=True)).config.retrieval.reranker == DEFAULT_RERANKER
    reranking = replace(CONFIG, retrieval=replace(CONFIG.retrieval, reranker=Component("linear")))
    releases.add(ACME, Release(reranking, ReleaseStatus.DRAFT, NOW, "eve"))
    named = {"release": reranking.release_id}
    assert effective.settle(ADA, asked(**named, rerank=True)).config == reranking
    assert effective.settle(ADA, asked(**named, rerank=False)).config == CONFIG


def test_settings_are_tried_out_by_engineers_alone(effective: EffectiveRelease) -> None:
    """What is left out is the release's; whoever knows the release they come to may ask under it."""
    tried = {"candidates": 7, "fusion": {"name": "convex", "dense_weight": 0.5}}
    with pytest.raises(Forbidden, match="releases:write"):
        effective.settle(ADA, asked(retrieval=tried))
    engineer = replace(ADA, roles=frozenset({Role.ENGINEER}))
    made = effective.settle(engineer, asked(retrieval=tried))
    assert made.config.retrieval == replace(
        CONFIG.retrieval, candidates=7, fusion=Component("convex", {"dense_weight": 0.5})
    )
    assert effective.settle(ADA, asked(release=made.release_id)) == made


def test_a_release_that_does_not_pass_the_check_is_not_stored(effective: EffectiveRelease, releases: Releases) -> None:
    """What only a question made leaves nothing behind where it cannot be."""

    def refuse(release: Release) -> None:
        raise InvalidRequest(f"no {release.config.retrieval.top_k}")

    with pytest.raises(InvalidRequest, match="no 3"):
        effective.settle(ADA, asked(top_k=3), refuse)
    config = replace(CONFIG, retrieval=replace(CONFIG.retrieval, top_k=3))
    with pytest.raises(NotFound):
        releases.get(ACME, config.release_id)


def test_settings_of_a_release_out_of_reach_are_not_lent(effective: EffectiveRelease) -> None:
    """A named release is missing for those who do not reach its index, whichever index they ask, in the same words."""
    told = []
    for release in (CONFIG.release_id, "live", "rel_missing"):
        with pytest.raises(NotFound) as missing:
            effective.settle(NARROWED, asked(release=release, index="wiki"))
        told.append(missing.value.detail.replace(release, "X"))
    assert set(told) == {"There is no release 'X'."}
    with pytest.raises(NotFound, match="within your reach") as unreached:
        effective.settle(NARROWED, asked())
    assert "handbook" not in unreached.value.detail
