"""
The manifest of a batch: one JSON object a line, each a document. Read from any place on, a piece at a time.

Every batch has a copy of its own, so that nobody can change it while it is handed out, and it goes when the batch ends.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

from chalicelib.contracts.documents import MAX_INLINE_BYTES
from chalicelib.contracts.ingestions import MAX_MANIFEST_LINES
from chalicelib.domain.access import Tenant
from chalicelib.domain.jobs import Job
from chalicelib.errors import DocumentRejected, NotFound
from chalicelib.ports.blobs import BlobKey, BlobStore, Bucket
from chalicelib.repositories import keys

MAX_LINE_BYTES = 2 * MAX_INLINE_BYTES
"""An inline document fits, in base 64 or with escapes, and all that is said of it."""

_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is not blank, *number* from 1; the next begins at *end*. *data* is None where it is too long."""

    number: int
    end: int
    data: bytes | None


def lines_of(blobs: BlobStore, key: BlobKey, *, number: int = 0, offset: int = 0) -> Iterator[Line]:
    """Give the lines after line *number*, which ended at *offset*; one of them at a time is held."""
    begun = _BegunLine()
    for piece in _pieces(blobs, key, offset):
        *ended, rest = piece.split(b"\n")
        for part in ended:
            begun.add(part)
            size, data = begun.take()
            number, offset = number + 1, offset + size + 1
            if data is None or data.strip():
                yield Line(number, offset, data)
        begun.add(rest)
    size, data = begun.take()
    if data is None or data.strip():
        yield Line(number + 1, offset + size, data)


def prepare(blobs: BlobStore, tenant: Tenant, job: Job) -> int:
    """
    Make the batch's own copy of its manifest, unless it has one; give how many documents it lists.

    Raises `DocumentRejected` where that is none, too many, or no longer there.
    """
    own = keys.manifest_blob(tenant, job.job_id)
    if blobs.head(own) is None:
        _copy(blobs, tenant, job, own)
    lines = 0
    for lines, _ in enumerate(lines_of(blobs, own), start=1):
        if lines > MAX_MANIFEST_LINES:
            limit = f"A batch takes up to {MAX_MANIFEST_LINES} documents; split it."
            raise DocumentRejected("too_many_documents", limit)
    if not lines:
        raise DocumentRejected("empty", "The batch holds no document.")
    return lines


def _copy(blobs: BlobStore, tenant: Tenant, job: Job, own: BlobKey) -> None:
    assert job.batch is not None
    assert job.index is not None
    if job.batch.prefix is not None:
        _list_files(blobs, keys.imports_of(tenant, job.index), job.batch.prefix, own)
        return
    manifest = job.batch.manifest or ""
    try:
        with blobs.open(keys.import_blob(tenant, job.index, manifest)) as stream:
            blobs.put(own, stream)
    except (NotFound, ValueError):
        raise DocumentRejected("source_missing", f"There is no file {manifest!r} in the import area.") from None


def _list_files(blobs: BlobStore, area: str, prefix: str, own: BlobKey) -> None:
    """Write a manifest of the files of *area* whose paths begin with *prefix*; their paths are their external ids."""
    with tempfile.TemporaryFile(prefix="ragstone-") as file:
        for number, info in enumerate(blobs.list(Bucket.IMPORTS, area + prefix)):
            path = info.key.path.removeprefix(area)
            if path.endswith("/") or number > MAX_MANIFEST_LINES:
                continue  # what some tools make to show a folder
            file.write(json.dumps({"source": path, "external_id": path}).encode() + b"\n")
        file.seek(0)
        blobs.put(own, file)


def _pieces(blobs: BlobStore, key: BlobKey, offset: int) -> Iterator[bytes]:
    while True:
        piece = blobs.get(key, first=offset, last=offset + _PIECE_BYTES - 1)
        yield piece
        if len(piece) < _PIECE_BYTES:
            return
        offset += len(piece)


class _BegunLine:
    """A line whose end has not come, as much of it as may be kept."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, part: bytes) -> None:
        """Go on with it."""
        self._size += len(part)
        if self._size > MAX_LINE_BYTES:
            self._parts.clear()
        else:
            self._parts.append(part)

    def take(self) -> tuple[int, bytes | None]:
        """Give its size, and its bytes unless they are too many; begin another."""
        size, data = self._size, b"".join(self._parts)
        self._parts, self._size = [], 0
        return size, None if size > MAX_LINE_BYTES else data
