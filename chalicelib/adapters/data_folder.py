"""The folder that holds everything of a local platform, and the lock that keeps a second one out of it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chalicelib.errors import ConfigurationError

VARIABLE = "RAGSTONE_DATA_DIR"
_LOCK = "lock"


@contextmanager
def lock(folder: Path) -> Iterator[Path]:
    """
    Make *folder* where it is missing, for its owner alone, and hold it for this process; give its full path.

    Raises `ConfigurationError` when another process holds it, or when it cannot be written. The system lets go of the
    lock when the process ends, however it ends.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigurationError(VARIABLE, f"the folder {folder} cannot be used: {error.strerror}") from error
    try:
        _hold(descriptor, folder)
        yield folder.resolve()
    finally:
        os.close(descriptor)


def _hold(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
        raise ConfigurationError(
            VARIABLE, f"{folder}: another Ragstone (pid {holder}) uses it; stop it or choose another folder"
        ) from error
    except OSError as error:
        raise ConfigurationError(VARIABLE, f"the folder {folder} cannot be locked: {error.strerror}") from error
