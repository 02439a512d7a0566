"""An answer's text, of whatever model, into the statements that are checked one by one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fargate.generation.drafts import Statement
from fargate.generation.sentences import sentences

_MARKER = re.compile(r"\s*\[(\d{1,3})\]")
_LEADING = re.compile(r"(?:\s*\[\d{1,3}\])+\s*")


def split(text: str) -> list[Statement]:
    """
    Give the statements of *text*: sentences, list items, table rows, with the markers ``[1]`` that belong to each.

    Markers after a sentence's end are that sentence's. One without any has those of the next one on its line: a
    paragraph is often cited at its end. What only leads in or asks, and cites nothing, is no statement.
    """
    found: list[tuple[int, int, str, tuple[int, ...]]] = []
    for one in sentences(text):
        start, raw = one.start, text[one.start : one.end]
        lead = _LEADING.match(raw)
        if lead and found and "\n" not in text[found[-1][1] : start]:
            before = found.pop()
            found.append((before[0], start + lead.end(), before[2], before[3] + _markers(lead.group())))
            raw, start = raw[lead.end() :], start + lead.end()
        said = _MARKER.sub("", raw).strip()
        markers = _markers(raw)
        if any(map(str.isalnum, said)) and (markers or (one.states and not said.endswith((":", "：")))):
            found.append((start, one.end, said, markers))
    return [
        Statement(said, markers or _of_the_line(text, found, place))
        for place, (_, _, said, markers) in enumerate(found)
    ]


def _markers(text: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(int(number) for number in _MARKER.findall(text)))


def _of_the_line(text: str, found: Sequence[tuple[int, int, str, tuple[int, ...]]], place: int) -> tuple[int, ...]:
    """Give the markers of the first statement after *place* that has any, unless a line ends before it."""
    end = found[place][1]
    for start, stop, _, markers in found[place + 1 :]:
        if "\n" in text[end:start]:
            break
        if markers:
            return markers
        end = stop
    return ()
