"""Compound files, the container of the old binary office formats (MS-CFB)."""

from __future__ import annotations

import contextlib
import io
import struct

import olefile

from chalicelib.errors import DocumentRejected

_DAMAGES = (OSError, ValueError, LookupError, OverflowError, struct.error)
_UTF_8 = 65001


class Compound:
    """A compound file, read in memory."""

    def __init__(self, data: bytes, name: str) -> None:
        """Open *data*. Raises `DocumentRejected` (`unreadable`) where it is damaged."""
        self._name = name
        try:
            self._file = olefile.OleFileIO(io.BytesIO(data))
        except _DAMAGES as error:
            raise self._broken() from error

    def has(self, *streams: str) -> bool:
        """Say whether it has one of the *streams* or storages at its top."""
        return any(self._file.exists(stream) for stream in streams)

    def read(self, stream: str) -> bytes:
        """Give a stream's bytes; none where there is no such stream. Raises `DocumentRejected` where it is damaged."""
        if not self._file.exists(stream):
            return b""
        try:
            return bytes(self._file.openstream(stream).read())
        except _DAMAGES as error:
            raise self._broken() from error

    def title(self) -> str | None:
        """Give the title that the author set; damaged properties have none."""
        with contextlib.suppress(*_DAMAGES):
            found = self._file.get_metadata()
            page = (found.codepage or 0) & 0xFFFF
            encoding = "utf-8" if page == _UTF_8 else f"cp{page or 1252}"
            title = found.title
            return title.decode(encoding, "replace").rstrip("\x00") if isinstance(title, bytes) else title
        return None

    def _broken(self) -> DocumentRejected:
        detail = f"{self._name} is damaged or incomplete. Open it in its program and save it again."
        return DocumentRejected("unreadable", detail)
