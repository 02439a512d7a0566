"""Open SQLite files that several processes share, and speak of their failures in the platform's words."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chalicelib.errors import StorageFull, Unavailable

_PRIMARY = 0xFF
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


def connect(path: Path, busy_timeout_s: float, *, existing: bool = False) -> sqlite3.Connection:
    """
    Open the file at *path*, made if need be unless *existing*, in write-ahead mode.

    Every commit is on disk before it returns. Transactions are begun by hand; any thread may use the connection, one
    at a time.
    """
    uri = f"{path.absolute().as_uri()}?mode={'rw' if existing else 'rwc'}"
    connection = sqlite3.connect(uri, uri=True, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)
    connection.executescript("PRAGMA page_size = 16384; PRAGMA journal_mode = WAL; PRAGMA secure_delete = ON;")
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """Do all of the body, or nothing of it; *kind* DEFERRED reads one state of the file."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def translated_errors(path: Path) -> Iterator[None]:
    """Raise `StorageFull` where the disk is full, and `Unavailable` where the file does not answer otherwise."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
        if code == sqlite3.SQLITE_FULL:
            raise StorageFull(f"no space is left for {path}: free some and try again") from error
        raise Unavailable(f"{path} does not answer ({error}): see that it is readable, writable and whole") from error
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise StorageFull(f"no space is left for {path}: free some and try again") from error
        raise Unavailable(f"{path} cannot be reached ({error.strerror})") from error
