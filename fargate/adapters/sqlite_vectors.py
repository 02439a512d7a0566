"""
The vector store of the local platform: exact search in memory over what SQLite files keep.

Cosine is computed against every permitted vector, BM25 from postings in memory, filters as masks over columns. Why not
SQLite's own FTS5 for the lexical leg: it takes 4.4 ms for a question over 20,000 texts where postings in memory take 1,
and it can neither apply the metadata filter before ranking nor say what an entry found by its vector would score.
Why postings made here and not a search library: they follow the writes of other processes row by row.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chalicelib.errors import NotFound, Unavailable
from chalicelib.ports.vectors import Capabilities, Hit, VectorIndexName, VectorIndexSpec, VectorQuery, VectorRecord
from fargate.adapters.lexical_analysis import Analysers
from fargate.adapters.vector_catalog import Listed, VectorCatalog
from fargate.adapters.vector_checks import (
    check_delete,
    check_get,
    check_page,
    check_query,
    check_records,
    check_spec,
    unpacked,
)
from fargate.adapters.vector_file import VectorFile
from fargate.adapters.vector_search import search

MAX_OPEN_FILES = 64


class SqliteVectors:
    """
    `VectorIndex` on SQLite files below *root*, safe from any thread and from several processes.

    At most *memory_bytes* of indexes are kept in memory, the one just used always; those used longest ago go first and
    are read again when they are needed. A writer waits *busy_timeout_s* for one of another process.
    """

    def __init__(self, root: Path, *, memory_bytes: int = 2**31, busy_timeout_s: float = 30) -> None:
        self._catalog = VectorCatalog(root, busy_timeout_s)
        self._memory_bytes = memory_bytes
        self._busy_timeout_s = busy_timeout_s
        self._lock = threading.Lock()
        self._open: OrderedDict[Path, VectorFile] = OrderedDict()
        self._analysers = Analysers()
        self._closed = False

    @property
    def capabilities(self) -> Capabilities:
        """See `VectorIndex.capabilities`."""
        return Capabilities(native_hybrid=True)

    def create(self, index: VectorIndexName, spec: VectorIndexSpec) -> None:
        """See `VectorIndex.create`."""
        self._check_open()
        check_spec(spec)
        self._catalog.add(index.name, spec)

    def drop(self, index: VectorIndexName) -> None:
        """See `VectorIndex.drop`."""
        self._check_open()
        listed = self._catalog.find(index.name)
        if listed is not None:
            with self._lock:
                self._open.pop(listed.path, None)
            self._catalog.remove(index.name)

    def indexes(self, prefix: str = "") -> Sequence[VectorIndexName]:
        """See `VectorIndex.indexes`."""
        self._check_open()
        return [VectorIndexName(name) for name in self._catalog.names(prefix)]

    def put(self, index: VectorIndexName, records: Sequence[VectorRecord]) -> None:
        """See `VectorIndex.put`."""
        listed = self._listed(index)
        check_records(records, listed.spec.dimension)
        if records:
            self._file(listed).put(records)

    def get(self, index: VectorIndexName, keys: Sequence[str]) -> Sequence[VectorRecord]:
        """See `VectorIndex.get`."""
        listed = self._listed(index)
        check_get(keys)
        return self._file(listed).get(keys)

    def delete(self, index: VectorIndexName, keys: Sequence[str]) -> None:
        """See `VectorIndex.delete`."""
        listed = self._listed(index)
        check_delete(keys)
        if keys:
            self._file(listed).delete(keys)

    def list(
        self, index: VectorIndexName, *, limit: int = 500, cursor: str | None = None
    ) -> tuple[Sequence[str], str | None]:
        """See `VectorIndex.list`; the cursor is the last key of the page before."""
        listed = self._listed(index)
        check_page(limit, cursor)
        keys = self._file(listed).keys(limit + 1, cursor or "")
        return keys[:limit], keys[limit - 1] if len(keys) > limit else None

    def query(self, index: VectorIndexName, query: VectorQuery) -> Sequence[Hit]:
        """See `VectorIndex.query`."""
        listed = self._listed(index)
        check_query(query, listed.spec.dimension)
        file = self._file(listed)
        snapshot = file.snapshot()
        self._stay_within_memory(file)
        terms = None if query.text is None else file.query_terms(query.text, snapshot)
        vector = None if query.vector is None else _direction(query.vector)
        return search(snapshot, query, vector, terms)

    def version(self, index: VectorIndexName) -> str:
        """See `VectorIndex.version`; no two indexes ever have a file of the same name."""
        listed = self._listed(index)
        return f"{listed.path.stem}-{self._file(listed).revision()}"

    def close(self) -> None:
        """See `VectorIndex.close`; calls that are running end well, later ones raise `Unavailable`."""
        with self._lock:
            self._closed = True
            self._open.clear()
            self._analysers = Analysers()

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the vector store has been closed")

    def _listed(self, index: VectorIndexName) -> Listed:
        self._check_open()
        listed = self._catalog.find(index.name)
        if listed is None:
            raise NotFound(f"vector index {index.name!r} does not exist; create it first")
        return listed

    def _file(self, listed: Listed) -> VectorFile:
        with self._lock:
            self._check_open()
            file = self._open.get(listed.path)
            if file is None:
                file = self._open[listed.path] = _opened(listed, self._analysers, self._busy_timeout_s)
            self._open.move_to_end(listed.path)
            while len(self._open) > MAX_OPEN_FILES:
                self._open.popitem(last=False)
            return file

    def _stay_within_memory(self, used: VectorFile) -> None:
        with self._lock:
            held = sum(file.nbytes for file in self._open.values())
            for path, file in list(self._open.items()):
                if held > self._memory_bytes and file is not used:
                    held -= self._open.pop(path).nbytes


def _opened(listed: Listed, analysers: Analysers, busy_timeout_s: float) -> VectorFile:
    try:
        return VectorFile(listed.path, listed.spec.language, analysers, busy_timeout_s)
    except Unavailable as error:
        if listed.path.exists():
            raise
        raise NotFound("the vector index was dropped just now") from error


def _direction(packed: bytes) -> NDArray[np.float64]:
    wide = unpacked(packed).astype(np.float64)
    unit: NDArray[np.float64] = wide / np.sqrt((wide * wide).sum())
    return unit
