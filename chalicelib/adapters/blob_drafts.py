"""Bytes on their way into the object store: on the disk already, but seen by nobody."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from chalicelib.errors import PayloadTooLarge
from chalicelib.ports.clock import Clock

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PIECE_BYTES = 1 << 20
_ABANDONED_AFTER_S = 86_400


@dataclass(frozen=True, slots=True)
class Draft:
    """A finished file, ready to be moved into place."""

    path: Path
    size_bytes: int
    sha256: str


class Drafts:
    """A folder of drafts, on the disk of the store."""

    def __init__(self, folder: Path, clock: Clock, *, abandoned_after_s: float = _ABANDONED_AFTER_S) -> None:
        self._folder = folder
        self._clock = clock
        folder.mkdir(parents=True, exist_ok=True)
        self._clear_abandoned(abandoned_after_s)

    @contextmanager
    def write(self, source: BinaryIO, limit: int | None = None) -> Iterator[Draft]:
        """
        Copy *source* in pieces of 1 MiB and flush it to the disk; what the block does not move away is removed.

        Raises `PayloadTooLarge` as soon as more than *limit* bytes came.
        """
        with self.new_path() as path:
            with path.open("xb") as file:
                size, digest = _copy(source, file, limit)
                file.flush()
                os.fsync(file.fileno())
            # The clock's time, not the file system's: one clock rules all that is stored.
            now_ns = (self._clock.now() - EPOCH) // timedelta(microseconds=1) * 1000
            os.utime(path, ns=(now_ns, now_ns))
            yield Draft(path, size, digest)

    @contextmanager
    def new_path(self) -> Iterator[Path]:
        """Give a path where no file is; a file that the block leaves there is removed."""
        path = self._folder / secrets.token_hex(16)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _clear_abandoned(self, age_s: float) -> None:
        """Remove what killed writers left; a living one, perhaps of another process, never takes this long."""
        # The file system's time, which the clock that is handed in need not share.
        before = time.time() - age_s
        for path in self._folder.iterdir():
            with suppress(FileNotFoundError):
                if path.lstat().st_ctime < before:
                    path.unlink()


def _copy(source: BinaryIO, target: BinaryIO, limit: int | None) -> tuple[int, str]:
    size, digest = 0, hashlib.sha256()
    while piece := source.read(_PIECE_BYTES):
        size += len(piece)
        if limit is not None and size > limit:
            raise PayloadTooLarge(f"More bytes came than the {limit} that the URL is for.")
        digest.update(piece)
        target.write(piece)
    return size, digest.hexdigest()
