"""Excel workbooks (XLSX, XLSM) from their XML: only the cells there are, however large a sheet says it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from lxml.etree import _Element

from fargate.ingestion.parsers import drawings, number_formats, ooxml
from fargate.ingestion.parsers.archives import Archive
from fargate.ingestion.parsers.number_formats import NumberFormat
from fargate.ingestion.parsers.sheet_tables import Allowance, Cell, Merge, Row, Sheet

_LAST_ROW, _LAST_COLUMN = 1_048_576, 16_384
_REFERENCE = re.compile(r"([A-Z]{1,3})(\d{1,7})\Z")
_AS_IT_IS = re.compile(r"-?\d{1,7}(?:\.\d{0,6}[1-9])?\Z")
"""Numbers so short that they read in the file as they do on the sheet."""
# What XML cannot hold is written so (ECMA-376, part 1, 22.9.2.19).
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_YES = ("1", "true", "on")


@dataclass(slots=True)
class _Workbook:
    archive: Archive
    allowance: Allowance
    from_1904: bool = False
    strings: list[str] = field(default_factory=list)
    formats: list[NumberFormat] = field(default_factory=list)


def sheets(archive: Archive, main: str, allowance: Allowance, hidden: list[str]) -> Iterator[Sheet]:
    """Read the sheets of the workbook that *main* describes, in their order; *hidden* ones are only named."""
    root = archive.xml(main)
    if root is None:
        return
    parts = ooxml.relations(archive, main)
    book = _open(archive, main, root, allowance)
    for listed in root.iterfind("{*}sheets/{*}sheet"):
        part = parts.get(ooxml.reference(listed))
        if listed.get("state", "visible") != "visible":
            hidden.append(str(listed.get("name", "")))
        elif part is not None and not part.external and part.target in archive.names:
            yield _sheet(book, str(listed.get("name", "")), part.target)


def _open(archive: Archive, main: str, root: _Element, allowance: Allowance) -> _Workbook:
    properties = root.find("{*}workbookPr")
    book = _Workbook(archive, allowance, properties is not None and properties.get("date1904", "") in _YES)
    for part in ooxml.of_kind(archive, main, "styles"):
        book.formats = _formats(archive.xml(part.target))
    for part in ooxml.of_kind(archive, main, "sharedStrings"):
        if part.target in archive.names:
            book.strings = [_text(item) for item in archive.elements(part.target, "si")]
    return book


def _formats(root: _Element | None) -> list[NumberFormat]:
    """Give for each cell style what its numbers stand for."""
    if root is None:
        return []
    kinds = dict(number_formats.BUILT_IN)
    for custom in root.iterfind("{*}numFmts/{*}numFmt"):
        kinds[_number(custom.get("numFmtId"))] = number_formats.kind_of(str(custom.get("formatCode", "")))
    styles = root.iterfind("{*}cellXfs/{*}xf")
    return [kinds.get(_number(style.get("numFmtId")), NumberFormat.PLAIN) for style in styles]


def _sheet(book: _Workbook, name: str, part: str) -> Sheet:
    sheet = Sheet(name)
    number, ordered = 0, True
    for element in book.archive.elements(part, "row", "mergeCell"):
        if ooxml.local(element) == "mergeCell":
            sheet.merges.extend(_merge(str(element.get("ref", ""))))
            continue
        stated = _number(element.get("r"), number + 1)
        ordered, number = ordered and stated > number, stated
        cells = _cells(book, element)
        if cells and 1 <= number <= _LAST_ROW:
            sheet.rows.append(Row(number, cells))
    if not ordered:
        sheet.rows = _in_order(sheet.rows)
    sheet.texts = list(_floating(book.archive, part))
    return sheet


def _in_order(rows: list[Row]) -> list[Row]:
    """Sort rows that a careless program wrote in another order, or twice."""
    merged: dict[int, dict[int, Cell]] = {}
    for row in rows:
        merged.setdefault(row.number, {}).update((cell.column, cell) for cell in row.cells)
    return [Row(number, sorted(merged[number].values())) for number in sorted(merged)]


def _cells(book: _Workbook, row: _Element) -> list[Cell]:
    """Give the filled cells of a row from left to right; most of what a workbook costs is spent here."""
    found: list[Cell] = []
    column, ordered = 0, True
    for cell in row:
        place = _REFERENCE.match(cell.get("r", ""))
        before, column = column, _column(place[1]) if place else column + 1
        ordered = ordered and column > before
        text, words = _value(book, cell)
        if text and column <= _LAST_COLUMN and not text.isspace():
            book.allowance.take(text)
            found.append(Cell(column, text, words))
    return found if ordered else sorted({cell.column: cell for cell in found}.values())


def _value(book: _Workbook, cell: _Element) -> tuple[str, bool]:
    """Give what a cell shows, and whether that is words."""
    kind = cell.get("t", "n")
    if kind == "inlineStr":
        inline = cell.find("{*}is")
        return ("" if inline is None else _text(inline)), True
    raw = _raw(cell)
    if kind == "n":
        return _written(book, raw, _number(cell.get("s"))), False
    if kind == "s":
        place = _number(raw, -1)
        return book.strings[place] if 0 <= place < len(book.strings) else "", True
    if kind == "b":
        return {"1": "TRUE", "0": "FALSE"}.get(raw, raw), False
    if kind in ("d", "e"):  # a date in ISO 8601, or an error such as #N/A
        return raw.removesuffix("T00:00:00"), False
    return _unescaped(raw), True


def _raw(cell: _Element) -> str:
    for child in cell:
        if child.tag.endswith("}v"):
            return str(child.text or "")
    return ""


def _written(book: _Workbook, raw: str, style: int) -> str:
    kind = book.formats[style] if style < len(book.formats) else NumberFormat.PLAIN
    if kind is NumberFormat.PLAIN and _AS_IT_IS.match(raw):
        return raw
    try:
        value = float(raw)
    except ValueError:
        return raw
    return number_formats.written(value, kind, from_1904=book.from_1904)


def _text(item: _Element) -> str:
    """Give a text or its runs, without the reading aids of East Asian texts."""
    parts = [str(part.text or "") for part in item.iterfind("{*}t")]
    parts += [str(part.text or "") for part in item.iterfind("{*}r/{*}t")]
    return _unescaped("".join(parts))


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


def _merge(reference: str) -> Iterator[Merge]:
    first, _, last = reference.partition(":")
    start, end = _REFERENCE.match(first), _REFERENCE.match(last)
    if start and end:
        yield Merge(int(start[2]), _column(start[1]), int(end[2]), _column(end[1]))


def _floating(archive: Archive, part: str) -> Iterator[str]:
    """Give the texts of boxes and the titles of charts that lie over the cells."""
    for drawing in ooxml.of_kind(archive, part, "drawing"):
        root = archive.xml(drawing.target)
        if root is not None:
            yield from drawings.texts(root)
            for chart in ooxml.of_kind(archive, drawing.target, "chart"):
                yield drawings.chart_title(archive.xml(chart.target))


@cache
def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number


def _number(text: str | None, default: int = 0) -> int:
    return int(text) if text is not None and text.isdecimal() and len(text) < 10 else default
