"""Where sentences and lines begin and end."""

from __future__ import annotations

import re
from collections.abc import Iterator

# An end is a mark, whatever closes with it, and white space; in scripts that put none, the mark is enough.
_END = re.compile(r"""[.!?…]+["'”’»)\]]*(?=\s)|[。！？]+["'”’」』）]*|\n\s*\n""")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:[A-Za-z]|e\.g|i\.e|cf|vs|etc|approx|no|nos|fig|figs|eq|sec|art|vol|pp|ed|eds|al|dr|mr|mrs|ms|prof|st"
    r"|inc|ltd|co|corp|dept|u\.s|u\.k|jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec)\.\Z",
    re.IGNORECASE,
)
_LINE_END = re.compile("\n")
_LOOK_BACK = 12


def sentences(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Part ``text[start:end]`` into sentences, without the white space between them."""
    return list(_pieces(text, start, end, _ends(text, start, end)))


def lines(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Part ``text[start:end]`` into lines, indents kept; blank lines are left out."""
    ends = [match.end() for match in _LINE_END.finditer(text, start, end)]
    return [
        (first, last - len(line) + len(line.rstrip()))
        for first, last in zip([start, *ends], [*ends, end], strict=True)
        if (line := text[first:last]).strip()
    ]


def _ends(text: str, start: int, end: int) -> Iterator[int]:
    for match in _END.finditer(text, start, end):
        following = text[match.end() : match.end() + 20].lstrip()
        if match[0] == "." and _ABBREVIATION.search(text, max(start, match.end() - _LOOK_BACK), match.end()):
            continue
        if match[0].startswith(".") and following[:1].islower():
            continue
        yield match.end()


def _pieces(text: str, start: int, end: int, ends: Iterator[int]) -> Iterator[tuple[int, int]]:
    for stop in (*ends, end):
        piece = text[start:stop]
        if piece.strip():
            yield start + len(piece) - len(piece.lstrip()), stop - len(piece) + len(piece.rstrip())
        start = stop
