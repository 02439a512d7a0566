"""The citations that a model writes into its answer, however it writes them."""

from __future__ import annotations

import re
from collections.abc import Collection

MAX_HELD = 80
"""No citation is longer."""
MAX_RANGE = 10

_WORD = r"(?:(?:passage|document|doc|source|reference|ref|quelle)s?\.?\s*)"
_OPENING = re.compile(r"[\[【]")
_MARKER = re.compile(
    rf"[\[【]\s*\^?\s*(?P<numbers>{_WORD}?\d{{1,3}}(?:\s*(?:[,;&]|and|[-–])\s*{_WORD}?\d{{1,3}})*)"
    r"(?:\s*[:†][^\]】\n]*)?\s*[\]】]",
    re.IGNORECASE,
)
_PERHAPS = re.compile(r"[\[【]\s*\^?\s*(?:[A-Za-z]{1,10}\.?\s*)?(?:\d[^\]】\n]*)?\Z")
_NO_SPACE_BEFORE = frozenset(" .,;:!?)\n")
_RANGE = re.compile(r"(\d{1,3})(?:\s*[-–]\s*(\d{1,3}))?")


class Marking:
    """
    Reads an answer piece by piece and gives it on with its citations as ``[1]``, numbered as they appear.

    *known* are the numbers of the passages that the model was given. ``[1, 2]``, ``[1-3]``, ``[^1]``, ``[Passage 1]``
    and ``【1†source】`` are understood; a citation of a passage that is not there is taken out and counted. Code keeps
    its brackets, and so does a word that one stands directly behind, such as ``items[0]``, unless it is a passage's.
    Only what may be a citation is held back, and the outcome does not depend on where the pieces were cut.
    """

    def __init__(self, known: Collection[int]) -> None:
        self._known = frozenset(known)
        self._held = ""
        self._before = ""  # the last sign that was taken
        self._in_code = False
        self._space = ""
        self._gap = False  # whether a citation was taken out where the space stands
        self.cited: list[int] = []
        self.unknown = 0

    def feed(self, piece: str) -> str:
        """Give what can be said now that *piece* is there."""
        self._held += piece
        return self._said(last=False)

    def end(self) -> str:
        """Give the rest."""
        return self._said(last=True) + self._space

    def _said(self, *, last: bool) -> str:
        said = self._space
        while opening := _OPENING.search(self._held):
            said = self._joined(said, self._take(opening.start()))
            if not last and len(self._held) < MAX_HELD and _PERHAPS.match(self._held):
                break
            line = self._held[:MAX_HELD].partition("\n")[0]
            marker = None if self._in_code else _MARKER.match(line)
            text = None if marker is None else self._markers(marker["numbers"])
            if marker is None or text is None:
                said = self._joined(said, self._take(1))
                continue
            said = self._joined(said, text)
            self._gap = self._gap or not text
            self._take(marker.end())
        else:
            said = self._joined(said, self._take(len(self._held)))
        # A space waits, in case that what follows is taken out.
        self._space = " " if said.endswith(" ") else ""
        return said.removesuffix(" ")

    def _joined(self, said: str, text: str) -> str:
        """Give both, without the space before a citation that was taken out where no word follows."""
        if text and self._gap:
            self._gap = False
            if text[0] in _NO_SPACE_BEFORE:
                said = said.removesuffix(" ")
        return said + text

    def _take(self, size: int) -> str:
        taken, self._held = self._held[:size], self._held[size:]
        if taken:
            line = taken.rpartition("\n")[2]
            self._in_code = (self._in_code and line == taken) != (line.count("`") % 2 == 1)
            self._before = taken[-1]
        return taken

    def _markers(self, numbers: str) -> str | None:
        """Give the markers that stand for *numbers*, or None where they are no citation."""
        wanted = _numbers(numbers)
        there = [number for number in wanted if number in self._known]
        if not there and (self._before.isalnum() or self._before == "_"):
            return None
        self.unknown += len(there) < len(wanted)
        self.cited += [number for number in dict.fromkeys(there) if number not in self.cited]
        return "".join(dict.fromkeys(f"[{self.cited.index(number) + 1}]" for number in there))


def _numbers(text: str) -> list[int]:
    numbers: list[int] = []
    for first, last in _RANGE.findall(text):
        start, end = int(first), int(last or first)
        numbers += range(start, min(end, start + MAX_RANGE) + 1) if end >= start else [start, end]
    return numbers
