"""One vector index: its truth in one SQLite file, and the state of it that this process has in memory."""

from __future__ import annotations

import json
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from chalicelib.ports.vectors import VectorRecord
from fargate.adapters.lexical_analysis import Analysers, QueryTerm
from fargate.adapters.sqlite_files import connect, transaction, translated_errors
from fargate.adapters.vector_segment import SEGMENT_ENTRIES, Segment, StoredEntry
from fargate.adapters.vector_snapshot import Snapshot, advanced

MAX_RETIRED = 10_000
"""How many retired rows are listed; who has not read the list for longer reads the whole index anew."""

# Every write raises the revision. A replaced entry gets a new row; the old one is listed as retired, so that other
# processes learn of it. The text comes last in its row: reading an index into memory does not touch its pages.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    row INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE,
    vector BLOB NOT NULL, terms BLOB NOT NULL, counts BLOB NOT NULL, metadata TEXT NOT NULL,
    language TEXT NOT NULL, text TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS retired (number INTEGER PRIMARY KEY AUTOINCREMENT, row INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS state (revision INTEGER NOT NULL, forgotten INTEGER NOT NULL) STRICT;
INSERT INTO state SELECT 0, 0 WHERE NOT EXISTS (SELECT 1 FROM state);
"""
# Entries are counted by language, so that a question knows which there are.
_LANGUAGES = (
    "CREATE TABLE languages (language TEXT PRIMARY KEY, entries INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    "INSERT INTO languages SELECT language, count(*) FROM entries GROUP BY language",
    "CREATE TRIGGER counted AFTER INSERT ON entries BEGIN INSERT INTO languages VALUES (new.language, 1)"
    " ON CONFLICT (language) DO UPDATE SET entries = entries + 1; END",
    "CREATE TRIGGER discounted AFTER DELETE ON entries BEGIN"
    " UPDATE languages SET entries = entries - 1 WHERE language = old.language; END",
)
_LANGUAGES_ARE_COUNTED = "SELECT count(*) FROM sqlite_schema WHERE name = 'languages'"


def create_vector_file(path: Path, busy_timeout_s: float) -> None:
    """Make an empty index at *path*."""
    with translated_errors(path):
        connection = connect(path, busy_timeout_s)
        try:
            connection.executescript(f"BEGIN; {_SCHEMA} {'; '.join(_LANGUAGES)}; COMMIT;")
        finally:
            connection.close()


class VectorFile:
    """
    Reads and writes the index at *path*; safe from any thread.

    *language* is that of records which name none. Let go by dropping the last reference: the connections close when no
    call uses them any more.
    """

    def __init__(self, path: Path, language: str, analysers: Analysers, busy_timeout_s: float) -> None:
        self.path = path
        self._language = language
        self._analysers = analysers
        self._writing = threading.Lock()
        self._reading = threading.Lock()
        with translated_errors(path):
            self._writer = connect(path, busy_timeout_s, existing=True)
            weakref.finalize(self, self._writer.close)
            _count_languages(self._writer)
            self._reader = connect(path, busy_timeout_s, existing=True)
            weakref.finalize(self, self._reader.close)
        self._snapshot = Snapshot()

    def put(self, records: Sequence[VectorRecord]) -> None:
        """See `VectorIndex.put`; the records have been checked."""
        rows = [self._row(record) for record in records]
        with self._write() as writer:
            _retire(writer, [record.key for record in records])
            writer.executemany(
                "INSERT INTO entries (key, vector, terms, counts, metadata, language, text)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                rows,
            )

    def delete(self, keys: Sequence[str]) -> None:
        """See `VectorIndex.delete`."""
        with self._write() as writer:
            _retire(writer, keys)

    def get(self, keys: Sequence[str]) -> list[VectorRecord]:
        """See `VectorIndex.get`."""
        wanted = ", ".join("?" * len(keys))
        with self._reading, translated_errors(self.path):
            rows = self._reader.execute(
                f"SELECT key, vector, text, metadata, language FROM entries WHERE key IN ({wanted}) ORDER BY key",  # noqa: S608 - question marks only
                list(keys),
            ).fetchall()
        return [
            VectorRecord(key, vector, text, json.loads(metadata), language or None)
            for key, vector, text, metadata, language in rows
        ]

    def keys(self, limit: int, after: str) -> list[str]:
        """Give at most *limit* keys in order, from the first that follows *after*."""
        with self._reading, translated_errors(self.path):
            rows = self._reader.execute("SELECT key FROM entries WHERE key > ? ORDER BY key LIMIT ?", (after, limit))
            return [key for (key,) in rows]

    def revision(self) -> int:
        """Count the writes of all processes so far."""
        with self._reading, translated_errors(self.path):
            return self._revision()

    def snapshot(self) -> Snapshot:
        """Give the state after the last write of any process; what changed since the last call is read, no more."""
        with self._reading, translated_errors(self.path):
            if self._revision() != self._snapshot.revision:
                with transaction(self._reader, "DEFERRED"):
                    self._snapshot = _read_on(self._reader, self._snapshot)
            return self._snapshot

    def query_terms(self, text: str, snapshot: Snapshot) -> list[QueryTerm]:
        """Give what a question to the entries of *snapshot* looks for."""
        languages = {language or self._language for language in snapshot.languages}
        return self._analysers.query_terms(text, languages, self._language)

    @property
    def nbytes(self) -> int:
        """Estimate the memory held."""
        return self._snapshot.nbytes

    def _revision(self) -> int:
        (revision,) = self._reader.execute("SELECT revision FROM state").fetchone()
        return int(revision)

    def _row(self, record: VectorRecord) -> tuple[str, bytes, bytes, bytes, str, str, str]:
        analysed = self._analysers.of(record.language or self._language).analyse(record.text)
        metadata = json.dumps(dict(record.metadata), ensure_ascii=False, separators=(",", ":"))
        language = record.language or ""
        return record.key, record.vector, analysed.terms, analysed.counts, metadata, language, record.text

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._writing, translated_errors(self.path), transaction(self._writer):
            yield self._writer
            self._writer.execute("UPDATE state SET revision = revision + 1")


def _count_languages(writer: sqlite3.Connection) -> None:
    """Bring a file up to date that was made before entries had a language of their own."""
    if writer.execute(_LANGUAGES_ARE_COUNTED).fetchone() == (1,):
        return
    with transaction(writer):
        if writer.execute(_LANGUAGES_ARE_COUNTED).fetchone() == (0,):  # no other process was faster
            for statement in ("ALTER TABLE entries ADD COLUMN language TEXT NOT NULL DEFAULT ''", *_LANGUAGES):
                writer.execute(statement)


def _retire(writer: sqlite3.Connection, keys: Sequence[str]) -> None:
    each = [(key,) for key in keys]
    writer.executemany("INSERT INTO retired (row) SELECT row FROM entries WHERE key = ?", each)
    writer.executemany("DELETE FROM entries WHERE key = ?", each)
    writer.execute(
        "UPDATE state SET forgotten = last FROM (SELECT max(number) AS last FROM retired) WHERE last - forgotten > ?",
        (MAX_RETIRED,),
    )
    writer.execute("DELETE FROM retired WHERE number <= (SELECT forgotten FROM state)")


def _read_on(reader: sqlite3.Connection, known: Snapshot) -> Snapshot:
    revision, forgotten = reader.execute("SELECT revision, forgotten FROM state").fetchone()
    if known.last_retired < forgotten:
        known = Snapshot(last_retired=forgotten)
    listed = reader.execute("SELECT number, row FROM retired WHERE number > ?", (known.last_retired,)).fetchall()
    retired = np.sort(np.array([row for _, row in listed], np.int64))
    segments: list[Segment] = advanced(known.segments, (), retired)
    last_row = known.last_row
    for entries in _entries_after(reader, last_row):
        segments = advanced(segments, entries, _NOTHING)
        last_row = entries[-1].row
    last_retired = max([known.last_retired, *(number for number, _ in listed)])
    languages = frozenset(name for (name,) in reader.execute("SELECT language FROM languages WHERE entries > 0"))
    return Snapshot(tuple(segments), revision, last_row, last_retired, languages)


def _entries_after(reader: sqlite3.Connection, row: int) -> Iterator[list[StoredEntry]]:
    rows = reader.execute(
        "SELECT row, key, vector, terms, counts, metadata FROM entries WHERE row > ? ORDER BY row", (row,)
    )
    while batch := rows.fetchmany(SEGMENT_ENTRIES):
        yield [StoredEntry(*entry) for entry in batch]


_NOTHING = np.empty(0, np.int64)
