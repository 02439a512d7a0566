"""What the operating system's refusals mean to a caller of a store."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from chalicelib.errors import DependencyError, StorageFull, Unavailable

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextmanager
def storage_errors(what: str) -> Iterator[None]:
    """Turn every `OSError` of the block into `StorageFull` or `Unavailable`; *what* names the store in the message."""
    try:
        yield
    except OSError as error:
        raise _translated(what, error) from error


def full(what: str) -> StorageFull:
    """Give the error for a disk without space."""
    return StorageFull(f"{what}: no space is left, so nothing was stored. Free some space on its disk and try again.")


def _translated(what: str, error: OSError) -> DependencyError:
    if error.errno in _FULL:
        return full(what)
    return Unavailable(f"{what} does not answer: {error.strerror or error}.")
