"""The codes of rich text (RTF 1.9), and the tables in its head: fonts with their code pages, styles, the title."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

_TOKEN = re.compile(
    r"\\([A-Za-z]{1,32})(-?\d{1,9})?[ ]?|\\'([0-9A-Fa-f]{2})|\\([^A-Za-z])|([{}])|([^\\{}\r\n]+)|[\r\n]+|\\", re.DOTALL
)
_HEADING = re.compile(r"heading ([1-9])\Z", re.IGNORECASE)
_PAGES = {"mac": "mac_roman", "pc": "cp437", "pca": "cp850"}
_DEFAULT_PAGE = "cp1252"
# The code page of each character set that a font may name (RTF 1.9, "Font Table").
_CHARSETS = {
    0: "cp1252", 77: "mac_roman", 78: "cp932", 79: "cp949", 80: "cp936", 81: "cp950", 83: "cp1255", 84: "mac_arabic",
    85: "mac_greek", 86: "mac_turkish", 87: "cp874", 88: "mac_latin2", 89: "mac_cyrillic", 128: "cp932", 129: "cp949",
    130: "johab", 134: "cp936", 136: "cp950", 161: "cp1253", 162: "cp1254", 163: "cp1258", 177: "cp1255",
    178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250", 254: "cp437", 255: "cp850",
}  # fmt: skip
BODY_LEVEL = 9
"""The outline level of what is no heading."""
DESTINATIONS = frozenset(("fonttbl", "stylesheet", "title", "template"))


class Kind(Enum):
    """What a token is."""

    WORD = 1
    BYTE = 2
    SYMBOL = 3
    BRACE = 4
    RUN = 5


class Token(NamedTuple):
    """One code or run of characters; *number* is what stands behind a word, or the byte's value."""

    kind: Kind
    text: str
    number: int | None = None


def tokens(text: str) -> Iterator[Token]:
    """Part *text*, a character for each byte; the raw data of pictures is passed over."""
    place = 0
    while found := _TOKEN.match(text, place):
        place = found.end()
        word, number, code, symbol, brace, run = found.groups()
        if word == "bin":
            place += max(int(number or 0), 0)
        elif word:
            yield Token(Kind.WORD, word, None if number is None else int(number))
        elif run:
            yield Token(Kind.RUN, run)
        elif code:
            yield Token(Kind.BYTE, code, int(code, 16))
        elif brace:
            yield Token(Kind.BRACE, brace)
        elif symbol:
            yield Token(Kind.SYMBOL, symbol)


class Head:
    """What the head of a file says once for all of its text."""

    def __init__(self) -> None:
        self.title = ""
        self.template = ""
        self.heading_levels: dict[int, int] = {}
        self._page = _DEFAULT_PAGE
        self._fonts: dict[int, str] = {}
        self._font = 0
        self._style = 0
        self._outline = BODY_LEVEL

    def page(self, font: int | None) -> str:
        """Give the code page in which text of a font is written."""
        return self._fonts.get(-1 if font is None else font, self._page)

    def set_page(self, word: str, number: int | None) -> None:
        """Take in what the file says of itself as a whole."""
        if word == "ansicpg":
            self._page = _known(f"cp{number}", self._page)
        else:
            self._page = _PAGES.get(word, self._page)

    def word(self, word: str, number: int | None) -> None:
        """Take in a word of a font or a style."""
        if word == "f":
            self._font = number or 0
        elif word == "fcharset":
            self._fonts[self._font] = _known(_CHARSETS.get(number or 0, self._page), self._page)
        elif word == "s":
            self._style = number or 0
        elif word == "outlinelevel":
            self._outline = number or 0

    def entry(self, destination: str, text: str) -> None:
        """Take in the text of an entry, at its end."""
        name = text.partition(";")[0].strip()
        if destination == "title":
            self.title = text
        elif destination == "template":
            self.template += text
        elif destination == "stylesheet" and name:
            named = _HEADING.match(name)
            level = int(named[1]) if named else self._outline + 1
            if name.lower() == "title":
                level = 0
            if 0 <= level <= BODY_LEVEL:
                self.heading_levels[self._style] = level
            self._style, self._outline = 0, BODY_LEVEL


def _known(page: str, otherwise: str) -> str:
    try:
        return codecs.lookup(page).name
    except LookupError:
        return otherwise
