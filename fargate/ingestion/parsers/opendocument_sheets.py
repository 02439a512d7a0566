"""OpenDocument spreadsheets (ODS), streamed: only the cells there are, however often an empty one is repeated."""

from __future__ import annotations

from collections.abc import Iterator

from lxml.etree import _Element

from fargate.ingestion.parsers import number_formats
from fargate.ingestion.parsers.archives import Archive
from fargate.ingestion.parsers.number_formats import NumberFormat
from fargate.ingestion.parsers.ooxml import local
from fargate.ingestion.parsers.opendocument_text import attribute, inline, number
from fargate.ingestion.parsers.sheet_tables import Allowance, Cell, Merge, Row, Sheet

_LAST_ROW, _LAST_COLUMN = 1_048_576, 16_384
_WORDS = ("", "string")


def sheets(archive: Archive, content: str, allowance: Allowance, hidden: list[str]) -> Iterator[Sheet]:
    """Read the sheets in their order; *hidden* ones are only named."""
    unseen = set[str]()
    sheet, row = Sheet(""), 0
    for element in archive.elements(content, "style", "shapes", "table-row", "table"):
        name = local(element)
        if name == "style":
            if any(attribute(child, "display") == "false" for child in element.iterchildren("{*}table-properties")):
                unseen.add(attribute(element, "name"))
        elif not _stands_in_sheet(element):
            continue
        elif name == "shapes":
            sheet.texts = ["\n".join(inline(found) for found in shape.iter("{*}p")) for shape in element]
        elif name == "table-row":
            row = _read_row(element, sheet, row, allowance)
        elif attribute(element, "style-name") in unseen:
            hidden.append(attribute(element, "name"))
            sheet, row = Sheet(""), 0
        else:
            sheet.name = attribute(element, "name")
            yield sheet
            sheet, row = Sheet(""), 0


def _stands_in_sheet(element: _Element) -> bool:
    """Say whether this is a sheet, or a row of one, and not a table inside of a cell."""
    table = element if local(element) == "table" else next(element.iterancestors("{*}table"), None)
    return table is not None and table.getparent() is not None and local(table.getparent()) == "spreadsheet"


def _read_row(line: _Element, sheet: Sheet, before: int, allowance: Allowance) -> int:
    """Add the row behind *before* as often as it repeats, and give the number of the last."""
    cells = list(_cells(line, sheet, before + 1, allowance))
    repeated = number(line, "number-rows-repeated")
    for place in range(1, 1 + min(repeated, _LAST_ROW - before) if cells else 1):
        if place > 1:
            for cell in cells:
                allowance.take(cell.text)
        sheet.rows.append(Row(before + place, list(cells)))
    return before + repeated


def _cells(line: _Element, sheet: Sheet, row: int, allowance: Allowance) -> Iterator[Cell]:
    column = 0
    for cell in line.iterchildren("{*}table-cell", "{*}covered-table-cell"):
        repeated = number(cell, "number-columns-repeated")
        kind = attribute(cell, "value-type")
        text = _text(cell, kind) if len(cell) or kind else ""
        if text.strip() and local(cell) == "table-cell":
            for place in range(column + 1, min(column + repeated, _LAST_COLUMN) + 1):
                allowance.take(text)
                yield Cell(place, text, kind in _WORDS)
            down, right = number(cell, "number-rows-spanned"), number(cell, "number-columns-spanned")
            if down > 1 or right > 1:
                sheet.merges.append(Merge(row, column + 1, row + down - 1, column + right))
        column += repeated


def _text(cell: _Element, kind: str) -> str:
    """Give what a cell holds: numbers without the signs of a language, dates as ISO 8601 has them."""
    shown = "\n".join(inline(paragraph) for paragraph in cell.iterchildren("{*}p"))
    if kind == "date":
        return attribute(cell, "date-value").removesuffix("T00:00:00").replace("T", " ") or shown
    if kind in ("float", "percentage", "currency"):
        return _number(attribute(cell, "value"), kind, attribute(cell, "currency")) or shown
    return attribute(cell, "boolean-value").upper() or shown


def _number(stated: str, kind: str, currency: str) -> str:
    try:
        value = float(stated)
    except ValueError:
        return ""
    share = NumberFormat.PERCENT if kind == "percentage" else NumberFormat.PLAIN
    return f"{number_formats.written(value, share)} {currency}".strip()
