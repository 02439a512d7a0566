"""PDF: the text of each page in the order pdfium gives it, in blocks that never cross a page."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Iterator
from itertools import pairwise

import pypdfium2
from pypdfium2 import raw

from chalicelib.domain.documents import ParsedDocument
from chalicelib.errors import DocumentRejected
from fargate.ingestion.parsers import pdf_layout
from fargate.ingestion.parsers.building import DocumentBuilder
from fargate.ingestion.parsers.enclosures import LEFT_OUT, MAX_COUNT, Enclosures
from fargate.ingestion.parsers.pdf_layout import Line
from fargate.ingestion.parsers.source import Source

MEDIA_TYPES = ("application/pdf",)

_LINE_ENDS = re.compile(r"\r\n|\r|\n")
# pdfium joins the halves of a word divided at a line's end, and leaves this mark where the hyphen was.
_JOINED = "\ufffe"
_JOINED_WORD = re.compile(f"(?<=[a-zà-ÿ]){_JOINED}(?=[a-zà-ÿ])")
_INVISIBLE = raw.FPDF_TEXTRENDERMODE_INVISIBLE
_NO_TITLE = re.compile(
    r"^(?:\(anonymous\)|untitled|document\d*|microsoft \w+ - .*|.*\.(?:docx?|xlsx?|pptx?|pdf|indd|qxd|html?))$",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]{3}")
_FONT_NAME = 128


Recognise = Callable[[pypdfium2.PdfPage], list[Line]]
"""Reads the text in the picture of a page."""


def parse(source: Source, *, recognise: Recognise | None = None) -> ParsedDocument:
    """
    Read the text layer of *source*, and with *recognise* the pages that have none.

    Lines that are drawn invisibly are left out where the page shows more than it hides: that is how instructions
    are smuggled in. On a page that hides all of its text, the hidden text is what a scanner recognised.
    Raises `DocumentRejected`: `encrypted`, `unreadable`, `too_many_pages`, `scanned_needs_ocr`, `empty`.
    """
    document = _open(source)
    try:
        return _read(document, source, recognise)
    finally:
        document.close()


def _open(source: Source) -> pypdfium2.PdfDocument:
    try:
        return pypdfium2.PdfDocument(source.data, password=source.password)
    except pypdfium2.PdfiumError as error:
        if error.err_code == raw.FPDF_ERR_PASSWORD:
            detail = f"{source.name} is protected by a password. Upload it without one."
            raise DocumentRejected("encrypted", detail) from error
        raise _damaged(source.name) from error


def _read(document: pypdfium2.PdfDocument, source: Source, recognise: Recognise | None) -> ParsedDocument:
    count = len(document)
    if count > source.max_pages:
        detail = f"{source.name} has {count:,} pages; {source.max_pages:,} are taken. Split it into smaller documents."
        raise DocumentRejected("too_many_pages", detail)
    warnings: set[str] = set()
    pages: list[list[Line]] = []
    drawn = 0
    for number in range(count):
        try:
            page = document[number]
        except pypdfium2.PdfiumError:
            warnings.add("unreadable_pages_left_out")
            pages.append([])
            continue
        lines = _visible(list(_lines(page)), warnings)
        if not lines and raw.FPDFPage_CountObjects(page) > 0:
            lines = _recognised(page, recognise, warnings)
            drawn += not lines
        pages.append(lines)
        page.close()
    if not any(pages):
        raise _textless(
            source.name, drawn=drawn > 0, damaged=not pages or bool(warnings), recognised=recognise is not None
        )
    if drawn:
        warnings.add("pages_without_text_layer")
    builder = DocumentBuilder(source)
    pdf_layout.write(builder, pages)
    enclosures = _enclosures(document)
    return builder.build(
        title=_title(document, pages),
        pages=count,
        warnings=sorted(warnings | enclosures.warnings),
        attachments=enclosures.found,
    )


def _recognised(page: pypdfium2.PdfPage, recognise: Recognise | None, warnings: set[str]) -> list[Line]:
    lines = recognise(page) if recognise is not None else []
    if lines:
        warnings.add("text_recognised")
    return lines


def _textless(name: str, *, drawn: bool, damaged: bool, recognised: bool) -> DocumentRejected:
    """Say why no page gave any text."""
    if drawn and recognised:
        return DocumentRejected("empty", f"{name} is made of images in which no text was recognised.")
    if drawn:
        detail = f"{name} is made of images without text. Run text recognition (OCR) on it and upload the result."
        return DocumentRejected("scanned_needs_ocr", detail)
    return _damaged(name) if damaged else DocumentRejected("empty", f"{name} has only blank pages.")


def _lines(page: pypdfium2.PdfPage) -> Iterator[Line]:
    try:
        textpage = page.get_textpage()
    except pypdfium2.PdfiumError:
        return
    text = textpage.get_text_range()
    edges = [0, *(match.end() for match in _LINE_ENDS.finditer(text)), len(text) + 2]
    ascii_only = text.isascii()
    units = 0
    for start, end in pairwise(edges):
        piece = text[start:end]
        body = piece.strip()
        if body:
            lead = len(piece) - len(piece.lstrip())
            yield _line(textpage, units + lead, _rejoin(body))
        units += len(piece) if ascii_only else len(piece.encode("utf-16-le", "surrogatepass")) // 2
    textpage.close()


def _line(textpage: pypdfium2.PdfTextPage, unit: int, text: str) -> Line:
    index = raw.FPDFText_GetCharIndexFromTextIndex(textpage, unit)
    box = raw.FS_RECTF()
    placed = index >= 0 and raw.FPDFText_GetLooseCharBox(textpage, index, box)
    if not placed:
        return Line(text, bottom=0.0, height=0.0, bold=False, hidden=False)
    bottom, height = min(box.bottom, box.top), abs(box.top - box.bottom)
    return Line(text, bottom, height, bold=_is_bold(textpage, index), hidden=_is_hidden(textpage, index))


def _is_bold(textpage: pypdfium2.PdfTextPage, index: int) -> bool:
    if raw.FPDFText_GetFontWeight(textpage, index) >= 600:
        return True
    name = ctypes.create_string_buffer(_FONT_NAME)
    raw.FPDFText_GetFontInfo(textpage, index, name, _FONT_NAME, ctypes.c_int())
    return b"bold" in name.value.lower() or b"black" in name.value.lower()


def _is_hidden(textpage: pypdfium2.PdfTextPage, index: int) -> bool:
    drawn = raw.FPDFText_GetTextObject(textpage, index)
    return bool(drawn) and raw.FPDFTextObj_GetTextRenderMode(drawn) == _INVISIBLE


def _rejoin(text: str) -> str:
    """Close up words divided at a line's end; where no lower-case halves meet, the hyphen belongs to the word."""
    return _JOINED_WORD.sub("", text).replace(_JOINED, "-")


def _visible(lines: list[Line], warnings: set[str]) -> list[Line]:
    hidden = sum(len(line.text) for line in lines if line.hidden)
    shown = sum(len(line.text) for line in lines) - hidden
    if not hidden or hidden >= shown:
        return lines
    warnings.add("hidden_text_left_out")
    return [line for line in lines if not line.hidden]


def _enclosures(document: pypdfium2.PdfDocument) -> Enclosures:
    """Gather the files that are embedded in the document as a whole; a damaged one is left out."""
    found = Enclosures()
    count = document.count_attachments()
    for place in range(min(count, MAX_COUNT)):
        try:
            attachment = document.get_attachment(place)
            found.add(attachment.get_name(), None, bytes(attachment.get_data()))
        except pypdfium2.PdfiumError:
            found.warnings.add(LEFT_OUT)
    if count > MAX_COUNT:
        found.warnings.add(LEFT_OUT)
    return found


def _title(document: pypdfium2.PdfDocument, pages: list[list[Line]]) -> str | None:
    stated = str(document.get_metadata_value("Title")).strip()
    if _WORD.search(stated) and not _NO_TITLE.match(stated):
        return stated
    return pdf_layout.title_of(next(page for page in pages if page))


def _damaged(name: str) -> DocumentRejected:
    return DocumentRejected("unreadable", f"{name} is damaged or incomplete. Open it in its program and save it again.")
