"""How data is written down: names beside values line by line, and records of one shape as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from chalicelib.domain.documents import BlockKind
from fargate.ingestion.parsers.building import DocumentBuilder, one_line

Record = Mapping[str, str]

_SHORT = 300
"""A longer value is prose: it stands alone, and records that hold such values are no rows."""
_PROSE_ROWS = 0.1
_FILLED = 0.5
"""Records that share fewer of their names than this are no rows of one table."""
_MOST_COLUMNS = 60
_LONGEST_NAME = 200
_WRITTEN_AT_ONCE = 1_000_000


class Facts:
    """Writes names with their values, short ones as lines of one list, long ones as text."""

    def __init__(self, builder: DocumentBuilder) -> None:
        self._builder = builder
        self._lines: list[str] = []
        self._length = 0

    def say(self, name: str, value: str) -> None:
        """Write one value; a blank one is passed over."""
        text = value.strip()
        if not text:
            return
        line = f"{name}: {text}" if name else text
        if len(text) > _SHORT or "\n" in text:
            self.end()
            self._builder.add(BlockKind.TEXT, line)
            return
        self._lines.append(line)
        self._length += len(line)
        if self._length > _WRITTEN_AT_ONCE:
            self.end()

    def end(self) -> None:
        """End the list; what is said next begins another."""
        lines, self._lines, self._length = self._lines, [], 0
        self._builder.add(BlockKind.LIST, "\n".join(lines))


def write_table(builder: DocumentBuilder, records: Sequence[Record], caption: str = "") -> bool:
    """Write *records* as a table where they are rows of one; otherwise write nothing and give False."""
    columns = list(dict.fromkeys(name for record in records for name in record))
    if len(records) < 2 or not columns or len(columns) > _MOST_COLUMNS:
        return False
    filled = sum(map(len, records)) / (len(records) * len(columns))
    prose = sum(any(len(value) > _SHORT for value in record.values()) for record in records)
    if filled < _FILLED or prose > _PROSE_ROWS * len(records):
        return False
    builder.table(_rows(records, columns, caption), header_rows=2 if caption else 1)
    return True


@lru_cache(1024)
def short_name(text: str) -> str:
    """Give a name that may be repeated in front of each value."""
    return one_line(text)[:_LONGEST_NAME]


def _rows(records: Sequence[Record], columns: Sequence[str], caption: str) -> Iterator[list[str]]:
    if caption:
        yield [caption]
    yield list(columns)
    for record in records:
        yield [record.get(column, "") for column in columns]
