"""The text of OpenDocument files: paragraphs, headings, lists and tables, which texts and slides write alike."""

from __future__ import annotations

from collections.abc import Iterator
from posixpath import normpath

from lxml.etree import _Element

from chalicelib.domain.documents import BlockKind
from fargate.ingestion.parsers.archives import Archive
from fargate.ingestion.parsers.building import DocumentBuilder, one_line, too_much_text
from fargate.ingestion.parsers.ooxml import local

_MAX_LEVEL = 10
_MAX_SPACES = 100
_MAX_REPEATED_CELLS, _MAX_REPEATED_ROWS = 1_024, 10_000
_MAX_TABLE = 20_000_000
_TITLE_STYLE = "Title"
# Comments, what was deleted, readings above East Asian characters, and tables of contents, which repeat the headings.
_SKIPPED = frozenset((
    "annotation", "annotation-end", "tracked-changes", "ruby-text", "note-citation", "forms", "sequence-decls",
    "table-of-content", "illustration-index", "table-index", "object-index", "user-index", "alphabetical-index",
))  # fmt: skip
_SIGNS = {"tab": "\t", "line-break": "\n"}
_BLOCKS = frozenset(("p", "h", "list", "table"))


def inline(element: _Element) -> str:
    """Give the text of a paragraph, without the notes and boxes that hang on it."""
    return "".join(_pieces(element))


def attribute(element: _Element, name: str) -> str:
    """Give an attribute by its local name; empty where there is none."""
    return next((str(value) for key, value in element.attrib.items() if str(key).rpartition("}")[2] == name), "")


def number(element: _Element, name: str, default: int = 1) -> int:
    """Give a count that an attribute states."""
    stated = attribute(element, name)
    return int(stated) if stated.isdecimal() and len(stated) < 10 else default


class TextWriter:
    """Writes the elements of a body in their order; the notes in it are kept for the end."""

    def __init__(
        self, builder: DocumentBuilder, archive: Archive, root: _Element | None, page: int | None = None
    ) -> None:
        self._builder = builder
        self._archive = archive
        self._page = page
        self._notes: list[_Element] = []
        styles = () if root is None else root.iterfind("{*}automatic-styles/{*}style")
        self._parents = {attribute(style, "name"): attribute(style, "parent-style-name") for style in styles}

    def write(self, container: _Element) -> None:
        """Write everything in *container*."""
        for child in container.iterchildren("{*}*"):
            self._element(child)

    def write_notes(self) -> None:
        """Write the notes met so far."""
        notes, self._notes = self._notes, []
        for note in notes:
            self._add(BlockKind.TEXT, "\n".join(inline(paragraph) for paragraph in note.iter("{*}p")))

    def _element(self, element: _Element) -> None:
        name = local(element)
        if name in ("p", "h"):
            self._paragraph(element)
        elif name == "list":
            self._add(BlockKind.LIST, "\n".join(self._items(element, 0)))
        elif name == "table":
            rows, headers = table_rows(element)
            self._builder.table(rows, header_rows=headers, page=self._page)
        elif name == "object":
            self._chart(element)
        elif name not in _SKIPPED:  # sections, frames, groups, shapes: the text is inside
            self.write(element)

    def _paragraph(self, paragraph: _Element) -> None:
        text, level = inline(paragraph), self._heading_level(paragraph)
        if level is None:
            self._add(BlockKind.TEXT, text)
        else:
            self._builder.heading(text, level, page=self._page)
        self._attached(paragraph)

    def _heading_level(self, paragraph: _Element) -> int | None:
        if local(paragraph) == "h":
            return min(number(paragraph, "outline-level"), _MAX_LEVEL)
        style = attribute(paragraph, "style-name")
        return 0 if _TITLE_STYLE in (style, self._parents.get(style)) else None

    def _items(self, found: _Element, depth: int) -> Iterator[str]:
        """Give the lines of a list; a heading in it is a numbered heading, not an item."""
        for item in found.iterchildren("{*}list-item", "{*}list-header"):
            lines: list[str] = []
            for child in item.iterchildren("{*}*"):
                if local(child) == "h":
                    self._paragraph(child)
                elif local(child) == "list":
                    if any(lines):
                        yield "  " * min(depth, _MAX_LEVEL) + "- " + one_line(" ".join(lines))
                        lines = []
                    yield from self._items(child, depth + 1)
                elif local(child) == "p":
                    lines.append(inline(child))
                    self._notes += _outermost(child, "note")
            if any(line.strip() for line in lines):
                yield "  " * min(depth, _MAX_LEVEL) + "- " + one_line(" ".join(lines))

    def _attached(self, paragraph: _Element) -> None:
        """Keep the notes of a paragraph, and write the boxes and charts anchored in it."""
        self._notes += _outermost(paragraph, "note")
        for frame in _outermost(paragraph, "frame", "custom-shape", "g"):
            self.write(frame)

    def _chart(self, element: _Element) -> None:
        place = normpath(attribute(element, "href")).removeprefix("./")
        content = self._archive.xml(f"{place}/content.xml")
        for chart in () if content is None else content.iter("{*}chart"):
            if local(chart.getparent()) == "chart":
                title = chart.find("{*}title")
                self._add(BlockKind.TEXT, "" if title is None else one_line(inline(title)))
                for table in chart.iterfind("{*}table"):
                    self._builder.table(table_rows(table)[0], header_rows=1, page=self._page)

    def _add(self, kind: BlockKind, text: str) -> None:
        self._builder.add(kind, text, page=self._page)


def table_rows(table: _Element) -> tuple[list[list[str]], int]:
    """
    Give a table's cells, and how many rows are its header; a cell that reaches down is said again in each row.

    Cells and rows that are said to repeat are repeated within bounds. Raises `DocumentRejected` (`too_large`).
    """
    rows: list[list[str]] = []
    headers, size = 0, 0
    above: dict[int, tuple[int, str]] = {}
    for line in _lines(table):
        cells = _cells(line, above)
        repeated = min(number(line, "number-rows-repeated"), _MAX_REPEATED_ROWS) if any(cells) else 1
        size += repeated * sum(len(cell) + 1 for cell in cells)
        if size > _MAX_TABLE:
            raise too_much_text(_MAX_TABLE)
        rows += [cells] * repeated
        headers += repeated if local(line.getparent()) == "table-header-rows" else 0
    return rows, headers


def _lines(table: _Element) -> Iterator[_Element]:
    for child in table.iterchildren("{*}*"):
        if local(child) == "table-row":
            yield child
        elif local(child) in ("table-rows", "table-header-rows", "table-row-group"):
            yield from _lines(child)


def _cells(line: _Element, above: dict[int, tuple[int, str]]) -> list[str]:
    """Give the cells of one row; *above* tells of each column what reaches down into it, and how far."""
    cells: list[str] = []
    for cell in line.iterchildren("{*}table-cell", "{*}covered-table-cell"):
        text = one_line(" ".join(inline(paragraph) for paragraph in cell.iter("{*}p", "{*}h")))
        spanned = number(cell, "number-rows-spanned")
        for _ in range(min(number(cell, "number-columns-repeated"), _MAX_REPEATED_CELLS)):
            column = len(cells)
            left, said = above.get(column, (0, ""))
            if spanned > 1:
                above[column] = (spanned - 1, text)
            elif left:
                above[column] = (left - 1, said)
                text = text or said
            cells.append(text)
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _pieces(element: _Element) -> Iterator[str]:
    yield str(element.text or "")
    for child in element.iterchildren("{*}*"):
        name = local(child)
        if name in _SIGNS:
            yield _SIGNS[name]
        elif name == "s":
            yield " " * min(number(child, "c"), _MAX_SPACES)
        elif name not in _SKIPPED and name not in ("note", "frame", "custom-shape", "g"):
            yield from _pieces(child)
        yield str(child.tail or "")


def _outermost(element: _Element, *names: str) -> Iterator[_Element]:
    for child in element.iterchildren("{*}*"):
        if local(child) in names:
            yield child
        elif local(child) not in _SKIPPED:
            yield from _outermost(child, *names)
