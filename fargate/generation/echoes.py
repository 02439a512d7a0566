"""The lines that mark passages, where a model repeats them."""

from __future__ import annotations

import re

MAX_HELD = 40
"""No such line is longer."""


class Echoes:
    """
    Reads an answer piece by piece and gives it on without the lines that bear *mark*.

    Small models repeat them. Behind words on the same line, ``<<mark passage 2>>`` was meant for a citation and becomes
    ``[2]``. The outcome does not depend on where the pieces were cut.
    """

    def __init__(self, mark: str) -> None:
        self._line = re.compile(rf"<<{mark} (?:passage (\d{{1,3}})|end)>>")
        self._held = ""
        self._behind_words = False
        self.count = 0

    def feed(self, piece: str) -> str:
        """Give what can be said now that *piece* is there."""
        return self._said(self._held + piece, last=False)

    def end(self) -> str:
        """Give the rest."""
        return self._said(self._held, last=True)

    def _said(self, text: str, *, last: bool) -> str:
        said = ""
        while found := self._line.search(text):
            said += self._passed(text[: found.start()])
            said += f"[{found[1]}]" if found[1] and self._behind_words else ""
            self.count += 1
            text = text[found.end() :]
        keep = len(text) if last else _beginning(text)
        self._held = text[keep:]
        return said + self._passed(text[:keep])

    def _passed(self, text: str) -> str:
        line = text.rpartition("\n")[2]
        self._behind_words = bool(line.strip()) or (self._behind_words and line == text)
        return text


def _beginning(text: str) -> int:
    """Say where in *text* something begins that may become such a line."""
    place = text.rfind("<<")
    if place < 0:
        return len(text) - text.endswith("<")
    return len(text) if len(text) - place >= MAX_HELD or ">>" in text[place:] else place
