"""Word documents in the binary format of Word 97 to 2003 (DOC; MS-DOC): text by the piece table, headings by style."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from chalicelib.domain.documents import BlockKind, ParsedDocument
from fargate.ingestion.parsers import ooxml
from fargate.ingestion.parsers.building import DocumentBuilder, one_line, too_much_text
from fargate.ingestion.parsers.compound import Compound
from fargate.ingestion.parsers.source import Source
from fargate.ingestion.parsers.word97_paragraphs import Paragraph, ParagraphStyles
from fargate.ingestion.parsers.word97_records import Fib, Pieces, damaged

MEDIA_TYPES = ("application/msword",)

_MACROS = "Macros"
_PARAGRAPH, _CELL, _SECTION = "\r", "\x07", "\x0c"
_ENDS = re.compile(f"[^{_PARAGRAPH}{_CELL}{_SECTION}]*[{_PARAGRAPH}{_CELL}{_SECTION}]?")
# Fields stand as 0x13 code 0x14 result 0x15, and may stand in each other (MS-DOC, section 2.8.25).
_FIELD = re.compile("\x13[^\x13\x14\x15]*(?:\x14([^\x13\x14\x15]*))?\x15")
_MAX_NESTED = 16
_SIGNS = str.maketrans({"\x0b": "\n", "\x1e": "-", "\x1f": None, "\xa0": " "})


def parse(source: Source) -> ParsedDocument:
    """
    Read the text, then the notes, text boxes, headers and footers; comments are left out.

    Raises `DocumentRejected`: `encrypted`, `unreadable` (documents of Word 95 and older too), `too_large`, `empty`.
    """
    container = Compound(source.data, source.name)
    try:
        return _read(container, source)
    except (struct.error, IndexError) as error:  # a place outside of what there is
        raise damaged(source.name) from error


def _read(container: Compound, source: Source) -> ParsedDocument:
    main = container.read("WordDocument")
    fib = Fib(main, source.name)
    table = container.read(fib.table_stream)
    pieces = Pieces(main, table, fib, source.name)
    if pieces.length > source.max_characters:
        raise too_much_text(source.max_characters)
    text = pieces.text()
    builder = DocumentBuilder(source)
    writer = _Writer(builder, ParagraphStyles(main, table, fib, pieces))
    body, notes, edges = fib.parts(len(text))
    for start, end in (body, *notes):
        writer.write(text, start, end)
    for line in _distinct(text[edges[0] : edges[1]]):
        builder.add(BlockKind.TEXT, line)
    warnings = [ooxml.MACROS] if container.has(_MACROS) else []
    return builder.build(title=container.title(), warnings=warnings)


class _Writer:
    """Writes paragraphs; those in a row that are cells of a table, or items of a list, are gathered into one block."""

    def __init__(self, builder: DocumentBuilder, styles: ParagraphStyles) -> None:
        self._builder = builder
        self._styles = styles
        self._items: list[str] = []
        self._rows: list[list[str]] = []
        self._cells: list[str] = []
        self._cell: list[str] = []

    def write(self, text: str, start: int, end: int) -> None:
        """Write one part of the document."""
        for first, last in _paragraphs(text, start, end):
            self._paragraph(text[first:last], self._styles.at(last - 1))
        self._end_table()
        self._end_list()

    def _paragraph(self, raw: str, paragraph: Paragraph) -> None:
        text = _shown(raw)
        if paragraph.ends_row:
            self._rows.append(self._cells)
            self._cells, self._cell = [], []
        elif paragraph.in_table or raw.endswith(_CELL):
            self._end_list()
            self._cell.append(text)
            if raw.endswith(_CELL):
                self._cells.append(" ".join(self._cell))
                self._cell = []
        else:
            self._end_table()
            self._plain(text, paragraph)

    def _plain(self, text: str, paragraph: Paragraph) -> None:
        if not text.strip():
            return
        if paragraph.heading_level is not None:
            self._end_list()
            self._builder.heading(text, paragraph.heading_level)
        elif paragraph.list_depth is not None:
            self._items.append("  " * paragraph.list_depth + "- " + one_line(text))
        else:
            self._end_list()
            self._builder.add(BlockKind.TEXT, text)

    def _end_table(self) -> None:
        if self._cells:
            self._rows.append(self._cells)
        self._builder.table(self._rows)
        self._rows, self._cells, self._cell = [], [], []

    def _end_list(self) -> None:
        self._builder.add(BlockKind.LIST, "\n".join(self._items))
        self._items = []


def _paragraphs(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Give where each paragraph begins and ends, its mark included."""
    place = start
    while place < end:
        found = _ENDS.match(text, place, end)
        if found is None or found.end() == place:
            return
        yield place, found.end()
        place = found.end()


def _shown(raw: str) -> str:
    """Give a paragraph as the page shows it: results of fields, not their codes, and no marks."""
    for _ in range(_MAX_NESTED):
        shorter = _FIELD.sub(lambda found: found[1] or "", raw)
        if shorter == raw:
            break
        raw = shorter
    whole = raw.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.rstrip(_PARAGRAPH + _CELL + _SECTION).translate(_SIGNS)


def _distinct(text: str) -> list[str]:
    """Give the lines of headers and footers that say something in words, each once."""
    lines = (_shown(line).strip() for line in re.split(f"[{_PARAGRAPH}{_CELL}]", text))
    return list(dict.fromkeys(line for line in lines if any(character.isalpha() for character in line)))
