"""From the filled cells of a sheet to tables: what is a caption, what a header, and what belongs together."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import NamedTuple

from chalicelib.domain.documents import BlockKind
from fargate.ingestion.parsers.building import DocumentBuilder, one_line, too_much_text

_BETWEEN_CELLS = 3
_SPACER_ROWS = 2
"""So many blank rows may stand inside of a table; where there are more, another one begins."""
_SPARSE = 4
"""A table with this many empty cells to a filled one is written cell by cell, each with its column's name."""
_SMALL = 256
_YEAR = re.compile(r"(?:19|20)\d\d\Z")
_HEADING_LEVEL = 1


class Cell(NamedTuple):
    """A filled cell; *words* is false for numbers, dates and the like."""

    column: int
    text: str
    words: bool


class Row(NamedTuple):
    """The filled cells of one row, from left to right."""

    number: int
    cells: list[Cell]


class Merge(NamedTuple):
    """A rectangle of cells merged into one, whose text stands in its first."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass(slots=True)
class Sheet:
    """The filled rows of one sheet from the top, and the texts that float above its cells."""

    name: str
    rows: list[Row] = field(default_factory=list)
    merges: list[Merge] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


class Allowance:
    """How many characters a whole workbook may still give, so that no cell said often enough fills the memory."""

    def __init__(self, characters: int) -> None:
        self._limit = characters
        self._left = characters

    def take(self, text: str) -> None:
        """Count a cell's text. Raises `DocumentRejected` when there are too many."""
        self._left -= len(text) + _BETWEEN_CELLS
        if self._left < 0:
            raise too_much_text(self._limit)


def write(builder: DocumentBuilder, sheet: Sheet, allowance: Allowance) -> None:
    """Write a sheet under its name, table by table; one with nothing in it is passed over."""
    if not sheet.rows and not any(text.strip() for text in sheet.texts):
        return
    builder.heading(sheet.name, _HEADING_LEVEL)
    _say_merged_again(sheet, allowance)
    grouped = {(merge.top, merge.left) for merge in sheet.merges if merge.right > merge.left}
    for run in _tables(sheet.rows):
        for table in _side_by_side(run, grouped):
            _write_table(builder, table, grouped)
    for text in sheet.texts:
        builder.add(BlockKind.TEXT, text)


def _say_merged_again(sheet: Sheet, allowance: Allowance) -> None:
    """Say a cell that is merged downwards in every row it reaches, so that each row can be understood by itself."""
    numbers = [row.number for row in sheet.rows]
    for top, left, bottom, _ in sheet.merges:
        place = bisect_left(numbers, top)
        found = _at(sheet.rows[place], left) if place < len(numbers) and numbers[place] == top else None
        if found is None:
            continue
        for row in sheet.rows[place + 1 : bisect_left(numbers, bottom + 1)]:
            if _at(row, left) is not None:  # not what a merge leaves behind: the file contradicts itself
                break
            allowance.take(found.text)
            insort(row.cells, found)


def _at(row: Row, column: int) -> Cell | None:
    place = bisect_left(row.cells, column, key=lambda cell: cell.column)
    return row.cells[place] if place < len(row.cells) and row.cells[place].column == column else None


def _tables(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Give the runs of rows that belong together: blank spacer rows do not tear a table from its header."""
    table: list[Row] = []
    for run in _runs(rows):
        if table and _goes_on(table, run):
            table += run
        else:
            if table:
                yield table
            table = run
    if table:
        yield table


def _runs(rows: Sequence[Row]) -> Iterator[list[Row]]:
    run: list[Row] = []
    for row in rows:
        if run and row.number != run[-1].number + 1:
            yield run
            run = []
        run.append(row)
    if run:
        yield run


def _goes_on(table: list[Row], run: list[Row]) -> bool:
    """Say whether *run* has no header of its own and stands under that of *table*."""
    if run[0].number - table[-1].number > _SPACER_ROWS + 1:
        return False
    columns, above = _columns(run), _columns(table)
    if len(columns) < 2 or not set(columns) <= set(above):
        return False
    return not _header_rows(run, columns, set()) and bool(_header_rows(_captions(table, above)[1], above, set()))


def _side_by_side(run: list[Row], grouped: set[tuple[int, int]]) -> list[list[Row]]:
    """Part tables that stand beside each other: blank columns between them, and each with a header of its own."""
    columns = _columns(run)
    starts = [column for before, column in pairwise(columns) if column > before + 1]
    if not starts:
        return [run]
    parts: list[list[Row]] = [[] for _ in range(len(starts) + 1)]
    for row in run:
        for place, cells in groupby(row.cells, key=lambda cell: bisect_right(starts, cell.column)):
            parts[place].append(Row(row.number, list(cells)))
    return parts if all(_header_rows(part, _columns(part), grouped) for part in parts) else [run]


def _write_table(builder: DocumentBuilder, run: list[Row], grouped: set[tuple[int, int]]) -> None:
    columns = _columns(run)
    if len(columns) == 1:
        builder.add(BlockKind.TEXT, _lines(run))
        return
    captions, body = _captions(run, columns)
    builder.add(BlockKind.TEXT, _lines(captions))
    columns = _columns(body)
    headers = _header_rows(body, columns, grouped)
    filled = sum(len(row.cells) for row in body)
    if len(body) * len(columns) > _SPARSE * filled + _SMALL:
        builder.table(_labelled(body, headers))
    else:
        builder.table(_aligned(body, columns), header_rows=headers)


def _lines(rows: Sequence[Row]) -> str:
    return "\n".join(one_line(row.cells[0].text) for row in rows)


def _columns(run: Sequence[Row]) -> list[int]:
    return sorted({cell.column for row in run for cell in row.cells})


def _captions(run: list[Row], columns: Sequence[int]) -> tuple[list[Row], list[Row]]:
    """Part the lines that stand above a table from the table."""
    if len(columns) < 2:
        return [], run
    first = next((place for place, row in enumerate(run) if len(row.cells) > 1), len(run))
    return run[:first], run[first:]


def _header_rows(body: Sequence[Row], columns: Sequence[int], grouped: set[tuple[int, int]]) -> int:
    """Count the rows that name the columns: one, or two where the first names groups of them."""
    if len(body) < 2 or len(columns) < 2 or not _names_columns(body[0], body[1]):
        return 0
    groups = any((body[0].number, cell.column) in grouped for cell in body[0].cells)
    if groups and len(body) > 2 and _names_columns(body[1], body[2]):
        return 2
    return 1 if groups or 2 * len(body[0].cells) >= len(columns) else 0


def _names_columns(row: Row, below: Row) -> bool:
    """Say whether a row is all words, but for years that do not stand above further years."""
    if not any(cell.words for cell in row.cells):
        return False
    under = {cell.column: cell.text for cell in below.cells}
    return all(
        cell.words or bool(_YEAR.match(cell.text) and not _YEAR.match(under.get(cell.column, ""))) for cell in row.cells
    )


def _aligned(body: Sequence[Row], columns: Sequence[int]) -> Iterator[list[str]]:
    places = {column: place for place, column in enumerate(columns)}
    for row in body:
        line = [""] * (places[row.cells[-1].column] + 1)
        for cell in row.cells:
            line[places[cell.column]] = cell.text
        yield line


def _labelled(body: Sequence[Row], headers: int) -> Iterator[list[str]]:
    labels: dict[int, str] = {}
    for row in body[:headers]:
        for cell in row.cells:
            labels[cell.column] = f"{labels.get(cell.column, '')} {cell.text}".strip()
    for row in body[headers:]:
        yield [f"{labels[cell.column]}: {cell.text}" if cell.column in labels else cell.text for cell in row.cells]
