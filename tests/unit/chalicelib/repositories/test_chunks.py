"""Chunks as they are stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib.adapters.sqlite_table import SqliteTable
from chalicelib.domain.access import Tenant
from chalicelib.domain.documents import BlockKind, Chunk, Parent
from chalicelib.domain.identifiers import AttemptId, ChunkId, DocumentId, TenantId, chunk_id
from chalicelib.repositories.chunks import Chunks
from tests.fakes.clock import HandClock

ACME = Tenant(TenantId("acme"))
RIVAL = Tenant(TenantId("rival"))
DOCUMENT = DocumentId("doc_1")
FIRST, SECOND = AttemptId("att_1"), AttemptId("att_10")


@pytest.fixture
def chunks(tmp_path: Path) -> Iterator[Chunks]:
    table = SqliteTable(tmp_path / "table.sqlite", HandClock())
    yield Chunks(table)
    table.close()


def made_by(attempt: AttemptId, count: int, text: str = "Thirty days.") -> list[Chunk]:
    return [
        Chunk(chunk_id(attempt, number), DOCUMENT, number, text, 3, 0, 12, BlockKind.TABLE, ("Leave", "Paid"), 4)
        for number in range(count)
    ]


def test_chunks_come_back_as_they_were_stored(chunks: Chunks) -> None:
    """Also when they are stored twice."""
    made = made_by(FIRST, 3)
    chunks.put(ACME, made)
    chunks.put(ACME, made)
    assert chunks.page(ACME, DOCUMENT, FIRST, limit=10, cursor=None) == (made, None)
    wanted = {made[1].chunk_id: DOCUMENT, ChunkId("chk_none_00000"): DOCUMENT}
    assert chunks.batch_get(ACME, wanted) == {made[1].chunk_id: made[1]}
    assert chunks.batch_get(RIVAL, wanted) == {}


def test_any_number_of_chunks_is_stored_read_and_removed(chunks: Chunks) -> None:
    """More than one write, one read or one page can take."""
    made = made_by(FIRST, 612)
    chunks.put(ACME, made)
    assert list(chunks.ids(ACME, DOCUMENT)) == [chunk.chunk_id for chunk in made]
    assert len(chunks.batch_get(ACME, {chunk.chunk_id: DOCUMENT for chunk in made})) == 612
    chunks.delete(ACME, DOCUMENT, [chunk.chunk_id for chunk in made[5:]])
    assert list(chunks.ids(ACME, DOCUMENT)) == [chunk.chunk_id for chunk in made[:5]]


@pytest.mark.parametrize("character", ["x", "😀", "\x00"])
def test_chunks_whose_texts_are_long_are_written_in_parts(chunks: Chunks, character: str) -> None:
    """A hundred of them together would be more than one write takes."""
    made = made_by(FIRST, 100, character * 50_000)
    chunks.put(ACME, made)
    assert list(chunks.ids(ACME, DOCUMENT)) == [chunk.chunk_id for chunk in made]


def test_the_texts_of_parents_count_too(chunks: Chunks) -> None:
    """What is kept beside a chunk's own text may be the longer of the two."""
    parent = Parent(0, 50_000, chunk_id(FIRST, 0), "😀" * 50_000)
    made = [replace(chunk, parent=parent) for chunk in made_by(FIRST, 100)]
    chunks.put(ACME, made)
    assert chunks.page(ACME, DOCUMENT, FIRST, limit=1, cursor=None)[0] == made[:1]
    assert len(list(chunks.ids(ACME, DOCUMENT))) == 100


def test_attempts_are_kept_apart(chunks: Chunks) -> None:
    """Even where one's name begins with the other's."""
    chunks.put(ACME, made_by(FIRST, 2) + made_by(SECOND, 3))
    page, _ = chunks.page(ACME, DOCUMENT, FIRST, limit=10, cursor=None)
    assert [chunk.chunk_id for chunk in page] == ["chk_1_00000", "chk_1_00001"]
    assert len(list(chunks.ids(ACME, DOCUMENT))) == 5


def test_pages_follow_the_order_of_the_document(chunks: Chunks) -> None:
    """Beyond ten and a hundred too."""
    chunks.put(ACME, made_by(FIRST, 130))
    first, cursor = chunks.page(ACME, DOCUMENT, FIRST, limit=100, cursor=None)
    rest, end = chunks.page(ACME, DOCUMENT, FIRST, limit=100, cursor=cursor)
    assert [chunk.ordinal for chunk in first + rest] == list(range(130))
    assert end is None
