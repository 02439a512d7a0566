"""Documents, their versions and their external ids as they are stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chalicelib.adapters.sqlite_table import SqliteTable
from chalicelib.domain.access import Tenant
from chalicelib.domain.documents import Document, DocumentStatus, DocumentVersion, Published, Rejection
from chalicelib.domain.identifiers import AttemptId, DocumentId, JobId, TenantId
from chalicelib.errors import ConditionFailed, Conflict, NotFound
from chalicelib.repositories.documents import UPDATE_TRIES, DocumentFilter, Documents
from tests.fakes.clock import HandClock

ACME = Tenant(TenantId("acme"))
RIVAL = Tenant(TenantId("rival"))
NOW = datetime(2026, 11, 22, 12, 0, 0, 123_456, tzinfo=UTC)
LEAVE = Document(
    DocumentId("doc_1"), "handbook", "leave.md", "text/markdown", DocumentStatus.PENDING, 1, 12, NOW, NOW,
    external_id="leave", metadata={"team": "hr", "year": 2026, "rate": 0.5, "draft": False, "tags": ["a"]},
    acl=["hr", "board"], error=Rejection("empty", "Nothing in it."), job_id=JobId("job_1"),
    published=Published(1, AttemptId("att_1"), 1, 3, None, "Leave", "en", "0" * 64),
)  # fmt: skip


class World:
    """The repository and its table."""

    def __init__(self, table: SqliteTable) -> None:
        self.table = table
        self.documents = Documents(table)

    def add(self, document: Document, tenant: Tenant = ACME) -> Document:
        """Store a version of *document*."""
        version = DocumentVersion(
            document.document_id, document.latest_version, AttemptId(f"att_{document.latest_version}"), 12, None, None,
            document.name, NOW,
        )  # fmt: skip
        self.table.write(*self.documents.adding(tenant, document, version))
        return self.documents.get(tenant, document.document_id)

    def names(self, wanted: DocumentFilter, **page: object) -> list[str]:
        """List the ids that match."""
        found, _ = self.documents.list(ACME, wanted, limit=100, cursor=None)
        return [one.document_id for one in found]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    table = SqliteTable(tmp_path / "table.sqlite", HandClock())
    yield World(table)
    table.close()


def numbered(number: int, **fields: object) -> Document:
    document = replace(LEAVE, document_id=DocumentId(f"doc_{number}"), external_id=f"leave-{number}")
    return replace(document, **fields)  # type: ignore[arg-type]


def test_a_document_comes_back_as_it_was_stored(world: World) -> None:
    """Every field survives, and the row has its first version."""
    assert world.add(LEAVE) == replace(LEAVE, version=1)


def test_another_tenants_document_is_missing(world: World) -> None:
    """Its id, its external id and its list give nothing."""
    world.add(LEAVE)
    with pytest.raises(NotFound):
        world.documents.get(RIVAL, LEAVE.document_id)
    assert world.documents.by_external_id(RIVAL, "handbook", "leave") is None
    assert world.documents.list(RIVAL, DocumentFilter(), limit=10, cursor=None) == ([], None)
    assert world.documents.batch_get(RIVAL, [LEAVE.document_id]) == {}


def test_an_external_id_is_claimed_once_in_an_index(world: World) -> None:
    """A second document cannot bear it there, in another index it can."""
    world.add(LEAVE)
    with pytest.raises(ConditionFailed):
        world.add(replace(LEAVE, document_id=DocumentId("doc_2")))
    world.add(replace(LEAVE, document_id=DocumentId("doc_3"), index="other"))
    assert world.documents.by_external_id(ACME, "handbook", "leave") == "doc_1"
    assert world.documents.by_external_id(ACME, "other", "leave") == "doc_3"


def test_a_new_version_must_find_the_document_as_it_was_read(world: World) -> None:
    """Of two that add version 2 one fails, and none of its rows is stored."""
    read = world.add(LEAVE)
    world.add(replace(read, latest_version=2, name="first.md"))
    with pytest.raises(ConditionFailed):
        world.add(replace(read, latest_version=2, name="second.md"))
    assert world.documents.get(ACME, LEAVE.document_id).name == "first.md"
    assert [version.name for version in world.documents.versions(ACME, LEAVE.document_id)] == ["leave.md", "first.md"]


def test_versions_are_listed_by_number(world: World) -> None:
    """Also beyond ten; and all of them can be forgotten, however many."""
    document = world.add(LEAVE)
    for number in range(2, 121):
        document = world.add(replace(document, latest_version=number))
    assert [one.number for one in world.documents.versions(ACME, LEAVE.document_id)] == list(range(1, 121))
    assert world.documents.version(ACME, LEAVE.document_id, 11).number == 11
    with pytest.raises(NotFound):
        world.documents.version(ACME, LEAVE.document_id, 121)
    assert world.documents.forget_versions(ACME, LEAVE.document_id) == 120
    assert world.documents.versions(ACME, LEAVE.document_id) == []
    assert world.documents.get(ACME, LEAVE.document_id).latest_version == 120


def test_a_tombstone_frees_the_external_id_in_the_same_write(world: World) -> None:
    """The document is deleted and its external id free, or neither."""
    read = world.add(LEAVE)
    world.documents.update(ACME, LEAVE.document_id, lambda one: replace(one, name="other.md"))
    stale = world.documents.deleting(ACME, replace(read, status=DocumentStatus.DELETED))
    with pytest.raises(ConditionFailed):
        world.table.write(*stale)
    assert world.documents.by_external_id(ACME, "handbook", "leave") == "doc_1"
    fresh = world.documents.get(ACME, LEAVE.document_id)
    world.table.write(*world.documents.deleting(ACME, replace(fresh, status=DocumentStatus.DELETED)))
    assert world.documents.by_external_id(ACME, "handbook", "leave") is None
    assert world.documents.get(ACME, LEAVE.document_id).status == "deleted"


def test_an_update_loses_nothing_that_others_wrote_meanwhile(world: World) -> None:
    """It is made again of what stands there, also where it began from an older reading."""
    known = world.add(LEAVE)
    seen: list[str] = []

    def rename(document: Document) -> Document:
        seen.append(document.name)
        if len(seen) == 1:
            world.documents.update(ACME, LEAVE.document_id, lambda one: replace(one, name="theirs.md"))
        return replace(document, size_bytes=99)

    world.documents.update(ACME, LEAVE.document_id, rename)
    world.documents.update(ACME, LEAVE.document_id, lambda one: replace(one, acl=["all"]), known=known)
    stored = world.documents.get(ACME, LEAVE.document_id)
    assert (stored.name, stored.size_bytes, stored.acl, stored.version) == ("theirs.md", 99, ["all"], 4)
    assert seen == ["leave.md", "theirs.md"]


def test_an_update_that_changes_nothing_writes_nothing(world: World) -> None:
    """The row keeps its version."""
    world.add(LEAVE)
    assert world.documents.update(ACME, LEAVE.document_id, lambda one: one).version == 1


def test_an_update_gives_up_when_the_document_never_stands_still(world: World) -> None:
    """After so many tries the caller is told to try again."""
    world.add(LEAVE)
    sizes = iter(range(1_000))

    def racing(document: Document) -> Document:
        world.documents.update(ACME, LEAVE.document_id, lambda one: replace(one, size_bytes=next(sizes)))
        return replace(document, name="never.md")

    with pytest.raises(Conflict):
        world.documents.update(ACME, LEAVE.document_id, racing)
    assert next(sizes) == UPDATE_TRIES


def test_lists_narrow_by_index_status_external_id_and_name(world: World) -> None:
    """Newest first; deleted ones show only when asked for."""
    world.add(numbered(1))
    world.add(numbered(2, index="other", name="Travel ÄRA.md"))
    world.add(numbered(3, status=DocumentStatus.READY))
    world.add(numbered(4, status=DocumentStatus.DELETED))
    assert world.names(DocumentFilter()) == ["doc_3", "doc_2", "doc_1"]
    assert world.names(DocumentFilter(index="handbook")) == ["doc_3", "doc_1"]
    assert world.names(DocumentFilter(status=DocumentStatus.READY)) == ["doc_3"]
    assert world.names(DocumentFilter(status=DocumentStatus.DELETED)) == ["doc_4"]
    assert world.names(DocumentFilter(external_id="leave-2")) == ["doc_2"]
    assert world.names(DocumentFilter(index="other", external_id="leave-2")) == ["doc_2"]
    assert world.names(DocumentFilter(index="other", external_id="leave-1")) == []
    assert world.names(DocumentFilter(name_contains="ära")) == ["doc_2"]


def test_pages_of_a_list_come_to_every_document_once(world: World) -> None:
    """However small the pages, and however few of those looked at match."""
    for number in range(10, 40):
        world.add(numbered(number, status=DocumentStatus.READY if number % 7 == 0 else DocumentStatus.PENDING))
    found: list[str] = []
    cursor: str | None = None
    while True:
        page, cursor = world.documents.list(ACME, DocumentFilter(status=DocumentStatus.READY), limit=2, cursor=cursor)
        assert len(page) <= 2
        found += [one.document_id for one in page]
        if cursor is None:
            break
    assert found == ["doc_35", "doc_28", "doc_21", "doc_14"]
    assert len(list(world.documents.all_of(ACME, "handbook"))) == 30
