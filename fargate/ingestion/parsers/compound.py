"""Compound files, the container of the old binary office formats (MS-CFB)."""

from __future__ import annotations

import contextlib
import io
import struct

import olefile

from chalicelib.errors import DocumentRejected

_DAMAGES = (OSError, ValueError, LookupError, OverflowError, struct.error)
_FIRST_SET, _MAX_PROPERTIES = 44, 64
_CODE_PAGE, _TITLE = 1, 2
_NARROW, _WIDE = 0x1E, 0x1F
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
        with contextlib.suppress(DocumentRejected, *_DAMAGES):
            return _title(self.read("\x05SummaryInformation"))
        return None

    def _broken(self) -> DocumentRejected:
        detail = f"{self._name} is damaged or incomplete. Open it in its program and save it again."
        return DocumentRejected("unreadable", detail)


def _title(properties: bytes) -> str | None:
    """Find the title in a property set (MS-OLEPS, section 2.20); olefile would believe whatever counts it states."""
    (start,) = struct.unpack_from("<I", properties, _FIRST_SET)
    (count,) = struct.unpack_from("<I", properties, start + 4)
    listed = struct.iter_unpack("<2I", properties[start + 8 : start + 8 + 8 * min(count, _MAX_PROPERTIES)])
    places = {number: start + place for number, place in listed}
    page = struct.unpack_from("<H", properties, places[_CODE_PAGE] + 4)[0] if _CODE_PAGE in places else 1252
    kind, size = struct.unpack_from("<2I", properties, places[_TITLE])
    value = properties[places[_TITLE] + 8 :]
    if kind == _WIDE:
        return value[: 2 * size].decode("utf-16-le", "replace").rstrip("\x00")
    encoding = "utf-8" if page == _UTF_8 else f"cp{page}"
    return value[:size].decode(encoding, "replace").rstrip("\x00") if kind == _NARROW else None
