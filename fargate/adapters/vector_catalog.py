"""Which vector indexes there are, and in which file each is: the one place where a name becomes a path."""

from __future__ import annotations

import secrets
import threading
import weakref
from dataclasses import dataclass
from pathlib import Path

from chalicelib.errors import Conflict
from chalicelib.ports.vectors import VectorIndexSpec
from fargate.adapters.sqlite_files import connect, transaction, translated_errors
from fargate.adapters.vector_file import create_vector_file

_SCHEMA = """
CREATE TABLE IF NOT EXISTS indexes (
    name TEXT PRIMARY KEY, file TEXT NOT NULL UNIQUE, dimension INTEGER NOT NULL, language TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Listed:
    """An index that exists: its spec and its file."""

    spec: VectorIndexSpec
    path: Path


class VectorCatalog:
    """
    The list of indexes below *root*, kept in SQLite; safe from any thread and process.

    Files have random names that are never used again: no index name reaches the file system, and a process that still
    has a dropped index open cannot harm the one that took its name.
    """

    def __init__(self, root: Path, busy_timeout_s: float) -> None:
        self._root = root
        self._busy_timeout_s = busy_timeout_s
        self._lock = threading.Lock()
        with translated_errors(root):
            root.mkdir(parents=True, exist_ok=True)
            self._connection = connect(root / "catalog.sqlite", busy_timeout_s)
            weakref.finalize(self, self._connection.close)
            with transaction(self._connection):
                self._connection.execute(_SCHEMA)
                self._sweep()

    def find(self, name: str) -> Listed | None:
        """Give the index called *name*, or None."""
        with self._lock, translated_errors(self._root):
            return self._find(name)

    def names(self, prefix: str) -> list[str]:
        """Give the names that begin with *prefix*, in order."""
        with self._lock, translated_errors(self._root):
            rows = self._connection.execute("SELECT name FROM indexes WHERE name >= ? ORDER BY name", (prefix,))
            return [name for (name,) in rows if name.startswith(prefix)]

    def add(self, name: str, spec: VectorIndexSpec) -> None:
        """See `VectorIndex.create`."""
        with self._lock, translated_errors(self._root), transaction(self._connection):
            listed = self._find(name)
            if listed is None:
                file = f"{secrets.token_hex(16)}.sqlite"
                create_vector_file(self._root / file, self._busy_timeout_s)
                row = (name, file, spec.dimension, spec.language)
                self._connection.execute("INSERT INTO indexes VALUES (?, ?, ?, ?)", row)
            elif listed.spec != spec:
                raise Conflict(f"vector index {name!r} exists as {listed.spec}, not {spec}; drop it first")

    def remove(self, name: str) -> None:
        """Strike *name* from the list, then remove its file; what a crash leaves over goes at the next start."""
        with self._lock, translated_errors(self._root):
            with transaction(self._connection):
                listed = self._find(name)
                self._connection.execute("DELETE FROM indexes WHERE name = ?", (name,))
            if listed is not None:
                _unlink(listed.path)

    def _find(self, name: str) -> Listed | None:
        row = self._connection.execute(
            "SELECT file, dimension, language FROM indexes WHERE name = ?", (name,)
        ).fetchone()
        return None if row is None else Listed(VectorIndexSpec(row[1], row[2]), self._root / row[0])

    def _sweep(self) -> None:
        """Remove files that no index has; the lock of the running transaction keeps others from making one."""
        listed = {file for (file,) in self._connection.execute("SELECT file FROM indexes")} | {"catalog.sqlite"}
        for path in self._root.glob("*.sqlite"):
            if path.name not in listed:
                _unlink(path)


def _unlink(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
