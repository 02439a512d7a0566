"""Rich text from its codes to paragraphs and rows of tables; what is not shown is passed over."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from chalicelib.errors import DocumentRejected
from fargate.ingestion.parsers.building import one_line, too_much_text
from fargate.ingestion.parsers.rich_text_tokens import BODY_LEVEL, DESTINATIONS, Head, Kind, Token, tokens

_MAX_DEPTH = 1_000
_MAX_FALLBACKS = 64
# fmt: off
_SIGNS = {
    "tab": "\t", "line": "\n", "lbr": "\n", "emdash": "\u2014", "endash": "\u2013", "bullet": "\u2022",
    "lquote": "\u2018", "rquote": "\u2019", "ldblquote": "\u201c", "rdblquote": "\u201d", "emspace": " ",
    "enspace": " ", "qmspace": " ", "nestcell": " ", "nestrow": " ", "~": " ", "_": "-", "\t": "\t",
    "{": "{", "}": "}", "\\": "\\",
}
_FLOWS = {
    "footnote": "note", "shptxt": "box", "header": "header", "headerl": "header", "headerr": "header",
    "headerf": "header", "footer": "footer", "footerl": "footer", "footerr": "footer", "footerf": "footer",
}
# What holds no text that is shown, but lacks the star by which readers tell what they need not know.
_SKIPPED = frozenset((
    "colortbl", "filetbl", "info", "pict", "nonesttables", "xe", "tc", "txe", "rxe", "shprslt", "upr", "listtext",
    "pntext",
))
_TRANSPARENT = frozenset(("shpinst", "shp"))
# fmt: on


class Paragraph(NamedTuple):
    """A paragraph of a *flow* (body, note, box, header or footer), or where *cells* are given a row of a table."""

    flow: str
    text: str
    heading_level: int | None = None
    list_depth: int | None = None
    cells: tuple[str, ...] | None = None
    names_columns: bool = False


@dataclass(frozen=True, slots=True)
class _Group:
    """What holds until a brace closes."""

    destination: str = "body"
    hidden: bool = False
    fallbacks: int = 1
    font: int | None = None
    begins_flow: bool = False


@dataclass(slots=True)
class _Look:
    """The properties of a paragraph."""

    style: int = 0
    outline: int | None = None
    listed: bool = False
    depth: int = 0
    in_table: bool = False


@dataclass(slots=True)
class _Flow:
    """A text that runs beside others: what it holds of a paragraph, a cell and a row that have not ended yet."""

    name: str
    parts: list[str] = field(default_factory=list)
    look: _Look = field(default_factory=_Look)
    cell: list[str] = field(default_factory=list)
    cells: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _RowPlan:
    """What stands before a row about its cells: which go on from above, and whether they name the columns."""

    merged: list[bool] = field(default_factory=list)
    merges: bool = False
    names_columns: bool = False


class RichTextReader:
    """Reads one file; afterwards *head* and *paragraphs* are what it holds."""

    def __init__(self, name: str, max_characters: int) -> None:
        self.head = Head()
        self.paragraphs: list[Paragraph] = []
        self._name = name
        self._limit = self._left = max_characters
        self._group = _Group()
        self._outer: list[_Group] = []
        self._flow = _Flow("body")
        self._waiting: list[_Flow] = []
        self._plan = _RowPlan()
        self._above: list[str] = []
        self._bytes = bytearray()
        self._entry: list[str] = []
        self._to_skip = 0
        self._starred = False

    def read(self, data: bytes) -> None:
        """Read to the end. Raises `DocumentRejected`: `unreadable` where it is nested too deeply, or `too_large`."""
        for token in tokens(data.decode("latin-1")):
            self._token(token)
            if token.text == "}" and token.kind is Kind.BRACE and not self._outer:
                break
        while self._waiting:
            self._close_flow()
        self._paragraph_ends()
        self._row_ends()

    def _token(self, token: Token) -> None:
        if token.kind is Kind.RUN:
            self._run(token.text.encode("latin-1"))
        elif token.kind is Kind.BYTE:
            self._run(bytes([token.number or 0]))
        elif token.kind is Kind.BRACE:
            self._decode()
            self._to_skip, self._starred = 0, False
            self._open() if token.text == "{" else self._close()
        elif token.kind is Kind.WORD:
            self._word(token.text, token.number)
        elif token.text == "*":
            self._starred = True
        elif token.text in _SIGNS:
            self._say(_SIGNS[token.text])
        elif token.text in "\r\n":
            self._paragraph_ends()

    def _run(self, written: bytes) -> None:
        """Keep bytes, but for the characters that stand for one in Unicode; digits of pictures are dropped at once."""
        skipped = min(self._to_skip, len(written))
        self._to_skip -= skipped
        if self._is_read():
            self._bytes += written[skipped:]

    def _open(self) -> None:
        if len(self._outer) >= _MAX_DEPTH:
            raise DocumentRejected("unreadable", f"{self._name} is nested more deeply than any real document.")
        self._outer.append(self._group)
        self._group = replace(self._group, begins_flow=False)

    def _close(self) -> None:
        if self._group.begins_flow:
            self._close_flow()
        if self._entry:
            self.head.entry(self._group.destination, _whole(self._entry))
            self._entry = []
        if self._outer:
            self._group = self._outer.pop()

    def _close_flow(self) -> None:
        self._paragraph_ends()
        self._row_ends()
        self._flow = self._waiting.pop()

    def _word(self, word: str, number: int | None) -> None:
        starred, self._starred = self._starred, False
        self._to_skip = 0
        if word == "u":
            self._say(chr((number or 0) & 0xFFFF))
            self._to_skip = self._group.fallbacks
        elif word in _SIGNS:
            self._say(_SIGNS[word])
        else:
            self._decode()
            if starred or word in _SKIPPED or word in _FLOWS or word in DESTINATIONS:
                self._destination(word)
            elif self._group.destination in DESTINATIONS:
                self.head.word(word, number)
            elif not self._character_word(word, number) and self._group.destination == self._flow.name:
                self._table_word(word)
                self._paragraph_word(word, number)

    def _destination(self, word: str) -> None:
        here = self._group.destination
        if word in ("listtext", "pntext"):
            self._flow.look.listed = True
        if word in _TRANSPARENT:
            return
        if word in _FLOWS and here == self._flow.name and not self._group.hidden:
            self._waiting.append(self._flow)
            self._flow = _Flow(_FLOWS[word])
            self._group = replace(self._group, destination=_FLOWS[word], begins_flow=True)
        elif word == "ud" and here == "upr":  # what stands before it in `upr` is the same for old programs
            self._group = replace(self._group, destination=self._flow.name)
        else:
            self._group = replace(self._group, destination=word)

    def _character_word(self, word: str, number: int | None) -> bool:
        """Obey a word about characters; False where it is none."""
        if word == "f":
            self._group = replace(self._group, font=number)
        elif word in ("v", "deleted"):
            self._group = replace(self._group, hidden=number != 0)
        elif word == "plain":
            self._group = replace(self._group, hidden=False, font=None)
        elif word == "uc":
            self._group = replace(self._group, fallbacks=min(max(number or 0, 0), _MAX_FALLBACKS))
        elif word in ("ansicpg", "mac", "pc", "pca"):
            self.head.set_page(word, number)
        else:
            return False
        return True

    def _table_word(self, word: str) -> None:
        if word == "cell":
            self._cell_ends()
        elif word == "row":
            self._row_ends()
        elif word == "intbl":
            self._flow.look.in_table = True
        elif word == "trowd":
            self._plan = _RowPlan()
        elif word == "trhdr":
            self._plan.names_columns = True
        elif word == "clvmrg":
            self._plan.merges = True
        elif word == "cellx":
            self._plan.merged.append(self._plan.merges)
            self._plan.merges = False

    def _paragraph_word(self, word: str, number: int | None) -> None:
        look = self._flow.look
        if word in ("par", "sect", "page"):
            self._paragraph_ends()
        elif word == "pard":
            self._flow.look = _Look()
        elif word == "s":
            look.style = number or 0
        elif word == "outlinelevel":
            look.outline = number or 0
        elif word == "ls":
            look.listed = bool(number)
        elif word == "ilvl":
            look.depth = min(max(number or 0, 0), BODY_LEVEL - 1)

    def _is_read(self) -> bool:
        group = self._group
        return (group.destination == self._flow.name and not group.hidden) or group.destination in DESTINATIONS

    def _say(self, text: str) -> None:
        self._decode()
        if self._is_read():
            self._keep(text)

    def _decode(self) -> None:
        """Turn the bytes so far into text by the code page of their font: a character may be several bytes long."""
        if self._bytes:
            text = bytes(self._bytes).decode(self.head.page(self._group.font), "replace")
            self._bytes.clear()
            self._keep(text)

    def _keep(self, text: str) -> None:
        self._count(text)
        (self._entry if self._group.destination in DESTINATIONS else self._flow.parts).append(text)

    def _count(self, text: str) -> None:
        self._left -= len(text)
        if self._left < 0:
            raise too_much_text(self._limit)

    def _paragraph_ends(self) -> None:
        self._decode()
        flow, look = self._flow, self._flow.look
        text, flow.parts = _whole(flow.parts), []
        if look.in_table:
            flow.cell.append(text)
        elif text.strip():
            level = self.head.heading_levels.get(look.style) if look.outline is None else look.outline + 1
            heading = level if level is not None and 0 <= level <= BODY_LEVEL else None
            self._row_ends()
            self.paragraphs.append(Paragraph(flow.name, text, heading, look.depth if look.listed else None))

    def _cell_ends(self) -> None:
        self._flow.look.in_table = True
        self._paragraph_ends()
        self._flow.cells.append(one_line(" ".join(self._flow.cell)))
        self._flow.cell = []

    def _row_ends(self) -> None:
        flow = self._flow
        cells = flow.cells + [text for text in (one_line(" ".join(flow.cell)),) if text]
        flow.cells, flow.cell = [], []
        if not any(cells):
            return
        for place, goes_on in enumerate(self._plan.merged[: len(cells)]):
            if goes_on and not cells[place] and place < len(self._above):
                cells[place] = self._above[place]
                self._count(cells[place])
        self._above = cells
        self.paragraphs.append(Paragraph(flow.name, "", cells=tuple(cells), names_columns=self._plan.names_columns))


def _whole(parts: list[str]) -> str:
    """Join text; characters beyond the first 65,536 are written as two halves."""
    text = "".join(parts)
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
