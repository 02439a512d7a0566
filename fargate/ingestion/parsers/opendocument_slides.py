"""OpenDocument presentations and drawings: a page for each slide, its title as heading, then its notes."""

from __future__ import annotations

from lxml.etree import _Element

from chalicelib.domain.documents import BlockKind
from chalicelib.errors import DocumentRejected
from fargate.ingestion.parsers.archives import Archive
from fargate.ingestion.parsers.building import DocumentBuilder, one_line
from fargate.ingestion.parsers.ooxml import local
from fargate.ingestion.parsers.opendocument_text import TextWriter, attribute, inline
from fargate.ingestion.parsers.source import Source

_LEVEL = 1
_REPEATED = frozenset(("date-time", "footer", "header", "page-number", "page", "handout"))
"""What a master page repeats on every slide says nothing about this one."""


def write_slides(builder: DocumentBuilder, archive: Archive, body: _Element, source: Source) -> int:
    """Write every slide in *body*, and give how many there are. Raises `DocumentRejected` (`too_many_pages`)."""
    slides = list(body.iterfind("{*}page"))
    if len(slides) > source.max_pages:
        detail = f"{source.name} has {len(slides):,} slides; {source.max_pages:,} are taken. Split it into several."
        raise DocumentRejected("too_many_pages", detail)
    for page, slide in enumerate(slides, 1):
        _write_slide(builder, archive, slide, page)
    return len(slides)


def _write_slide(builder: DocumentBuilder, archive: Archive, slide: _Element, page: int) -> None:
    titles = [frame for frame in slide.iterfind("{*}frame") if attribute(frame, "class") == "title"]
    title = one_line(" ".join(_all_text(frame) for frame in titles))
    rest = [shape for shape in slide.iterchildren("{*}*") if shape not in titles and not _is_left_out(shape)]
    notes = "\n".join(_all_text(frame) for frame in _notes(slide)).strip()
    if (
        title
        or notes
        or any(_all_text(shape).strip() or next(shape.iter("{*}object"), None) is not None for shape in rest)
    ):
        builder.heading(title or f"Slide {page}", _LEVEL, page=page)
    writer = TextWriter(builder, archive, None, page)
    for shape in rest:
        writer.write(shape)
    writer.write_notes()
    if notes:
        builder.add(BlockKind.TEXT, f"Notes: {notes}", page=page)


def _is_left_out(shape: _Element) -> bool:
    return local(shape) in ("notes", "forms") or attribute(shape, "class") in _REPEATED


def _notes(slide: _Element) -> list[_Element]:
    return [frame for frame in slide.iterfind("{*}notes/{*}frame") if not _is_left_out(frame)]


def _all_text(shape: _Element) -> str:
    return "\n".join(inline(paragraph) for paragraph in shape.iter("{*}p", "{*}h"))
