"""
A passage's text into sentences with exact places: prose, list items, table rows, code left out.

Lines are gathered into paragraphs first, as Markdown has them, and each paragraph is cut where a sentence ends. Nothing
is cut inside a number, an address, an abbreviation or an initial. In doubt it is not cut: a long quote is still true.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from itertools import zip_longest

MAX_SENTENCE_CHARACTERS = 1_000
"""A longer run without an end is a data dump, not a sentence; it is left out."""

MAX_HEADING_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class Sentence:
    """
    What stands from *start* to *end* of the passage, in characters.

    *shown* is the same without Markdown's signs, on one line: what an answer says and what is compared with a question.
    *states* is false for what resembles a question without answering it: a question itself, a heading in plain text, a
    pointer to another page.
    """

    start: int
    end: int
    shown: str
    states: bool = True


def sentences(text: str) -> list[Sentence]:
    """
    Give the sentences of *text* in order, none overlapping another, without surrounding white space.

    Left out, as they state nothing: headings, also of tables, code, rules, and items that are but a link, as in a
    table of contents.
    """
    return [sentence for start, end in _paragraphs(text) for sentence in _in_paragraph(text, start, end)]


def plain(markdown: str) -> str:
    """Give *markdown*, a sentence of it, without signs and line breaks; links keep their names, references get (1)."""
    text = _ITEM.sub("", markdown)
    text = _IMAGE.sub(r"\1", text)
    text = _LINK.sub(r"\1", text)
    text = _AUTOLINK.sub(r"\1", text)
    text = _TAG.sub(" ", text)
    text = _ROW_ENDS.sub("", text)
    text = _EMPHASIS.sub(r"\2", text)
    text = _CODE.sub(r"\1", text)
    text = _ESCAPE.sub(r"\1", text)
    text = _REFERENCE.sub(r"(\1)", text)  # else it would read as a marker of the answer's own citations
    return " ".join(text.split())


_HEADING = re.compile(r"\s{0,3}#{1,6}(\s|$)")
_FENCE = re.compile(r"\s{0,3}(```|~~~)")
_RULE = re.compile(r"[\s|:*_=+-]*$")
_ROW = re.compile(r"\s*\|.*\|\s*$")
_ROW_ENDS = re.compile(r"^\s*\||\|\s*$")
_ITEM = re.compile(r"^\s*(?:>\s?)*(?:[-*+•‣◦–]|\(?\d{1,3}[.)]|\(?[a-zA-Z]\))\s+|^\s*(?:>\s?)+")
_IMAGE = re.compile(r"!\[([^\]]*)\]\([^)\s]*(?:\s+\"[^\"]*\")?\)")
_LINK = re.compile(r"\[([^\]]+)\](?:\([^)\s]*(?:\s+\"[^\"]*\")?\)|\[[^\]]*\])")
_ONLY_LINKS = re.compile(rf"^[\s.,;:|]*(?:(?:{_LINK.pattern})[\s.,;:|]*)+$")
_AUTOLINK = re.compile(r"<((?:https?|mailto):[^>\s]+)>")
_POINTER = re.compile(
    r"(?:for (?:more|further|additional) (?:information|details?)|(?:please )?see (?:also )?)\b", re.I
)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<!--.*?-->", re.DOTALL)
_EMPHASIS = re.compile(r"(?<![\w*])(\*{1,3}|_{1,3})(?=\S)(.+?)(?<=\S)\1(?![\w*])", re.DOTALL)
_CODE = re.compile(r"`+([^`]+)`+")
_REFERENCE = re.compile(r"\[(\d{1,3})\]")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")


def _paragraphs(text: str) -> Iterator[tuple[int, int]]:
    """Give where each paragraph, list item and table row begins and ends."""
    begin = end = -1
    for kind, start, stop in _kinds(text):
        if begin >= 0 and kind is not _Line.MORE:
            yield begin, end
            begin = -1
        if kind is _Line.NOTHING:
            continue
        begin, end = (start if begin < 0 else begin), stop
    if begin >= 0:
        yield begin, end


class _Line(Enum):
    """What a line is to a paragraph: its FIRST line, MORE of it or of a new one, a ROW by itself, or NOTHING of it."""

    FIRST = auto()
    MORE = auto()
    ROW = auto()
    NOTHING = auto()


def _kinds(text: str) -> Iterator[tuple[_Line, int, int]]:
    fenced = False
    after_row = False
    lines = list(_lines(text))
    for (start, stop), following in zip_longest(lines, lines[1:], fillvalue=(0, 0)):
        line = text[start:stop]
        fence = _FENCE.match(line) is not None
        kind = _Line.NOTHING if fence or fenced else _kind(line, text[slice(*following)])
        fenced ^= fence
        # A row stands alone, and so does what comes after it.
        yield (_Line.FIRST if after_row and kind is _Line.MORE else kind), start, stop
        after_row = kind is _Line.ROW


def _kind(line: str, following: str) -> _Line:
    if _RULE.match(line) or _HEADING.match(line):
        return _Line.NOTHING
    if _ROW.match(line):
        heads_a_table = _RULE.match(following) is not None and "-" in following
        return _Line.NOTHING if heads_a_table else _Line.ROW
    return _Line.FIRST if _ITEM.match(line) else _Line.MORE


def _lines(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for line in text.splitlines(keepends=True):
        yield start, start + len(line.rstrip("\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029"))
        start += len(line)


def _in_paragraph(text: str, start: int, end: int) -> Iterator[Sentence]:
    begin = start
    cuts = [] if _ROW.match(text, start, end) else list(_ends(text, start, end))
    for cut in [*cuts, end]:
        first, last = _trimmed(text, begin, cut)
        begin = cut
        if last - first > MAX_SENTENCE_CHARACTERS:
            continue
        raw = text[first:last]
        marker = _marker_length(raw)
        shown = plain(raw[marker:])
        if _says_something(raw, shown):
            alone = (first, last) == _trimmed(text, start, end)
            states = not (_asks(shown) or _points(raw, shown) or (alone and _heads(raw, shown)))
            yield Sentence(first + marker, last, shown, states)


def _marker_length(raw: str) -> int:
    """Give the length of the list markers that *raw* begins with: a quote does without them."""
    length = 0
    while marker := _ITEM.match(raw[length:]):
        length += marker.end()
    return length


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())


def _says_something(raw: str, shown: str) -> bool:
    return any(map(str.isalnum, shown)) and not _ONLY_LINKS.match(_TAG.sub(" ", _ITEM.sub("", raw)))


def _asks(shown: str) -> bool:
    return shown.rstrip("\"'”’»)]").endswith(("?", "？", "؟"))


def _points(raw: str, shown: str) -> bool:
    """Say whether a sentence only sends the reader on: in the usual English words, or most of it is names of links."""
    linked = sum(len(link.group(1)) for link in _LINK.finditer(raw))
    return _POINTER.match(shown) is not None or 2 * linked > len(shown)


def _heads(raw: str, shown: str) -> bool:
    """Say whether a paragraph of one sentence is rather a heading: short, on one line, and without an end."""
    if "\n" in raw or _ITEM.match(raw) or _ROW.match(raw):
        return False
    return _END.search(shown[-8:]) is None and len(shown) <= MAX_HEADING_CHARACTERS


# An end is one or more signs, then closing quotes and brackets; then white space, or nothing where the script needs
# none. A space before the sign is what tokenised corpora have.
_END = re.compile(r"(?:[.!?…]+(?:\s'')?[\"'”’»)\]*_]*(?:\[\d{1,3}\])*(?=\s|$)|[。！？｡]+[」』”’）]*|[؟۔।॥]+(?=\s|$))")
_NEXT = re.compile(r"[\s\"'“‘«(\[*_`¿¡]*(\S)")
_WORD_BEFORE = re.compile(r"[^\s(\[\"'“‘«*_]+$")
_INITIALS = re.compile(r"(?:[^\W\d_]\.)*[^\W\d_]$")
_ABBREVIATIONS = """
    e.g i.e eg ie cf vs viz al ca approx resp incl excl esp lit mr mrs ms dr prof rev hon st mt gen col capt lt sgt gov
    sen fig figs eq eqs vol eds pp jan feb apr jun jul aug sept sep oct nov dec
    bzw z.b d.h u.a evtl ggf inkl nr abb bspw vgl mme sr sra
"""
_NEVER_LAST = frozenset(_ABBREVIATIONS.split())
_BEFORE_NUMBER = frozenset(["no", "nos", "art", "n", "num", "para", "sec", "ch", "p"])


def _ends(text: str, start: int, end: int) -> Iterator[int]:
    """Give the places within the paragraph at which a sentence has ended."""
    for found in _END.finditer(text, start, end):
        following = _NEXT.match(text, found.end(), end)
        if following is not None and not _goes_on(text[start : found.start()], found.group(), following.group(1)):
            yield found.end()


def _goes_on(before: str, sign: str, following: str) -> bool:
    """Say whether the sentence goes on after *sign*, since it ends an abbreviation or no new sentence follows."""
    if following.islower():
        return True
    if sign != ".":
        return False
    word = _WORD_BEFORE.search(before.rstrip())
    last = word.group().rstrip(".").casefold() if word else ""
    if last in _NEVER_LAST or (last in _BEFORE_NUMBER and following.isdigit()):
        return True
    if last.isdigit() and len(last) <= 3 and not before[: -len(last)].strip():
        return True  # the number of a list item
    return _INITIALS.match(last) is not None and last != "i" and following.isalpha()
