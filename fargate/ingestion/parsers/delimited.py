"""Tables of plain characters (CSV, TSV and their kin): the delimiter by content, a line for each row."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

from chalicelib.domain.documents import ParsedDocument
from fargate.ingestion.parsers import encodings
from fargate.ingestion.parsers.building import DocumentBuilder, clean, too_much_text
from fargate.ingestion.parsers.source import Source

MEDIA_TYPES = ("text/csv", "text/tab-separated-values")

_DELIMITERS = ("\t", ";", "|", ",")
"""The rarer a sign is within cells, the sooner it is believed where two explain the rows equally well."""
_STATED = re.compile(r"\Asep=(.)[^\S\n]*\n", re.IGNORECASE)
_SAMPLE_ROWS = 200
_MOST_TITLES = 10
_QUOTES_AND_SPACES = 2
_LONGEST_CELL = 100_000_000
_NUMBER = re.compile(r"[-+(]?[€$£¥]?\s?\d[\d.,' ]*(?:e[-+]?\d+)?\s?[%€$£¥)]?\Z", re.IGNORECASE)
_DATE = re.compile(r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}(?:[T ].*)?\Z")
_YEAR = re.compile(r"(?:19|20)\d\d\Z")

csv.field_size_limit(_LONGEST_CELL)


def parse(source: Source) -> ParsedDocument:
    """Read *source* as one table; rows may have more or fewer cells than others. Raises `DocumentRejected`."""
    text = clean(encodings.decode(source.data, source.language))
    if len(text) > _QUOTES_AND_SPACES * source.max_characters:  # before all its cells are in memory
        raise too_much_text(source.max_characters)
    stated = _STATED.match(text)
    if stated:
        text = text[stated.end() :]
    delimiter = stated[1] if stated else _delimiter(text)
    rows = _rows(text, delimiter)
    builder = DocumentBuilder(source)
    builder.table(rows, header_rows=header_rows(rows[:_SAMPLE_ROWS]))
    return builder.build()


def header_rows(rows: Sequence[Sequence[str]]) -> int:
    """
    Count the first of *rows* that say what stands below them: titles of one cell, then the names of the columns.

    Names are distinct and not numbers, other than years, or else the first row is data already.
    """
    width = _usual(Counter(map(_filled, rows)))
    titles = sum(1 for _ in _titles(rows, width))
    named = titles < len(rows) - 1 and _names_columns(rows[titles], rows[titles + 1 :])
    return titles + 1 if named else 0


def _titles(rows: Sequence[Sequence[str]], width: int) -> Iterator[Sequence[str]]:
    for row in rows[:_MOST_TITLES]:
        if width < 2 or _filled(row) != 1:
            return
        yield row


def _names_columns(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    names = [cell.strip() for cell in first if cell.strip()]
    if not names or len(set(names)) < len(names):
        return False
    figures = [place for place, cell in enumerate(first) if _is_figure(cell) and not _YEAR.match(cell.strip())]
    if not figures:
        return len(names) > 1 or any(_is_figure(cell) for row in below for cell in row)
    return False


def _is_figure(cell: str) -> bool:
    text = cell.strip()
    return bool(_NUMBER.match(text) or _DATE.match(text))


def _filled(row: Sequence[str]) -> int:
    return sum(1 for cell in row if cell.strip())


def _usual(widths: Counter[int]) -> int:
    """Give the width most rows have; the larger one where two are as frequent."""
    return max(widths, key=lambda width: (widths[width], width), default=0)


def _delimiter(text: str) -> str:
    return max(_DELIMITERS, key=lambda delimiter: _evenness(text, delimiter))


def _evenness(text: str, delimiter: str) -> float:
    """Give the share of the first rows that *delimiter* parts into the same number of cells, more than one."""
    sample = (row for row in _read(text, delimiter) if row)
    widths = Counter(len(row) for row in islice(sample, _SAMPLE_ROWS))
    parted = Counter({width: count for width, count in widths.items() if width > 1})
    return max(parted.values()) / widths.total() if parted else 0.0


def _rows(text: str, delimiter: str) -> list[list[str]]:
    rows = list(_read(text, delimiter))
    if rows and text.count('"') % 2 and any("\n" in cell for cell in rows[-1]):  # a quote that is never closed
        return list(_read(text, delimiter, quotes=False))
    return rows


def _read(text: str, delimiter: str, *, quotes: bool = True) -> Iterator[list[str]]:
    # The reader is given lines with their ends, since those within quotes belong to the cell.
    lines = (match[0] for match in re.finditer(r"[^\n]*\n|[^\n]+", text))
    if quotes:
        return csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    return csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
