"""Where the local platform logs: a file in the data folder, so that the terminal is left to its reader."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

NAME = "ragstone.log"
KEEP_BYTES = 32 * 1024 * 1024


@contextmanager
def open_log(folder: Path) -> Iterator[TextIO]:
    """Open the log for adding to it; a large one is put aside first, in place of the one put aside before."""
    path = folder / NAME
    if path.exists() and path.stat().st_size > KEEP_BYTES:
        path.replace(path.with_suffix(".log.1"))
    with path.open("a", encoding="utf-8", buffering=1) as log:
        yield log
