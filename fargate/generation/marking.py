"""The citations that a model writes into its answer, however it writes them."""

from __future__ import annotations

import re
from collections.abc import Collection

MAX_HELD = 40
"""No citation is longer."""
MAX_RANGE = 10

_OPENING = re.compile(r"[\[【]")
_MARKER = re.compile(
    r"[\[【]\s*\^?\s*(?:(?:passage|document|doc|source|quelle)s?\s*)?"
    r"(?P<numbers>\d{1,3}(?:\s*(?:[,;&]|and|[-–])\s*\d{1,3})*)(?:\s*[:†][^\]】]*)?\s*[\]】]",
    re.IGNORECASE,
)
_RANGE = re.compile(r"(\d{1,3})(?:\s*[-–]\s*(\d{1,3}))?")


class Marking:
    """
    Reads an answer piece by piece and gives it on with its citations as ``[1]``, numbered as they appear.

    *known* are the numbers of the passages that the model was given. ``[1, 2]``, ``[1-3]``, ``[^1]``, ``[Passage 1]``
    and ``【1†source】`` are understood; a citation of a passage that is not there is taken out and counted. Only what
    may be a citation is held back.
    """

    def __init__(self, known: Collection[int]) -> None:
        self._known = frozenset(known)
        self._held = ""
        self.cited: list[int] = []
        self.unknown = 0

    def feed(self, piece: str) -> str:
        """Give what can be said now that *piece* is there."""
        self._held += piece
        said = []
        while opening := _OPENING.search(self._held):
            said.append(self._take(opening.start()))
            closing = re.search(r"[\]】]", self._held)
            if closing is None:
                if len(self._held) <= MAX_HELD and "\n" not in self._held:
                    return "".join(said)
                said.append(self._take(1))
                continue
            marker = _MARKER.match(self._held)
            said.append(self._markers(self._take(marker.end())) if marker else self._take(1))
        return "".join([*said, self._take(len(self._held))])

    def end(self) -> str:
        """Give the rest."""
        return self._take(len(self._held))

    def _take(self, size: int) -> str:
        taken, self._held = self._held[:size], self._held[size:]
        return taken

    def _markers(self, marker: str) -> str:
        found = _MARKER.match(marker)
        assert found is not None  # it was found before
        markers = []
        for number in _numbers(found["numbers"]):
            if number not in self._known:
                self.unknown += 1
                continue
            if number not in self.cited:
                self.cited.append(number)
            markers.append(f"[{self.cited.index(number) + 1}]")
        return "".join(dict.fromkeys(markers))


def _numbers(text: str) -> list[int]:
    numbers: list[int] = []
    for first, last in _RANGE.findall(text):
        end = int(last or first)
        numbers += range(int(first), min(end, int(first) + MAX_RANGE) + 1) if end >= int(first) else [int(first), end]
    return numbers
