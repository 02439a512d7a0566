"""OpenDocument files of LibreOffice and others: texts (ODT), presentations and drawings (ODP, ODG), sheets (ODS)."""

from __future__ import annotations

from collections.abc import Iterator

from lxml.etree import _Element

from chalicelib.domain.documents import BlockKind, ParsedDocument
from chalicelib.errors import DocumentRejected
from fargate.ingestion.parsers import ooxml, opendocument_sheets, sheet_tables
from fargate.ingestion.parsers.archives import Archive
from fargate.ingestion.parsers.building import DocumentBuilder
from fargate.ingestion.parsers.ooxml import local
from fargate.ingestion.parsers.opendocument_slides import write_slides
from fargate.ingestion.parsers.opendocument_text import TextWriter, inline
from fargate.ingestion.parsers.sheet_tables import Allowance
from fargate.ingestion.parsers.source import Source

_KIND = "application/vnd.oasis.opendocument."
_TEXT, _SLIDES, _DRAWING, _SHEETS = (_KIND + name for name in ("text", "presentation", "graphics", "spreadsheet"))
_TEMPLATE = "-template"
MEDIA_TYPES = tuple(kind + end for kind in (_TEXT, _SLIDES, _DRAWING, _SHEETS) for end in ("", _TEMPLATE))

HIDDEN = "hidden_sheets_left_out"
_CONTENT = "content.xml"
_MACROS = ("Basic/", "Scripts/")
_ENCRYPTED = (b":encryption-data", b"<encryption-data")


def parse(source: Source) -> ParsedDocument:
    """
    Read text in the order of the document, notes behind it; comments and deleted text are left out.

    Raises `DocumentRejected`: `encrypted`, `unreadable`, `suspicious_archive`, `too_many_pages`, `too_large`, `empty`.
    """
    archive = Archive(source.data, source.name)
    _refuse_encrypted(archive, source.name)
    builder = DocumentBuilder(source)
    kind = source.media_type.removesuffix(_TEMPLATE)
    warnings = [ooxml.MACROS] if any(name.startswith(_MACROS) for name in archive.names) else []
    if kind == _SHEETS:
        return _sheets(builder, archive, source, warnings)
    if kind == _TEXT:
        _write_text(builder, archive, source)
        return builder.build(title=_title(archive), warnings=warnings)
    pages = write_slides(builder, archive, _body(archive, source), source)
    return builder.build(title=_title(archive), pages=pages, warnings=warnings)


def _refuse_encrypted(archive: Archive, name: str) -> None:
    manifest = "META-INF/manifest.xml"
    listed = archive.read(manifest) if manifest in archive.names else b""
    if any(sign in listed for sign in _ENCRYPTED):
        raise DocumentRejected("encrypted", f"{name} is protected by a password. Upload it without one.")
    if _CONTENT not in archive.names:
        raise DocumentRejected("unreadable", f"{name} has no contents. Open it in its program and save it again.")


def _sheets(builder: DocumentBuilder, archive: Archive, source: Source, warnings: list[str]) -> ParsedDocument:
    allowance = Allowance(source.max_characters)
    hidden: list[str] = []
    for sheet in opendocument_sheets.sheets(archive, _CONTENT, allowance, hidden):
        sheet_tables.write(builder, sheet, allowance)
    return builder.build(title=_title(archive) or source.stem, warnings=warnings + [HIDDEN] * bool(hidden))


def _write_text(builder: DocumentBuilder, archive: Archive, source: Source) -> None:
    root = archive.xml(_CONTENT)
    body = _body(archive, source)
    styles = archive.xml("styles.xml")
    for text in _edges(styles, "header"):
        builder.add(BlockKind.TEXT, text)
    writer = TextWriter(builder, archive, root)
    writer.write(body)
    writer.write_notes()
    for text in _edges(styles, "footer"):
        builder.add(BlockKind.TEXT, text)


def _body(archive: Archive, source: Source) -> _Element:
    root = archive.xml(_CONTENT)
    found = None if root is None else next(iter(root.iterfind("{*}body/*")), None)
    if found is None:
        detail = f"{source.name} has no contents. Open it in its program and save it again."
        raise DocumentRejected("unreadable", detail)
    return found


def _title(archive: Archive) -> str | None:
    meta = archive.xml("meta.xml")
    return None if meta is None else meta.findtext("{*}meta/{*}title")


def _edges(styles: _Element | None, kind: str) -> Iterator[str]:
    """Give the distinct headers or footers that say something in words."""
    seen = set[str]()
    for edge in () if styles is None else styles.iterfind("{*}master-styles/{*}master-page/*"):
        if local(edge).startswith(kind):
            text = "\n".join(inline(paragraph) for paragraph in edge.iter("{*}p")).strip()
            if text not in seen and any(character.isalpha() for character in text):
                seen.add(text)
                yield text
