"""PowerPoint presentations (PPTX), read from their XML: a page for each slide, its title as heading, then its notes."""

from __future__ import annotations

from collections.abc import Iterator

from lxml.etree import _Element

from chalicelib.domain.documents import BlockKind, ParsedDocument
from chalicelib.errors import DocumentRejected
from fargate.ingestion.parsers import drawings, ooxml
from fargate.ingestion.parsers.archives import Archive
from fargate.ingestion.parsers.building import DocumentBuilder, one_line
from fargate.ingestion.parsers.ooxml import local
from fargate.ingestion.parsers.source import Source

MEDIA_TYPES = ("application/vnd.openxmlformats-officedocument.presentationml.presentation",)

LEFT_OUT = "unreadable_slides_left_out"
_LEVEL = 1
_PROGRAM = "powerpoint"
_TITLES = ("title", "ctrTitle")
# What a layout repeats on every slide says nothing about this one.
_REPEATED = frozenset(("dt", "ftr", "hdr", "sldNum", "sldImg"))
_OUTLINE = ("body", "obj", "")
_BULLETS = frozenset(("buChar", "buAutoNum", "buBlip"))
_MAX_GROUPS = 64


def parse(source: Source) -> ParsedDocument:
    """
    Read the slides in the order in which they are shown, hidden ones too, since whoever opens the file sees them.

    Charts give the values they were drawn from. Comments are left out, and so are footers, dates and slide numbers.
    Both the transitional and the strict namespaces are understood, since only local names are looked at.
    """
    archive = Archive(source.data, source.name)
    ooxml.refuse_remote_parts(archive, source.name)
    main = ooxml.main_part(archive, "ppt/presentation.xml")
    if main is None:
        detail = f"{source.name} has no presentation inside. Open it in PowerPoint and save it again."
        raise DocumentRejected("unreadable", detail)
    slides = _slides(archive, main)
    if len(slides) > source.max_pages:
        detail = f"{source.name} has {len(slides):,} slides; {source.max_pages:,} are taken. Split it into several."
        raise DocumentRejected("too_many_pages", detail)
    builder = DocumentBuilder(source)
    readable = [_Slide(builder, archive, part, number).write() for number, part in enumerate(slides, 1)]
    warnings = ooxml.warnings(archive) + ([] if all(readable) else [LEFT_OUT])
    return builder.build(title=_title(archive), pages=len(slides), warnings=warnings)


def _title(archive: Archive) -> str | None:
    """Give the title its author set, and not the one that PowerPoint sets in its own language."""
    title = ooxml.title(archive) or ""
    return None if _PROGRAM in title.lower() and len(title.split()) < 3 else title


def _slides(archive: Archive, main: str) -> list[str]:
    """Give the parts that hold the slides, in the order of the presentation."""
    root = archive.xml(main)
    parts = ooxml.relations(archive, main)
    listed = () if root is None else root.iterfind("{*}sldIdLst/{*}sldId")
    named = [parts.get(ooxml.reference(slide)) for slide in listed]
    return [part.target for part in named if part is not None and not part.external]


class _Slide:
    """Writes one slide; its heading waits for the first thing below it, so that an empty slide leaves none."""

    def __init__(self, builder: DocumentBuilder, archive: Archive, part: str, number: int) -> None:
        self._builder = builder
        self._archive = archive
        self._part = part
        self._number = number
        self._opened = False
        self._title = ""

    def write(self) -> bool:
        """Write title, contents and notes; give False where the file has no such slide."""
        root = self._archive.xml(self._part)
        tree = None if root is None else root.find("{*}cSld/{*}spTree")
        if tree is None:
            return False
        self._relations = ooxml.relations(self._archive, self._part)
        shapes = list(_shapes(tree))
        titles = [shape for shape in shapes if _placeholder(shape) in _TITLES]
        self._title = one_line(" ".join(_all_text(shape) for shape in titles))
        if self._title:
            self._open()
        for shape in shapes:
            if shape not in titles:
                self._shape(shape)
        self._notes()
        return True

    def _open(self) -> None:
        if not self._opened:
            self._opened = True
            self._builder.heading(self._title or f"Slide {self._number}", _LEVEL, page=self._number)

    def _add(self, kind: BlockKind, text: str) -> None:
        if text.strip():
            self._open()
            self._builder.add(kind, text, page=self._number)

    def _shape(self, shape: _Element) -> None:
        kind = _placeholder(shape)
        body = shape.find("{*}txBody")
        if kind in _REPEATED:
            return
        if body is not None:
            self._body(body, outline=kind in _OUTLINE)
        for content in shape.iterfind("{*}graphic/{*}graphicData/*"):
            self._graphic(content)

    def _body(self, body: _Element, *, outline: bool) -> None:
        """Write paragraphs; those in a row that are items of a list, or in the slide's outline, make one list."""
        paragraphs = [paragraph for paragraph in body.iterfind("{*}p") if drawings.text(paragraph).strip()]
        outline = outline and len(paragraphs) > 1
        items: list[str] = []
        for paragraph in paragraphs:
            text = drawings.text(paragraph)
            if _is_item(paragraph, outline):
                items.append("  " * drawings.level(paragraph) + "- " + one_line(text))
                continue
            self._add(BlockKind.LIST, "\n".join(items))
            items = []
            self._add(BlockKind.TEXT, text)
        self._add(BlockKind.LIST, "\n".join(items))

    def _graphic(self, content: _Element) -> None:
        name = local(content)
        if name == "tbl":
            self._table(drawings.rows(content), int(drawings.has_header(content)))
        elif name == "chart":
            self._chart(self._linked(ooxml.reference(content)))
        elif name == "relIds":
            diagram = self._linked(ooxml.reference(content, "dm"))
            outline = [] if diagram is None else drawings.smart_art(diagram)
            self._add(BlockKind.LIST, "\n".join("  " * depth + "- " + text for depth, text in outline))

    def _chart(self, chart: _Element | None) -> None:
        if chart is not None:
            self._add(BlockKind.TEXT, drawings.chart_title(chart))
            self._table(drawings.chart_rows(chart), 1)

    def _table(self, rows: list[list[str]], headers: int) -> None:
        if any(cell.strip() for row in rows for cell in row):
            self._open()
            self._builder.table(rows, header_rows=headers, page=self._number)

    def _linked(self, identity: str) -> _Element | None:
        part = self._relations.get(identity)
        return None if part is None or part.external else self._archive.xml(part.target)

    def _notes(self) -> None:
        for part in ooxml.of_kind(self._archive, self._part, "notesSlide"):
            root = self._archive.xml(part.target)
            tree = None if root is None else root.find("{*}cSld/{*}spTree")
            for shape in () if tree is None else _shapes(tree):
                text = "" if _placeholder(shape) in _REPEATED else _all_text(shape)
                self._add(BlockKind.TEXT, f"Notes: {text.strip()}" if text.strip() else "")


def _shapes(tree: _Element, depth: int = 0) -> Iterator[_Element]:
    """Give the shapes of a slide and of the groups in it, copies for old programs left out."""
    for child in tree.iterchildren("{*}*"):
        name = local(child)
        if name in ("sp", "graphicFrame"):
            yield child
        elif name in ("grpSp", "AlternateContent", "Choice") and depth < _MAX_GROUPS:
            yield from _shapes(child, depth + 1)


def _placeholder(shape: _Element) -> str | None:
    """Give the role that the layout has for a shape; empty for its general contents, None for a shape without one."""
    found = next(shape.iterfind("*/{*}nvPr/{*}ph"), None)
    return None if found is None else str(found.get("type", ""))


def _is_item(paragraph: _Element, outline: bool) -> bool:
    properties = paragraph.find("{*}pPr")
    marks = set() if properties is None else {local(child) for child in properties.iterchildren("{*}*")}
    return bool(marks & _BULLETS) or (outline and "buNone" not in marks)


def _all_text(shape: _Element) -> str:
    return "\n".join(drawings.text(paragraph) for paragraph in shape.iterfind("{*}txBody/{*}p"))
