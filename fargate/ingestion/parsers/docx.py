"""Word documents (DOCX), read from their XML: headings by style, lists, tables and notes in the order of the body."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from posixpath import dirname, join, normpath

from lxml.etree import _Element

from chalicelib.domain.documents import BlockKind, ParsedDocument
from chalicelib.errors import DocumentRejected
from fargate.ingestion.parsers import ooxml
from fargate.ingestion.parsers.archives import Archive, refuse_remote
from fargate.ingestion.parsers.building import DocumentBuilder, one_line
from fargate.ingestion.parsers.docx_styles import Styles
from fargate.ingestion.parsers.source import Source

MEDIA_TYPES = ("application/vnd.openxmlformats-officedocument.wordprocessingml.document",)

_MAIN = "/officeDocument"
_NOTES = ("footnotes.xml", "endnotes.xml")
_HEADERS, _FOOTERS = ("/header", "/footer")
# Fallback repeats what stands beside it for old programs; the others hold codes or what was struck out.
_SKIPPED = frozenset(("Fallback", "del", "moveFrom", "instrText", "delText", "pPr", "rPr", "txbxContent"))
_OFF = ("0", "false", "off")
_SIGNS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}


def parse(source: Source) -> ParsedDocument:
    """
    Read headers, then the body, then notes and footers, each once; comments and deleted text are left out.

    Both the transitional and the strict namespaces are understood, since only local names are looked at.
    """
    archive = Archive(source.data, source.name)
    main = _main_part(archive, source.name)
    folder = dirname(main)
    refuse_remote(archive, join(folder, "_rels", "settings.xml.rels"), "attachedTemplate", source.name)
    document = archive.xml(main)
    body = None if document is None else document.find("{*}body")
    if body is None:
        raise DocumentRejected("unreadable", f"{source.name} has no text part. Open it in Word and save it again.")
    builder = DocumentBuilder(source)
    headers = _page_edges(archive, main, _HEADERS)
    for text in headers:
        builder.add(BlockKind.TEXT, text)
    _Writer(builder, Styles(archive.xml(join(folder, "styles.xml")))).write(body)
    for notes in _NOTES:
        _write_notes(builder, archive.xml(join(folder, notes)))
    for text in _page_edges(archive, main, _FOOTERS):
        builder.add(BlockKind.TEXT, text)
    title = _title(archive) or builder.first_heading() or next(iter(headers), None)
    return builder.build(title=title, warnings=ooxml.warnings(archive))


def _main_part(archive: Archive, name: str) -> str:
    relations = archive.xml("_rels/.rels")
    for relation in () if relations is None else relations.iterfind("{*}Relationship"):
        if relation.get("Type", "").endswith(_MAIN):
            return normpath(str(relation.get("Target", "")).lstrip("/"))
    if "word/document.xml" in archive.names:
        return "word/document.xml"
    raise DocumentRejected("unreadable", f"{name} has no text part. Open it in Word and save it again.")


def _title(archive: Archive) -> str | None:
    core = archive.xml("docProps/core.xml")
    return None if core is None else core.findtext("{*}title")


def _page_edges(archive: Archive, main: str, kind: str) -> list[str]:
    """Give the distinct texts of the document's headers or footers that say something in words."""
    folder, _, file = main.rpartition("/")
    relations = archive.xml(f"{folder}/_rels/{file}.rels".lstrip("/"))
    found: dict[str, None] = {}
    for relation in () if relations is None else relations.iterfind("{*}Relationship"):
        if relation.get("Type", "").endswith(kind):
            root = archive.xml(normpath(join(folder, relation.get("Target", ""))).lstrip("/"))
            text = "" if root is None else "\n".join(_text(paragraph) for paragraph in root.iter("{*}p")).strip()
            if any(character.isalpha() for character in text):
                found.setdefault(text)
    return list(found)


class _Writer:
    """Writes body elements; list paragraphs in a row are gathered into one list."""

    def __init__(self, builder: DocumentBuilder, styles: Styles) -> None:
        self._builder = builder
        self._styles = styles
        self._items: list[str] = []

    def write(self, container: _Element) -> None:
        self._contents(container)
        self._end_list()

    def _contents(self, container: _Element) -> None:
        for child in container.iterchildren("{*}*"):
            name = _local(child)
            if name == "p":
                self._paragraph(child)
            elif name == "tbl":
                self._end_list()
                self._builder.table(_rows(child), header_rows=_header_rows(child))
            elif name not in _SKIPPED:  # content controls, tracked insertions, custom XML: the text is inside
                self._contents(child)

    def _paragraph(self, paragraph: _Element) -> None:
        text = _text(paragraph)
        level = self._styles.heading_level(paragraph)
        depth = self._styles.list_depth(paragraph)
        if level is not None and text.strip():
            self._end_list()
            self._builder.heading(text, level)
        elif depth is not None and text.strip():
            self._items.append("  " * depth + "- " + one_line(text))
        elif text.strip():
            self._end_list()
            self._builder.add(BlockKind.TEXT, text)
        for box in _boxes(paragraph):
            self._end_list()
            self._contents(box)

    def _end_list(self) -> None:
        items, self._items = self._items, []
        self._builder.add(BlockKind.LIST, "\n".join(items))


def _write_notes(builder: DocumentBuilder, notes: _Element | None) -> None:
    for note in () if notes is None else notes:
        if note.get(_attribute(note, "type")) is None:  # separators have a type, notes have none
            builder.add(BlockKind.TEXT, "\n".join(_text(paragraph) for paragraph in note.iterfind("{*}p")))


def _rows(table: _Element) -> Iterator[list[str]]:
    """Give each row; a cell merged downwards is said again in each row it reaches."""
    above: list[str] = []
    for line in _lines(table):
        cells: list[str] = []
        for cell in line.iter("{*}tc"):
            if _table_of(cell) is table:
                text = above[len(cells)] if _continues(cell) and len(cells) < len(above) else _cell_text(cell)
                cells.append(text)
                cells.extend([""] * (_width(cell) - 1))
        above = cells
        yield [cell for cell in cells if cell] if _is_spread(line) else cells


def _header_rows(table: _Element) -> int:
    """Count the first rows that repeat on every page; where none does, the first row heads the table."""
    return sum(1 for _ in takewhile(_repeats, _lines(table))) or 1


def _repeats(line: _Element) -> bool:
    mark = line.find("{*}trPr/{*}tblHeader")
    return mark is not None and mark.get(_attribute(mark, "val"), "true") not in _OFF


def _lines(table: _Element) -> Iterator[_Element]:
    return (line for line in table.iter("{*}tr") if _table_of(line) is table)


def _is_spread(line: _Element) -> bool:
    return line.find("{*}tc/{*}tcPr/{*}gridSpan") is not None


def _table_of(element: _Element) -> _Element:
    return next(element.iterancestors("{*}tbl"))


def _continues(cell: _Element) -> bool:
    merged = cell.find("{*}tcPr/{*}vMerge")
    return merged is not None and merged.get(_attribute(merged, "val"), "continue") == "continue"


def _width(cell: _Element) -> int:
    span = cell.find("{*}tcPr/{*}gridSpan")
    value = "" if span is None else span.get(_attribute(span, "val"), "")
    return min(int(value), 64) if value.isdecimal() else 1


def _cell_text(cell: _Element) -> str:
    return one_line(" ".join(_text(paragraph) for paragraph in cell.iter("{*}p")))


def _text(element: _Element) -> str:
    return "".join(_pieces(element))


def _pieces(element: _Element) -> Iterator[str]:
    for child in element.iterchildren("{*}*"):
        name = _local(child)
        if name == "t":  # of a run, or of a formula
            yield child.text or ""
        elif name in _SIGNS:
            yield _SIGNS[name]
        elif name not in _SKIPPED:
            yield from _pieces(child)


def _boxes(paragraph: _Element) -> Iterator[_Element]:
    """Give the text boxes anchored in *paragraph*, without the copies kept for old programs."""
    for child in paragraph.iterchildren("{*}*"):
        if _local(child) == "txbxContent":
            yield child
        elif _local(child) != "Fallback":
            yield from _boxes(child)


def _local(element: _Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _attribute(element: _Element, name: str) -> str:
    """Give the attribute's name in the namespace of its own element, be it transitional or strict."""
    namespace, brace, _ = str(element.tag).rpartition("}")
    return f"{namespace}{brace}{name}"
