"""The SQLite file that tables and queues share."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chalicelib.adapters.sqlite_file import SqliteFile
from chalicelib.errors import StorageFull, Unavailable

SCHEMA = "CREATE TABLE IF NOT EXISTS t (n INTEGER, filler BLOB)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give a path in a folder that does not exist yet."""
    return tmp_path / "new" / "file.db"


@pytest.fixture
def file(path: Path) -> Iterator[SqliteFile]:
    """Give a file that gives up quickly when another holds it."""
    with closing(SqliteFile(path, SCHEMA, busy_timeout_s=0.02)) as file:
        yield file


def insert(file: SqliteFile, *numbers: int, size: int = 0) -> None:
    """Write a row for each number, the last one of *size* bytes, in one transaction."""
    with file.writing() as connection:
        for number in numbers:
            filler = size if number == numbers[-1] else 0
            connection.execute("INSERT INTO t VALUES (?, zeroblob(?))", (number, filler))


def numbers(file: SqliteFile) -> list[int]:
    """Read all rows."""
    with file.reading() as connection:
        return [row[0] for row in connection.execute("SELECT n FROM t ORDER BY n")]


def test_what_is_written_is_there_when_opened_again(path: Path) -> None:
    """Closing and opening loses nothing."""
    with closing(SqliteFile(path, SCHEMA)) as file:
        insert(file, 1)
    with closing(SqliteFile(path, SCHEMA)) as file:
        assert numbers(file) == [1]


def test_an_exception_undoes_the_transaction(file: SqliteFile) -> None:
    """What was done before the exception is not stored, and the next writer is not in its way."""

    def fail() -> None:
        with file.writing() as connection:
            connection.execute("INSERT INTO t VALUES (1, NULL)")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    insert(file, 2)
    assert numbers(file) == [2]


def test_a_file_that_another_holds_is_unavailable(file: SqliteFile, path: Path) -> None:
    """When another process keeps writing, the caller is told after the timeout, and nothing is stored."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match=r"file\.db does not answer: database is locked"):
            insert(file, 1)
        assert numbers(file) == []
        other.execute("ROLLBACK")

    insert(file, 2)
    assert numbers(file) == [2]


def test_a_writer_that_gets_no_turn_is_told(file: SqliteFile) -> None:
    """A thread waits for the writing thread of its own process no longer than for another's."""
    with file.writing():
        refused: list[BaseException] = []

        def write() -> None:
            try:
                insert(file, 1)
            except Unavailable as error:
                refused.append(error)

        thread = threading.Thread(target=write)
        thread.start()
        thread.join()

    assert "no turn to write" in str(refused[0])


def test_readers_do_not_wait_for_a_writer(file: SqliteFile) -> None:
    """While a transaction is open, others read what was committed before it."""
    insert(file, 1)
    with file.writing() as connection:
        connection.execute("INSERT INTO t VALUES (2, NULL)")
        assert numbers(file) == [1]
    assert numbers(file) == [1, 2]


def test_a_full_disk_stores_nothing(file: SqliteFile) -> None:
    """When no space is left the caller is told so, the transaction is undone, and reading goes on."""
    with file.reading() as connection:
        connection.execute("PRAGMA max_page_count = 10")  # what SQLite answers to a full disk, without one
    insert(file, 1)

    with pytest.raises(StorageFull, match=r"file\.db: no space is left"):
        insert(file, 2, 3, size=100_000)

    assert numbers(file) == [1]


def test_a_file_that_is_no_database_is_unavailable(path: Path) -> None:
    """Another file in its place is named, and left as it is."""
    path.parent.mkdir()
    path.write_bytes(b"something else" * 100)

    with pytest.raises(Unavailable, match="not a database"):
        SqliteFile(path, SCHEMA)

    assert path.read_bytes() == b"something else" * 100


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    """The system's reason is in the message."""
    (tmp_path / "file").touch()

    with pytest.raises(Unavailable, match=r"x\.db does not answer: (File exists|Not a directory)"):
        SqliteFile(tmp_path / "file" / "x.db", SCHEMA)


def test_a_closed_file_is_unavailable(file: SqliteFile) -> None:
    """No connection is opened again behind the back of who closed it; closing twice is fine."""
    file.close()
    file.close()

    with pytest.raises(Unavailable, match="closed"):
        numbers(file)


def test_closing_waits_for_who_is_reading(path: Path) -> None:
    """A call that is under way ends well, and its connection is closed then: the write-ahead log goes away."""
    file = SqliteFile(path, SCHEMA)
    insert(file, 1)
    with file.reading() as connection:
        file.close()
        assert connection.execute("SELECT n FROM t").fetchall() == [(1,)]

    assert [each.name for each in path.parent.iterdir()] == ["file.db"]


def test_connections_are_used_again(file: SqliteFile) -> None:
    """As many are open as were ever needed at once, whichever threads came."""
    threads = [threading.Thread(target=numbers, args=(file,)) for _ in range(10)]
    for thread in threads:
        thread.start()
        thread.join()
    with file.reading() as one, file.reading() as other:
        assert one is not other

    assert len(file._idle) == 2
