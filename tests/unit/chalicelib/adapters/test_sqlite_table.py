"""What SQLite adds to the table contract: restarts, kills, several processes."""

from __future__ import annotations

import itertools
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from chalicelib.adapters import sqlite_table
from chalicelib.adapters.sqlite_table import SqliteTable
from chalicelib.errors import StorageFull, Unavailable
from chalicelib.ports.table import Item, Key, Put, Query, TableName
from tests.fakes.clock import HandClock
from tests.unit.chalicelib.adapters.processes import killed, start, together

COUNT_UP = """
import sys
from pathlib import Path
from chalicelib.adapters.sqlite_table import SqliteTable
from chalicelib.adapters.system_clock import SystemClock
from chalicelib.errors import ConditionFailed
from chalicelib.ports.table import Item, Key, Put, TableName
print("ready", flush=True)
sys.stdin.readline()
table = SqliteTable(Path(sys.argv[2]), SystemClock())
key = Key(TableName.LEDGER, "p", "count")
for _ in range(30):
    while True:
        found = table.get(key)
        version = found.version if found else 0
        put = Put(Item(key, {}, version + 1), if_absent=found is None, if_version=found.version if found else None)
        try:
            table.write(put)
            break
        except ConditionFailed:
            pass
table.close()
"""
WRITE_FOR_EVER = """
import sys
from itertools import count
from pathlib import Path
from chalicelib.adapters.sqlite_table import SqliteTable
from chalicelib.adapters.system_clock import SystemClock
from chalicelib.ports.table import Item, Key, Put, TableName
table = SqliteTable(Path(sys.argv[1]), SystemClock())
for number in count():
    pair = [Put(Item(Key(TableName.JOBS, side, f"{number:06d}"), {"text": "x" * 500})) for side in ("left", "right")]
    table.write(*pair)
    print(number, flush=True)
"""


def key(sort: str) -> Key:
    """Give a key."""
    return Key(TableName.JOBS, "p", sort)


def test_items_are_there_after_a_restart(tmp_path: Path, clock: HandClock) -> None:
    """A table opened again holds what it held."""
    item = Item(key("a"), {"n": 1}, gsi1=("p", "s"))
    with closing(SqliteTable(tmp_path / "t.db", clock)) as table:
        table.write(Put(item))
    with closing(SqliteTable(tmp_path / "t.db", clock)) as table:
        assert table.get(key("a")) == item


def test_a_kill_loses_nothing_acknowledged(tmp_path: Path, clock: HandClock) -> None:
    """After kill -9 in the midst of writing, every write that returned is there, and none is there by half."""
    acknowledged = len(killed(start(WRITE_FOR_EVER, tmp_path / "t.db"), after_lines=100))

    with closing(SqliteTable(tmp_path / "t.db", clock)) as table:
        left, right = (table.query(Query(TableName.JOBS, side, limit=1000)) for side in ("left", "right"))
        # One more may have been committed than was told.
        assert len(left.items) in (acknowledged, acknowledged + 1) or left.cursor is not None
        assert [item.key.sort for item in left.items] == [item.key.sort for item in right.items]


def test_processes_lose_no_update(tmp_path: Path, clock: HandClock) -> None:
    """Processes that open a new file at once, and count up by version in it, miss none."""
    together(COUNT_UP, tmp_path / "t.db")

    with closing(SqliteTable(tmp_path / "t.db", clock)) as table:
        found = table.get(Key(TableName.LEDGER, "p", "count"))
    assert found is not None
    assert found.version == 90


def test_expired_items_are_removed_in_time(tmp_path: Path, clock: HandClock) -> None:
    """They do not only stay hidden: within a minute of writing they are gone from the file."""
    now = int(clock.now().timestamp())
    with closing(SqliteTable(tmp_path / "t.db", clock)) as table:
        table.write(Put(Item(key("short"), {}, expires_at=now + 10)), Put(Item(key("long"), {}, expires_at=now + 900)))
        clock.advance(61)
        table.write(Put(Item(key("other"), {})))

    with closing(sqlite3.connect(tmp_path / "t.db")) as connection:
        assert connection.execute("SELECT sk FROM item ORDER BY sk").fetchall() == [("long",), ("other",)]


def test_a_page_ends_before_it_grows_too_large(tmp_path: Path, clock: HandClock) -> None:
    """As on DynamoDB, callers meet pages that are shorter than their limit; an item never has to be split."""
    with closing(SqliteTable(tmp_path / "t.db", clock)) as table:
        for number in range(4):
            table.write(Put(Item(key(str(number)), {"t": "x" * 390_000})))
        first = table.query(Query(TableName.JOBS, "p"))
        second = table.query(Query(TableName.JOBS, "p", cursor=first.cursor))

    assert [item.key.sort for item in first.items] == ["0", "1"]
    assert [item.key.sort for item in second.items] == ["2", "3"]
    assert second.cursor is None


def test_a_full_disk_stores_nothing_of_a_write(tmp_path: Path, clock: HandClock) -> None:
    """A write for which no space is left is not there by half, and what was there stays."""
    with closing(SqliteTable(tmp_path / "t.db", clock)) as table:
        table.write(Put(Item(key("before"), {})))
        with table._file.reading() as connection:
            connection.execute("PRAGMA max_page_count = 20")

        with pytest.raises(StorageFull):
            table.write(Put(Item(key("small"), {})), Put(Item(key("large"), {"t": "x" * 390_000})))

        assert [item.key.sort for item in table.query(Query(TableName.JOBS, "p")).items] == ["before"]


def test_a_closed_table_is_unavailable(tmp_path: Path, clock: HandClock) -> None:
    """Every call says so."""
    table = SqliteTable(tmp_path / "t.db", clock)
    table.close()

    for call in (
        lambda: table.get(key("a")),
        lambda: table.batch_get([key("a")]),
        lambda: table.write(Put(Item(key("a"), {}))),
        lambda: table.query(Query(TableName.JOBS, "p")),
    ):
        with pytest.raises(Unavailable):
            call()


def test_no_statement_reads_the_whole_table() -> None:
    """However many rows it is about: each is looked up."""
    statements = (sqlite_table._batch, sqlite_table._versions, sqlite_table._delete)
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(sqlite_table._SCHEMA)
        for count, statement in itertools.product((1, 2, 100), statements):
            text = statement(count)
            plan = connection.execute(f"EXPLAIN QUERY PLAN {text}", ["x"] * text.count("?")).fetchall()
            assert not [step for *_, step in plan if step.startswith("SCAN item")], plan
