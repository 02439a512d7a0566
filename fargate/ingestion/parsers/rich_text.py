"""Rich text files (RTF): headings by style, lists and tables in the order of the text, then notes and footers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from chalicelib.domain.documents import BlockKind, ParsedDocument
from fargate.ingestion.parsers.archives import refuse_remote_template
from fargate.ingestion.parsers.building import DocumentBuilder, one_line
from fargate.ingestion.parsers.rich_text_reader import Paragraph, RichTextReader
from fargate.ingestion.parsers.source import Source

MEDIA_TYPES = ("application/rtf",)

_INLINE = ("body", "box")


def parse(source: Source) -> ParsedDocument:
    """
    Read headers, then the body, then notes and footers, each once; comments, hidden and deleted text are left out.

    Raises `DocumentRejected`: `unreadable`, `suspicious_archive` for a template on another computer, `too_large`,
    `empty`.
    """
    reader = RichTextReader(source.name, source.max_characters)
    reader.read(source.data)
    refuse_remote_template(reader.head.template.strip(), source.name)
    builder = DocumentBuilder(source)
    for text in _distinct(reader.paragraphs, "header"):
        builder.add(BlockKind.TEXT, text)
    _write(builder, (paragraph for paragraph in reader.paragraphs if paragraph.flow in _INLINE))
    _write(builder, (paragraph for paragraph in reader.paragraphs if paragraph.flow == "note"))
    for text in _distinct(reader.paragraphs, "footer"):
        builder.add(BlockKind.TEXT, text)
    return builder.build(title=reader.head.title)


def _write(builder: DocumentBuilder, paragraphs: Iterable[Paragraph]) -> None:
    for kind, run in groupby(paragraphs, key=_kind):
        if kind is BlockKind.TABLE:
            _write_table(builder, list(run))
        elif kind is BlockKind.LIST:
            lines = ("  " * (item.list_depth or 0) + "- " + one_line(item.text) for item in run)
            builder.add(kind, "\n".join(lines))
        else:
            for paragraph in run:
                if paragraph.heading_level is not None:
                    builder.heading(paragraph.text, paragraph.heading_level)
                else:
                    builder.add(kind, paragraph.text)


def _kind(paragraph: Paragraph) -> BlockKind:
    if paragraph.cells is not None:
        return BlockKind.TABLE
    if paragraph.heading_level is not None:
        return BlockKind.HEADING
    return BlockKind.TEXT if paragraph.list_depth is None else BlockKind.LIST


def _write_table(builder: DocumentBuilder, rows: list[Paragraph]) -> None:
    headers = next((place for place, row in enumerate(rows) if not row.names_columns), len(rows))
    builder.table((row.cells or () for row in rows), header_rows=headers)


def _distinct(paragraphs: Iterable[Paragraph], flow: str) -> Iterator[str]:
    """Give the headers or footers that say something in words, each once."""
    texts = (" ".join(paragraph.cells or (paragraph.text,)) for paragraph in paragraphs if paragraph.flow == flow)
    return (text for text in dict.fromkeys(texts) if any(character.isalpha() for character in text))
