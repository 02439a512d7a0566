"""From the lines of PDF pages to headings, paragraphs, lists and tables, told by where and how they are set."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile
from statistics import median

from chalicelib.domain.documents import BlockKind
from fargate.ingestion.parsers.building import DocumentBuilder

_WIDER_GAP = 1.35
"""A gap between lines this many times the page's usual one ends a paragraph."""
_LARGER = 1.12
"""Type this many times the size of the body's is a heading's."""
_HEADING_LINES = 3
_HEADING_CHARACTERS = 160
_DEEPEST = 4
_TITLE_WITHIN = 12
_TABLE_LINES = 2
_HEADER_LINES = 4
_YEAR = re.compile(r"\b(?:19|20)\d\d\b")
_TABLE_SHARE = 0.5
_PROSE_WORDS = 7
# A comma or full stop at the end tells a number of running text ("June 30, 2018") from a table's.
_NUMBER = re.compile(r"[($€£¥+-]*\d[\d,.]*(?<![,.])[)%]*\Z|[—–-]\Z")
_CURRENCY = re.compile(r"[$€£¥%()]+\Z")
_ROW_END = 6
_LIST_ITEM = re.compile(r"(?:[•●▪◦‣⁃∙·*-]|\(?(?:\d{1,2}|[a-z]|[ivx]{1,4})[.)])\s+\S")
_WORDS = re.compile(r"[^@]*[^\W\d_]{2}[^@]*\Z")
_SENTENCE_END = (".", ",", ";", "…", "-")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a page: its text, where it stands (points from the page's lower edge) and how it is set."""

    text: str
    bottom: float
    height: float
    bold: bool
    hidden: bool


def write(builder: DocumentBuilder, pages: Sequence[Sequence[Line]]) -> None:
    """Write the pages down block by block; page numbers count from 1."""
    body = _body_size(pages)
    levels = _levels(pages, body)
    for number, lines in enumerate(pages, start=1):
        for group in _groups(lines):
            level = _heading_level(group, levels)
            if level is not None:
                builder.heading(" ".join(line.text for line in group), level, page=number)
            else:
                _write_block(builder, group, number)


def _write_block(builder: DocumentBuilder, group: Sequence[Line], page: int) -> None:
    kind = _kind(group)
    if kind is BlockKind.TABLE:
        builder.table([[line.text] for line in group], header_rows=_header_rows(group), page=page)
    else:
        builder.add(kind, _joined(group, kind), page=page)


def title_of(lines: Sequence[Line]) -> str | None:
    """Give the largest lines near the top of a page, if they are larger than the rest of it."""
    levels = _levels([lines], _body_size([lines]))
    groups = [
        group for group in list(_groups(lines))[:_TITLE_WITHIN] if (_heading_level(group, levels) or 9) <= _DEEPEST
    ]
    largest = max(groups, key=lambda group: group[0].height, default=[])
    return " ".join(line.text for line in largest) or None


def _body_size(pages: Sequence[Sequence[Line]]) -> float:
    """Give the height in which most characters are set, to half a point."""
    sizes: Counter[float] = Counter()
    for line in (line for lines in pages for line in lines):
        sizes[_half_points(line.height)] += len(line.text)
    return max(sizes, key=sizes.__getitem__, default=0.0)


def _levels(pages: Sequence[Sequence[Line]], body: float) -> dict[float, int]:
    """Number the sizes larger than the body's from the largest; the body's own size stands for bold headings."""
    sizes = {_half_points(line.height) for lines in pages for line in lines}
    larger = sorted((size for size in sizes if size > _LARGER * body), reverse=True)
    levels = {size: min(place, _DEEPEST) for place, size in enumerate(larger, start=1)}
    return levels | dict.fromkeys((size for size in sizes if 0.95 * body <= size <= _LARGER * body), _DEEPEST + 1)


def _half_points(height: float) -> float:
    return round(height * 2) / 2


def _groups(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """Part a page where the gap widens, the eye jumps up to a new column, or the type changes."""
    pitches = [above.bottom - below.bottom for above, below in pairwise(lines)]
    downwards = [pitch for pitch in pitches if pitch > 1.0]
    usual = median(downwards) if downwards else 0.0
    group: list[Line] = []
    for line in lines:
        if group and _parts(group[-1], line, usual):
            yield group
            group = []
        group.append(line)
    if group:
        yield group


def _parts(above: Line, below: Line, usual: float) -> bool:
    pitch = above.bottom - below.bottom
    if pitch < -0.5 * above.height or pitch > _WIDER_GAP * max(usual, min(above.height, below.height)):
        return True
    resized = not 1 / _LARGER < (below.height + 0.01) / (above.height + 0.01) < _LARGER
    return resized or above.bold != below.bold


def _heading_level(group: Sequence[Line], levels: dict[float, int]) -> int | None:
    text = " ".join(line.text for line in group)
    if len(group) > _HEADING_LINES or len(text) > _HEADING_CHARACTERS or not _WORDS.match(text):
        return None
    level = levels.get(_half_points(group[0].height))
    if level is None or _is_row(group[-1]) or text.endswith(_SENTENCE_END):
        return None
    if level > _DEEPEST and not (group[0].bold and (text[0].isupper() or text[0].isdigit())):
        return None
    return level


def _kind(group: Sequence[Line]) -> BlockKind:
    if _share(group, _is_row) >= _TABLE_SHARE and len(group) >= _TABLE_LINES:
        return BlockKind.TABLE
    if _LIST_ITEM.match(group[0].text):
        return BlockKind.LIST
    return BlockKind.TEXT


def _joined(group: Sequence[Line], kind: BlockKind) -> str:
    """Put the lines of a paragraph together; rows, items and short lines keep their ends."""
    lines = [line.text for line in group]
    prose = kind is BlockKind.TEXT and median(len(line.split()) for line in lines) >= _PROSE_WORDS
    return (" " if prose and not _share(group, _is_row) else "\n").join(lines)


def _share(group: Sequence[Line], holds: Callable[[Line], bool]) -> float:
    return sum(holds(line) for line in group) / len(group)


def _header_rows(group: Sequence[Line]) -> int:
    """Count the lines above the first figures; years are what columns are called."""
    count = sum(1 for _ in takewhile(_is_above_figures, group))
    return count if count <= _HEADER_LINES else 0


def _is_above_figures(line: Line) -> bool:
    return not _is_row(replace(line, text=_YEAR.sub("", line.text)))


def _is_row(line: Line) -> bool:
    """Say whether a line ends in two numbers or more, or is to a third made of them."""
    words = [word for word in line.text.split() if not _CURRENCY.match(word)]
    numeric = [bool(_NUMBER.match(word)) for word in words]
    ends = sum(numeric[-_ROW_END:]) >= 2 and numeric[-1]
    return ends or sum(numeric) >= max(2, len(numeric) / 3)
