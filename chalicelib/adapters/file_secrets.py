"""Secrets as files that only their owner can read."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
from pathlib import Path

from pydantic import SecretBytes

from chalicelib.adapters.storage_errors import storage_errors
from chalicelib.errors import ConfigurationError, InvalidRequest
from chalicelib.ports.secrets import NAME_PATTERN

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class FileSecrets:
    """See `ports.secrets.Secrets`. One file of mode 0600 for each, in a folder of mode 0700."""

    def __init__(self, root: Path) -> None:
        self._root = root
        with storage_errors("The secrets folder"):
            root.mkdir(mode=0o700, parents=True, exist_ok=True)

    def get(self, name: str) -> SecretBytes | None:
        """See `Secrets.get`. Raises `ConfigurationError` for a file that others than its owner may use."""
        path = self._path(name)
        with storage_errors("The secrets folder"):
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            except FileNotFoundError:
                return None
            with os.fdopen(descriptor, "rb") as file:
                _refuse_shared(path, os.fstat(descriptor).st_mode)
                return SecretBytes(file.read())

    def create(self, name: str, value: SecretBytes) -> SecretBytes:
        """See `Secrets.create`. The file appears whole, and of two processes one wins."""
        path = self._path(name)
        # A name that no secret can have; what a kill leaves of it is never read.
        draft = self._root / f".{secrets.token_hex(8)}"
        with storage_errors("The secrets folder"):
            try:
                _write(draft, value.get_secret_value())
                with contextlib.suppress(FileExistsError):
                    os.link(draft, path)
            finally:
                draft.unlink(missing_ok=True)
        standing = self.get(name)
        assert standing is not None  # secrets are never removed
        return standing

    def _path(self, name: str) -> Path:
        if not re.fullmatch(NAME_PATTERN, name):
            raise InvalidRequest(f"{name!r} is no name for a secret: it has 1 to 64 of a-z, 0-9 and '-'.")
        return self._root / name


def _refuse_shared(path: Path, mode: int) -> None:
    if mode & _OTHERS:
        raise ConfigurationError(
            "RAGSTONE_DATA_DIR", f"the secret in {path} is open to other users; run: chmod 600 {path}"
        )


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
