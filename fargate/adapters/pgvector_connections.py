"""Connections to PostgreSQL, shared by threads one call at a time, and what its failures mean."""

from __future__ import annotations

import re
import ssl
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, Full, LifoQueue
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from pg8000.exceptions import DatabaseError, InterfaceError
from pg8000.native import Connection

from chalicelib.errors import ConfigurationError, Misconfigured, NotFound, RagError, StorageFull, Unavailable
from fargate.adapters.pgvector_encryption import encryption

MAX_IDLE = 16
TIMEOUT_S = 30
"""For connecting, and for each answer."""
_STORE = "The search database"
# Classes and codes of "PostgreSQL Error Codes" in its manual.
_MISSING_TABLE = "42P01"
_NOT_LET_IN = re.compile(r"28...")
_MEANINGS: tuple[tuple[str, type[RagError]], ...] = (
    (r"53100|53400|54000", StorageFull),
    (r"28...|3D000|3F000|42...|58P01|0A000", Misconfigured),
)


class Connections:
    """
    Opens connections to *url* as they are needed and keeps some; safe from any thread.

    *password* gives one for each new connection, where that of the URL would not do.
    """

    def __init__(self, url: str, password: Callable[[], str] | None = None) -> None:
        self._parameters = _parameters(url)
        self._password = password
        self._idle: LifoQueue[Connection] = LifoQueue(MAX_IDLE)
        self._closed = False

    @contextmanager
    def transaction(self, *, writing: bool = False) -> Iterator[Connection]:
        """
        Give a connection in a transaction, kept where the block ends well and undone otherwise.

        Readers see one state of all; those who are *writing* see what others wrote while they waited for their turn.

        What PostgreSQL says no to is raised as an error of ours, without its words: they repeat values.
        """
        connection = self._take()
        try:
            connection.run(f"BEGIN ISOLATION LEVEL {'READ COMMITTED' if writing else 'REPEATABLE READ, READ ONLY'}")
            yield connection
            connection.run("COMMIT")
        except (DatabaseError, InterfaceError, OSError, struct.error) as error:
            _undo(connection)
            raise error_of(error) from None
        except BaseException:  # whatever it was, the connection may be in the middle of something
            _undo(connection)
            raise
        self._give_back(connection)

    def close(self) -> None:
        """Close those that nobody uses; those in use are closed when they are given back."""
        self._closed = True
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return

    def _take(self) -> Connection:
        if self._closed:
            raise Unavailable(f"{_STORE} has been closed.")
        try:
            while _is_dead(connection := self._idle.get_nowait()):
                pass
        except Empty:
            return self._opened()
        return connection

    def _opened(self) -> Connection:
        own = {"password": self._password()} if self._password else {}
        try:
            return Connection(**self._parameters | own)
        except (DatabaseError, InterfaceError, OSError, struct.error) as error:
            if own and _NOT_LET_IN.fullmatch(code := _code(error)):
                raise Unavailable(f"{_STORE} does not take this password ({code}); try again with another.") from None
            raise error_of(error) from None

    def _give_back(self, connection: Connection) -> None:
        if self._closed:
            connection.close()
            return
        try:
            self._idle.put_nowait(connection)
        except Full:
            connection.close()


def error_of(error: Exception) -> RagError:
    """Give the error that PostgreSQL's *error* comes to."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Misconfigured(f"{_STORE} shows a certificate that cannot be trusted; an administrator must see to it.")
    code = _code(error)
    if code == _MISSING_TABLE:
        return NotFound("the vector index was dropped just now")
    for pattern, kind in _MEANINGS:
        if re.fullmatch(pattern, code):
            return kind(f"{_STORE} cannot be used as it is ({code}); an administrator must see to it.")
    return Unavailable(f"{_STORE} does not answer ({code or type(error).__name__}); try again.")


def _code(error: Exception) -> str:
    said = error.args[0] if isinstance(error, DatabaseError) and error.args else None
    return str(said.get("C", "")) if isinstance(said, dict) else ""


def _parameters(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    said = {name: values[0] for name, values in parse_qs(parts.query).items()}
    if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
        raise ConfigurationError("RAGSTONE_POSTGRES_URL", "is not of the form postgresql://user:password@host/database")
    host = parts.hostname or said.get("host", "")
    place = {"unix_sock": f"{host}/.s.PGSQL.{parts.port or 5432}"} if host.startswith("/") else {"host": host}
    return {
        "user": unquote(parts.username or "postgres"),
        "password": unquote(parts.password) if parts.password else None,
        "database": unquote(parts.path.strip("/")),
        "port": parts.port or 5432,
        "ssl_context": encryption(host, said),
        "timeout": TIMEOUT_S,
        "application_name": "ragstone",
    } | place


def _is_dead(connection: Connection) -> bool:
    """Say whether the other side has gone: a look at the connection's last word would wait, so it is asked."""
    try:
        connection.run("SELECT 1")
    except (DatabaseError, InterfaceError, OSError, struct.error):
        _undo(connection)
        return True
    return False


def _undo(connection: Connection) -> None:
    """Close a connection that failed, which undoes what it had begun."""
    try:
        connection.close()
    except (DatabaseError, InterfaceError, OSError, struct.error):
        return
