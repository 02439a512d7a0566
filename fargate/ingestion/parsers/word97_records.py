"""The records at the beginning of a binary Word document: where its text lies, and how it is put together."""

from __future__ import annotations

import struct
from bisect import bisect_right
from itertools import accumulate, pairwise

from chalicelib.errors import DocumentRejected

_IDENT = 0xA5EC
_WORD_97 = 0xC1
_ENCRYPTED, _SECOND_TABLE, _OBFUSCATED = 0x0100, 0x0200, 0x8000
_SHORTEST = 898
_COUNTS = 0x4C
"""Characters in the text, footnotes, headers, (unused,) comments, endnotes, text boxes, boxes in headers."""
STYLES, PARAGRAPHS, PIECES = 0xA2, 0x102, 0x1A2
"""Where the places of the style sheet, the paragraphs' properties and the piece table stand."""
_COMPRESSED = 0x40000000
Span = tuple[int, int]


class Fib:
    """The file information block (MS-DOC, section 2.5)."""

    def __init__(self, main: bytes, name: str) -> None:
        """Raises `DocumentRejected`: `encrypted`, or `unreadable` where it is damaged or older than Word 97."""
        if len(main) < 32 or struct.unpack_from("<H", main)[0] != _IDENT:
            raise damaged(name)
        version, flags = struct.unpack_from("<H", main, 2)[0], struct.unpack_from("<H", main, 10)[0]
        if version < _WORD_97:
            detail = f"{name} was written by a Word older than Word 97. Open it in Word and save it as .docx."
            raise DocumentRejected("unreadable", detail)
        if flags & (_ENCRYPTED | _OBFUSCATED):
            raise DocumentRejected("encrypted", f"{name} is protected by a password. Upload it without one.")
        if len(main) < _SHORTEST:
            raise damaged(name)
        self._main = main
        self.table_stream = "1Table" if flags & _SECOND_TABLE else "0Table"

    def part(self, table: bytes, place: int) -> bytes:
        """Give the part of the table stream that is named at *place*."""
        start, size = struct.unpack_from("<2I", self._main, place)
        return table[start : start + size]

    def parts(self, length: int) -> tuple[Span, tuple[Span, ...], Span]:
        """Give where the body, then notes and boxes, then headers and footers lie in a text of *length* characters."""
        counts = struct.unpack_from("<8i", self._main, _COUNTS)
        ends = [min(end, length) for end in accumulate(max(count, 0) for count in counts)]
        body, footnotes, headers, _, _, endnotes, boxes, _ = pairwise([0, *ends])
        return body, (footnotes, endnotes, boxes), headers


class Pieces:
    """The piece table (MS-DOC, section 2.8.35): the text is strung together of runs of bytes."""

    def __init__(self, main: bytes, table: bytes, fib: Fib, name: str) -> None:
        self._main = main
        plc = _piece_table(fib.part(table, PIECES))
        count = (len(plc) - 4) // 12
        if count < 1:
            raise damaged(name)
        self._starts: tuple[int, ...] = struct.unpack_from(f"<{count + 1}I", plc)
        if any(before > after for before, after in pairwise(self._starts)):
            raise damaged(name)
        self._codes: list[int] = [
            struct.unpack_from("<I", plc, 4 * (count + 1) + 8 * place + 2)[0] for place in range(count)
        ]
        self.length = self._starts[-1]

    def text(self) -> str:
        """Give the whole text; a character stands at the place by which all else refers to it."""
        runs = zip(pairwise(self._starts), self._codes, strict=True)
        return "".join(self._run(end - start, code).ljust(end - start) for (start, end), code in runs)

    def offset(self, place: int) -> int:
        """Give the byte at which the character at *place* is kept."""
        piece = min(max(bisect_right(self._starts, place) - 1, 0), len(self._codes) - 1)
        first, width = _where(self._codes[piece])
        return first + (place - self._starts[piece]) * width

    def _run(self, length: int, code: int) -> str:
        first, width = _where(code)
        data = self._main[first : first + length * width]
        if width == 1:
            return data.decode("cp1252", "replace")
        # Halves of characters stand by themselves, so that all else stands at the place by which it is referred to.
        return "".join(map(chr, struct.unpack(f"<{len(data) // 2}H", data[: len(data) // 2 * 2])))


def damaged(name: str) -> DocumentRejected:
    """Say that a document is not whole."""
    return DocumentRejected("unreadable", f"{name} is damaged or incomplete. Open it in Word and save it as .docx.")


def _where(code: int) -> tuple[int, int]:
    """Give the first byte of a run, and how many bytes a character takes."""
    first = code & (_COMPRESSED - 1)
    return (first // 2, 1) if code & _COMPRESSED else (first, 2)


def _piece_table(clx: bytes) -> bytes:
    """Give the piece table that stands behind the properties of pieces (MS-DOC, section 2.9.38)."""
    place = 0
    while place + 5 <= len(clx) and clx[place] == 1:
        place += 3 + int.from_bytes(clx[place + 1 : place + 3], "little")
    if place + 5 > len(clx) or clx[place] != 2:
        return b""
    size = int.from_bytes(clx[place + 1 : place + 5], "little")
    return clx[place + 5 : place + 5 + size]
