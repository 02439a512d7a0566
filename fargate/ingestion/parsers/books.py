"""E-books (EPUB): the chapters in reading order, as their package lists them."""

from __future__ import annotations

from collections.abc import Iterator
from posixpath import dirname, join, normpath
from urllib.parse import unquote

from lxml.etree import _Element
from lxml.html import HtmlElement

from chalicelib.domain.documents import ParsedDocument
from chalicelib.errors import DocumentRejected
from fargate.ingestion.parsers import encodings, html, xml_data
from fargate.ingestion.parsers.archives import Archive
from fargate.ingestion.parsers.building import DocumentBuilder
from fargate.ingestion.parsers.source import Source

MEDIA_TYPES = ("application/epub+zip",)

_CONTAINER, _ENCRYPTION = "META-INF/container.xml", "META-INF/encryption.xml"
_PAGES = frozenset(("application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document", ""))
# Fonts may be scrambled in a book that anybody can read (EPUB 3.3, section 4.3.3; Adobe's older way).
_FONT_SCRAMBLING = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
_HEADED = ("h1", "h2", "h3", "h4", "h5", "h6", "nav")
_NOTES = ("footnote", "endnote", "rearnote", "note")


def parse(source: Source) -> ParsedDocument:
    """
    Read the chapters of *source*, each under a heading: its own, or else its title.

    Raises `DocumentRejected`: `encrypted` where chapters are protected (DRM), `unreadable` where the package or all of
    its chapters are missing, and as `Archive` does.
    """
    archive = Archive(source.data, source.name)
    location = _package_location(archive, source)
    package = _xml(archive, location)
    if package is None:
        raise DocumentRejected("unreadable", f"{source.name} is damaged: its list of chapters cannot be read.")
    chapters = list(_chapters(package, dirname(location)))
    _refuse_encrypted(archive, chapters, source)
    present = [chapter for chapter in chapters if chapter in archive.names]
    if not present:
        raise DocumentRejected("unreadable", f"{source.name} lists no chapters that it holds.")
    builder = DocumentBuilder(source)
    title = package.findtext("{*}metadata//{*}title")
    for chapter in present:
        page = html.read(encodings.decode_declared(archive.read(chapter), source.language))
        if page is not None:
            _write(builder, page, title)
    return builder.build(title=title, warnings=("chapters_left_out",) if len(present) < len(chapters) else ())


def _package_location(archive: Archive, source: Source) -> str:
    """Give the path of the package file that the container names first, or else of the first there is."""
    container = _xml(archive, _CONTAINER)
    stated = None if container is None else container.find(".//{*}rootfile")
    if stated is not None and stated.get("full-path"):
        return normpath(str(stated.get("full-path"))).lstrip("/")
    found = min((name for name in archive.names if name.endswith(".opf")), default=None)
    if found is None:
        raise DocumentRejected("unreadable", f"{source.name} is no complete e-book: it does not list its chapters.")
    return found


def _xml(archive: Archive, member: str) -> _Element | None:
    if member not in archive.names:
        return None
    return xml_data.read(encodings.decode_declared(archive.read(member)), recover=True)


def _chapters(package: _Element, folder: str) -> Iterator[str]:
    """Give the paths of the pages in reading order."""
    items = {item.get("id"): item for item in package.iterfind("{*}manifest/{*}item")}
    for reference in package.iterfind("{*}spine/{*}itemref"):
        item = items.get(reference.get("idref"))
        if item is not None and item.get("media-type", "") in _PAGES:
            yield normpath(join(folder, unquote(item.get("href", "").partition("#")[0])))


def _refuse_encrypted(archive: Archive, chapters: list[str], source: Source) -> None:
    listed = _xml(archive, _ENCRYPTION)
    for entry in () if listed is None else listed.iterfind("{*}EncryptedData"):
        method = entry.find("{*}EncryptionMethod")
        reference = entry.find("{*}CipherData/{*}CipherReference")
        path = "" if reference is None else normpath(unquote(reference.get("URI", "")))
        if path in chapters and (method is None or method.get("Algorithm") not in _FONT_SCRAMBLING):
            detail = f"{source.name} is protected against copying (DRM). Upload it without protection."
            raise DocumentRejected("encrypted", detail)


def _write(builder: DocumentBuilder, page: HtmlElement, book: str | None) -> None:
    title = html.title_of(page)
    if title and title != book and next(page.iter(*_HEADED), None) is None and _says_something(page):
        builder.heading(title, 1)
    for aside in page.iter("aside"):
        if any(note in aside.get("epub:type", "") for note in _NOTES):
            aside.tag = "div"  # what a page of the web puts aside is no part of its text, but a note in a book is
    html.write(builder, page)


def _says_something(page: HtmlElement) -> bool:
    body = page.find("body")
    return body is not None and bool(body.text_content().strip())
