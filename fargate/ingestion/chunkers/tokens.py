"""Counting and cutting by the embedder's own tokens, without tokenising twice."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from chalicelib.ports.models import TokenSpans

_WORD_WITHIN = 2
"""A cut goes back to the last white space if that stands in the last half of the piece."""


class Tokens:
    """The tokens of one *text*; a token belongs to every piece it overlaps."""

    def __init__(self, text: str, spans: TokenSpans) -> None:
        self._text = text
        self._starts = spans.starts
        self._ends = spans.ends

    def count(self, start: int, end: int) -> int:
        """Say how many tokens stand in ``text[start:end]``."""
        return max(0, bisect_left(self._starts, end) - bisect_right(self._ends, start))

    def fit(self, start: int, end: int, budget: int) -> int:
        """
        Give the furthest place up to *end* to which at most *budget* tokens reach from *start*.

        It stands between words where there is white space in reach, else between tokens, and is always beyond *start*.
        """
        if self.count(start, end) <= budget:
            return end
        over = bisect_right(self._ends, start) + budget
        while over > 0 and (self._starts[over] <= start or self.count(start, self._starts[over]) > budget):
            over -= 1  # several tokens can share a character
        place = self._starts[over]
        if place <= start:
            return min(end, max(start + 1, self._ends[bisect_right(self._ends, start)]))
        return self._between_words(start, place)

    def back(self, start: int, end: int, budget: int) -> int:
        """Give a place between words in ``text[start:end]`` from which at most *budget* tokens reach to *end*."""
        place = max(start, self._starts[max(0, bisect_left(self._starts, end) - budget)]) if budget else end
        while place < end and not (self._text[place - 1 : place].isspace() and self.count(place, end) <= budget):
            place += 1
        return place

    def _between_words(self, start: int, place: int) -> int:
        if self._text[place].isspace() or self._text[place - 1].isspace():
            return place
        nearest = start + (place - start) // _WORD_WITHIN
        for candidate in range(place - 1, nearest, -1):
            if self._text[candidate - 1].isspace():
                return candidate
        return place
