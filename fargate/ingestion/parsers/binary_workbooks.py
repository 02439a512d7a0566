"""Excel workbooks in binary formats (XLS, XLSB), read by calamine."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from chalicelib.errors import DocumentRejected
from fargate.ingestion.parsers import number_formats
from fargate.ingestion.parsers.archives import Archive
from fargate.ingestion.parsers.sheet_tables import Allowance, Cell, Merge, Row, Sheet
from fargate.ingestion.parsers.source import Source

_MAX_SPAN = 65_536 * 256
"""As many cells as one old sheet has: calamine makes room for all that lie between the first and the last."""
_PANIC = "PanicException"
"""What calamine's Rust raises on files that it did not expect; it has no public name, and is not an `Exception`."""
# Records of a sheet (MS-XLSB, section 2.3.2): a row's begins with its number, a filled cell's with that of its column.
_ROW = 0
_CELLS = frozenset((*range(2, 12), 62))
# The same of an old workbook (MS-XLS, section 2.3): the beginning of a sheet, and the records of filled cells.
_OLD_SHEET, _OLD_CELL_RUN = 0x809, 0xBD
_OLD_CELLS = frozenset((0x06, 0xD6, 0xFD, 0x203, 0x204, 0x205, 0x27E, _OLD_CELL_RUN))
_Value = str | bool | int | float | date | time | datetime | timedelta


def sheets(source: Source, allowance: Allowance, hidden: list[str]) -> Iterator[Sheet]:
    """
    Read the sheets in their order; *hidden* ones are only named.

    Raises `DocumentRejected`: `encrypted` or `unreadable`.
    """
    try:
        book = CalamineWorkbook.from_object(io.BytesIO(source.data))
        for listed in book.sheets_metadata:
            if listed.visible is not SheetVisibleEnum.Visible:
                hidden.append(listed.name)
            elif listed.typ is SheetTypeEnum.WorkSheet:
                yield _sheet(book.get_sheet_by_name(listed.name), allowance)
    except PasswordError as error:
        detail = f"{source.name} is protected by a password. Upload it without one."
        raise DocumentRejected("encrypted", detail) from error
    except (CalamineError, OSError) as error:
        raise _damaged(source.name) from error
    except BaseException as error:
        if type(error).__name__ == _PANIC:
            raise _damaged(source.name) from error
        raise


def refuse_sprawling(archive: Archive, name: str) -> None:
    """Raise `DocumentRejected` (`too_large`) when the cells of an XLSB sheet lie so far apart that memory is short."""
    parts = [part for part in archive.names if part.startswith("xl/worksheets/") and part.endswith(".bin")]
    _refuse(sum(_span(_places(archive.read(part))) for part in parts), name)


def refuse_sprawling_old(book: bytes, name: str) -> None:
    """As `refuse_sprawling`, for the stream of an XLS workbook, whose sheets are all kept at once."""
    _refuse(sum(map(_span, _places_of_old(book))), name)


def _refuse(span: int, name: str) -> None:
    if span > _MAX_SPAN:
        detail = f"{name} has cells that lie too far apart. Save it as .xlsx, where they may lie as they like."
        raise DocumentRejected("too_large", detail)


def _damaged(name: str) -> DocumentRejected:
    return DocumentRejected("unreadable", f"{name} is damaged or incomplete. Open it in Excel and save it again.")


def _sheet(found: CalamineSheet, allowance: Allowance) -> Sheet:
    sheet = Sheet(found.name)
    _, left = found.start or (0, 0)
    for number, line in enumerate(found.iter_rows()):  # rows count from the sheet's top, columns from its first
        cells = list(_cells(line, left))
        for cell in cells:
            allowance.take(cell.text)
        if cells:
            sheet.rows.append(Row(number, cells))
    for (top, first), (bottom, last) in found.merged_cell_ranges or ():
        sheet.merges.append(Merge(top, first, bottom, last))
    return sheet


def _cells(line: list[_Value], left: int) -> Iterator[Cell]:
    for column, value in enumerate(line, left):
        if value == "":
            continue
        text = number_formats.said(value)
        if text.strip():
            yield Cell(column, text, isinstance(value, str))


def _span(places: Iterable[tuple[int, int]]) -> int:
    """Give how many cells lie between the first and the last of *places*."""
    rows, columns = set[int](), set[int]()
    for row, column in places:
        rows.add(row)
        columns.add(column)
    return (max(rows) - min(rows) + 1) * (max(columns) - min(columns) + 1) if rows else 0


def _places_of_old(book: bytes) -> Iterator[list[tuple[int, int]]]:
    """Give for each sheet of an old workbook where its filled cells begin and end (MS-XLS, section 2.4)."""
    place = 0
    found: list[tuple[int, int]] = []
    while place + 4 <= len(book):
        kind, size = struct.unpack_from("<2H", book, place)
        if kind == _OLD_SHEET:
            yield found
            found = []
        elif kind in _OLD_CELLS and size >= 6 and place + 4 + size <= len(book):
            row, column = struct.unpack_from("<2H", book, place + 4)
            found.append((row, column))
            if kind == _OLD_CELL_RUN:
                found.append((row, int.from_bytes(book[place + 2 + size : place + 4 + size], "little")))
        place += 4 + size
    yield found


def _places(sheet: bytes) -> Iterator[tuple[int, int]]:
    row = 0
    for kind, first in _records(sheet):
        if kind == _ROW:
            row = first
        elif kind in _CELLS:
            yield row, first


def _records(sheet: bytes) -> Iterator[tuple[int, int]]:
    """Give each record's kind and the number it begins with (MS-XLSB, section 2.1.4)."""
    place = 0
    while place + 2 <= len(sheet):
        kind, place = _varying(sheet, place, 2)
        size, place = _varying(sheet, place, 4)
        yield kind, int.from_bytes(sheet[place : place + min(size, 4)], "little")
        place += size


def _varying(data: bytes, place: int, most: int) -> tuple[int, int]:
    """Read a number of seven bits a byte, the lowest first; give the place behind it too."""
    number = 0
    for step, byte in enumerate(data[place : place + most]):
        number |= (byte & 0x7F) << 7 * step
        if byte < 0x80:
            return number, place + step + 1
    return number, place + most
