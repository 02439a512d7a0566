"""One SQLite file, shared by the threads of this process and by other processes."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chalicelib.adapters.storage_errors import full, storage_errors
from chalicelib.errors import DependencyError, Unavailable

BUSY_TIMEOUT_S = 10.0
_RETRY_S = 0.005


class SqliteFile:
    """
    A SQLite database in write-ahead-log mode, and the connections to it.

    A connection serves one thread at a time and is kept for the next one that asks. A commit outlives a kill -9; with
    ``synchronous=NORMAL`` a power cut may take the last commits with it, but never leaves half of one.
    """

    def __init__(self, path: Path, schema: str, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self._path = path
        self._busy_timeout_s = busy_timeout_s
        self._idle: deque[sqlite3.Connection] = deque()
        self._closed = False
        # Threads queue up here: SQLite's own waiting polls, with sleeps of up to 100 ms.
        self._writer = threading.Lock()
        with self.reading() as connection:
            self._enter_wal_mode(connection)
            connection.executescript(f"BEGIN IMMEDIATE;{schema};COMMIT")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection for statements that change nothing; each sees what was committed when it began."""
        connection = self._take()
        try:
            yield connection
        except sqlite3.DatabaseError as error:
            connection.close()
            raise self._translated(error) from error
        except BaseException:
            self._give_back(connection)
            raise
        self._give_back(connection)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection in a transaction of its own: committed at the end, undone by an exception."""
        if not self._writer.acquire(timeout=self._busy_timeout_s):
            raise Unavailable(f"{self._path.name} is busy: no turn to write came within {self._busy_timeout_s:g} s.")
        try:
            with self.reading() as connection, transaction(connection, "IMMEDIATE"):
                yield connection
        finally:
            self._writer.release()

    def close(self) -> None:
        """Close every connection, those on loan as they come back; later calls raise `Unavailable`."""
        self._closed = True
        self._close_idle()

    def _take(self) -> sqlite3.Connection:
        if self._closed:
            raise Unavailable(f"{self._path.name} was closed.")
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect()

    def _connect(self) -> sqlite3.Connection:
        with storage_errors(self._path.name):
            self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            connection = sqlite3.connect(
                self._path, timeout=self._busy_timeout_s, isolation_level=None, check_same_thread=False
            )
        except sqlite3.DatabaseError as error:
            raise self._translated(error) from error
        try:
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("PRAGMA journal_size_limit=67108864")
        except sqlite3.DatabaseError as error:
            connection.close()
            raise self._translated(error) from error
        return connection

    def _give_back(self, connection: sqlite3.Connection) -> None:
        self._idle.append(connection)
        if self._closed:
            self._close_idle()

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _enter_wal_mode(self, connection: sqlite3.Connection) -> None:
        # When several processes make the file at once, SQLite refuses all but one here without waiting.
        deadline = time.monotonic() + self._busy_timeout_s
        while True:
            try:
                connection.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(_RETRY_S)
            else:
                return

    def _translated(self, error: sqlite3.DatabaseError) -> DependencyError:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            return full(self._path.name)
        return Unavailable(f"{self._path.name} does not answer: {error}.")


@contextmanager
def transaction(connection: sqlite3.Connection, kind: str = "DEFERRED") -> Iterator[None]:
    """Make one transaction of the block: committed at its end, undone by an exception."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise
