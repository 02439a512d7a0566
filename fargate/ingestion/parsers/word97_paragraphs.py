"""What a binary Word document says of each paragraph: is it a heading, an item of a list, a cell, the end of a row."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from fargate.ingestion.parsers.word97_records import PARAGRAPHS, STYLES, Fib, Pieces

_PAGE = 512
_TITLE_STYLE = 62
_BODY_LEVEL = 9
_NO_STYLE = 0xFFF
_MAX_BASES = 32
# Properties of paragraphs (MS-DOC, section 2.6.2).
_IN_TABLE, _ROW_END, _OUTLINE, _LIST_DEPTH, _LIST = 0x2416, 0x2417, 0x2640, 0x260A, 0x460B
_IN_INNER_TABLE, _INNER_CELL_END, _INNER_ROW_END = 0x6649, 0x244B, 0x244C
# How many bytes follow a property's code, by its upper three bits; None where the first of them says so.
_SIZES = (1, 1, 2, 4, 2, 2, None, 3)
_LONG = (0xD608, 0xD606)
_TABS = 0xC615


@dataclass(frozen=True, slots=True)
class Paragraph:
    """The role of one paragraph; *heading_level* is 0 for the title, *list_depth* 0 for the outermost list."""

    heading_level: int | None = None
    list_depth: int | None = None
    in_table: bool = False
    ends_row: bool = False


_PLAIN = Paragraph()


class ParagraphStyles:
    """The properties of paragraphs, looked up by the place of the mark that ends them."""

    def __init__(self, main: bytes, table: bytes, fib: Fib, pieces: Pieces) -> None:
        self._main = main
        self._pieces = pieces
        self._styles = _styles(fib.part(table, STYLES))
        index = fib.part(table, PARAGRAPHS)
        count = max((len(index) - 4) // 8, 0)
        self._starts = struct.unpack_from(f"<{count + 1}I", index) if count else ()
        self._pages = struct.unpack_from(f"<{count}I", index, 4 * (count + 1)) if count else ()
        self._page = lru_cache(maxsize=64)(self._read_page)

    def at(self, place: int) -> Paragraph:
        """Give what is known of the paragraph that ends at *place*; an ordinary one where nothing is."""
        offset = self._pieces.offset(place)
        page = bisect_right(self._starts, offset) - 1
        if not 0 <= page < len(self._pages):
            return _PLAIN
        ends, found = self._page(self._pages[page] & 0x3FFFFF)
        run = bisect_right(ends, offset) - 1
        return found[run] if 0 <= run < len(found) else _PLAIN

    def _read_page(self, number: int) -> tuple[tuple[int, ...], list[Paragraph]]:
        """Read a page of properties (MS-DOC, section 2.9.174): for each run of bytes where they stand in the page."""
        page = self._main[number * _PAGE : (number + 1) * _PAGE]
        if len(page) < _PAGE or 4 + 17 * page[-1] > _PAGE:
            return (), []
        count = page[-1]
        starts = struct.unpack_from(f"<{count + 1}I", page)
        places = [page[4 * (count + 1) + 13 * run] * 2 for run in range(count)]
        return starts, [self._paragraph(_properties_at(page, place)) for place in places]

    def _paragraph(self, written: bytes) -> Paragraph:
        if len(written) < 2:
            return self._styles.get(0, _PLAIN)
        style = self._styles.get(int.from_bytes(written[:2], "little"), _PLAIN)
        return _with(style, dict(_properties(written[2:])))


def _properties_at(page: bytes, place: int) -> bytes:
    if place == 0 or place + 1 >= _PAGE:
        return b""
    words = page[place]
    if words == 0:
        return page[place + 2 : place + 2 + 2 * page[place + 1]]
    return page[place + 1 : place + 2 * words]


def _with(style: Paragraph, said: dict[int, int]) -> Paragraph:
    """Add to what a style says what is said of the paragraph itself."""
    level, depth = style.heading_level, style.list_depth
    if _OUTLINE in said:
        level = said[_OUTLINE] + 1 if said[_OUTLINE] < _BODY_LEVEL else None
    if _LIST in said:
        depth = 0 if 0 < said[_LIST] < 0xF801 else None
    if depth is not None:
        depth = min(said.get(_LIST_DEPTH, depth), _BODY_LEVEL - 1)
    inside = said.get(_IN_TABLE, 0) == 1 or said.get(_IN_INNER_TABLE, 0) > 0
    inner = said.get(_IN_INNER_TABLE, 0) > 1  # a table in a cell reads as part of the cell
    return Paragraph(level, depth, inside, ends_row=inside and not inner and said.get(_ROW_END, 0) == 1)


def _properties(data: bytes) -> Iterator[tuple[int, int]]:
    """Give each property's code and value (MS-DOC, section 2.2.5)."""
    place = 0
    while place + 3 <= len(data):
        code = int.from_bytes(data[place : place + 2], "little")
        place += 2
        size = _SIZES[code >> 13]
        if size is None:
            size = 1 + data[place]
            if code in _LONG:
                size = 1 + int.from_bytes(data[place : place + 2], "little")
            elif code == _TABS and data[place] == 0xFF:  # too long to say how long; nothing we need stands behind
                return
        yield code, int.from_bytes(data[place : place + min(size, 4)], "little")
        place += size


def _styles(sheet: bytes) -> dict[int, Paragraph]:
    """Read the style sheet (MS-DOC, section 2.9.271): the role of each paragraph style, by its number."""
    found: dict[int, tuple[int, Paragraph]] = {}
    if len(sheet) < 6:
        return {}
    header = int.from_bytes(sheet[:2], "little")
    base_size = int.from_bytes(sheet[4:6], "little")
    place = 2 + header
    for number in range(min(int.from_bytes(sheet[2:4], "little"), _NO_STYLE)):
        size = int.from_bytes(sheet[place : place + 2], "little")
        style = sheet[place + 2 : place + 2 + size]
        place += 2 + size + size % 2
        if len(style) >= base_size >= 6 and style[2] & 0xF == 1:
            built_in = int.from_bytes(style[:2], "little") & 0xFFF
            found[number] = (int.from_bytes(style[2:4], "little") >> 4, _role(built_in, style[base_size:]))
    return {number: _inherited(found, number) for number in found}


def _role(built_in: int, rest: bytes) -> Paragraph:
    """Tell a style's role: the headings are known by number, whatever language their names are in."""
    if 1 <= built_in <= _BODY_LEVEL:
        return Paragraph(heading_level=built_in)
    if built_in == _TITLE_STYLE:
        return Paragraph(heading_level=0)
    name = 2 + 2 * int.from_bytes(rest[:2], "little") + 2
    size = int.from_bytes(rest[name : name + 2], "little")
    said = dict(_properties(rest[name + 4 : name + 2 + size]))
    return _with(_PLAIN, {code: value for code, value in said.items() if code in (_OUTLINE, _LIST, _LIST_DEPTH)})


def _inherited(styles: dict[int, tuple[int, Paragraph]], number: int) -> Paragraph:
    """Give a style's role, or that of the one it is based on; rings of styles end."""
    role = styles[number][1]
    for _ in range(_MAX_BASES):
        base = styles[number][0]
        if role != _PLAIN or base not in styles:
            break
        number, role = base, styles[base][1]
    return role
