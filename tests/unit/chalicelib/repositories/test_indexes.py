"""Indexes as they are stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chalicelib.adapters.sqlite_table import SqliteTable
from chalicelib.domain.access import Principal, Role, Tenant
from chalicelib.domain.identifiers import JobId, TenantId
from chalicelib.domain.indexes import Component, Generation, GenerationStatus, Index, Recipe
from chalicelib.errors import ConditionFailed, Conflict, NotFound
from chalicelib.repositories.indexes import Indexes
from tests.fakes.clock import HandClock

ACME = Tenant(TenantId("acme"))
RIVAL = Tenant(TenantId("rival"))
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
RECIPE = Recipe(chunker=Component("fixed", {"max_tokens": 100, "nested": {"a": [1, 2.5, None]}}), language="de")
HANDBOOK = Index("handbook", "Rules", Generation(1, RECIPE, GenerationStatus.LIVE, NOW), NOW, NOW)
ADA = Principal(ACME, "ada", frozenset({Role.ADMIN}))


@pytest.fixture
def table(tmp_path: Path) -> Iterator[SqliteTable]:
    table = SqliteTable(tmp_path / "table.sqlite", HandClock())
    yield table
    table.close()


@pytest.fixture
def indexes(table: SqliteTable) -> Indexes:
    return Indexes(table)


def test_an_index_comes_back_as_it_was_stored(indexes: Indexes) -> None:
    """With every parameter of its recipe; a second one of the name is refused, another tenant's is not."""
    created = indexes.create(ACME, HANDBOOK)
    assert indexes.get(ACME, "handbook") == created == replace(HANDBOOK, version=1)
    with pytest.raises(Conflict):
        indexes.create(ACME, HANDBOOK)
    with pytest.raises(NotFound):
        indexes.get(RIVAL, "handbook")
    indexes.create(RIVAL, HANDBOOK)


def test_an_index_out_of_reach_is_told_like_a_missing_one(indexes: Indexes) -> None:
    """The same words, so that nobody learns which names exist."""
    indexes.create(ACME, HANDBOOK)
    narrowed = replace(ADA, indexes=frozenset({"other"}))
    with pytest.raises(NotFound) as out_of_reach:
        indexes.permitted(narrowed, "handbook")
    with pytest.raises(NotFound) as missing:
        indexes.permitted(replace(ADA, tenant=RIVAL), "handbook")
    assert out_of_reach.value.detail == missing.value.detail
    assert indexes.permitted(ADA, "handbook").name == "handbook"


def test_an_index_that_is_being_deleted_is_hidden_but_its_name_taken(table: SqliteTable, indexes: Indexes) -> None:
    """Only whoever removes it still sees it."""
    created = indexes.create(ACME, HANDBOOK)
    table.write(indexes.deleting(ACME, created, JobId("job_1")))
    with pytest.raises(NotFound):
        indexes.get(ACME, "handbook")
    assert indexes.list(ACME, limit=10, cursor=None) == ([], None)
    with pytest.raises(Conflict):
        indexes.create(ACME, HANDBOOK)
    found = indexes.find(ACME, "handbook")
    assert found is not None
    assert (found.deleting, found.job_id) == (True, "job_1")
    indexes.remove(ACME, found)
    assert indexes.find(ACME, "handbook") is None
    indexes.create(ACME, HANDBOOK)


def test_what_changed_since_it_was_read_is_neither_hidden_nor_removed(table: SqliteTable, indexes: Indexes) -> None:
    """A late deletion cannot take away the next index of the name."""
    read = indexes.create(ACME, HANDBOOK)
    indexes.update(ACME, "handbook", lambda index: replace(index, description="New rules"))
    with pytest.raises(ConditionFailed):
        table.write(indexes.deleting(ACME, read, JobId("job_1")))
    with pytest.raises(ConditionFailed):
        indexes.remove(ACME, read)
    assert indexes.get(ACME, "handbook").description == "New rules"


def test_an_update_that_lost_a_race_is_told(indexes: Indexes) -> None:
    """Nothing is overwritten unseen."""
    indexes.create(ACME, HANDBOOK)

    def racing(index: Index) -> Index:
        indexes.update(ACME, "handbook", lambda one: replace(one, description="Theirs"))
        return replace(index, description="Mine")

    with pytest.raises(Conflict):
        indexes.update(ACME, "handbook", racing)
    assert indexes.get(ACME, "handbook").description == "Theirs"


def test_indexes_are_listed_by_name_in_pages(indexes: Indexes) -> None:
    """Each once, and only the tenant's own."""
    for name in ("travel", "handbook", "leave"):
        indexes.create(ACME, replace(HANDBOOK, name=name))
    indexes.create(RIVAL, replace(HANDBOOK, name="rivals"))
    first, cursor = indexes.list(ACME, limit=2, cursor=None)
    rest, end = indexes.list(ACME, limit=2, cursor=cursor)
    assert [index.name for index in first + rest] == ["handbook", "leave", "travel"]
    assert end is None
