"""What a file is, told from its content; its name only decides between formats that are all plain characters."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from pathlib import PurePath

from chalicelib.errors import DocumentRejected
from fargate.ingestion.parsers import encodings
from fargate.ingestion.parsers.compound import Compound

TEXT, MARKDOWN, HTML, PDF = "text/plain", "text/markdown", "text/html", "application/pdf"
JSON, NOTEBOOK = "application/json", "application/x-ipynb+json"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
BINARY = "application/octet-stream"
_OOXML = "application/vnd.openxmlformats-officedocument."
_XLSX, _PPTX = _OOXML + "spreadsheetml.sheet", _OOXML + "presentationml.presentation"
_CFB = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_PDF_WITHIN = 1024  # Readers accept rubbish before a PDF's header, up to here (ISO 32000, annex H.3).
_HEAD = 64 * 1024

_SIGNATURES = (
    (b"{\\rtf", "application/rtf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"BM", "image/bmp"),
    (b"RIFF", "application/x-riff"),
    (b"OggS", "application/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"%!PS", "application/postscript"),
    (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\x00", "application/x-xz"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"MZ", "application/x-msdownload"),
    (b"\x7fELF", "application/x-elf"),
    (b"SQLite format 3\x00", "application/vnd.sqlite3"),
    (b"PAR1", "application/vnd.apache.parquet"),
)
PICTURES = frozenset(("image/png", "image/jpeg", "image/gif", "image/tiff", "image/bmp", "image/webp"))

_PRINTABLE_SIGNATURES = frozenset((b"BM", b"MZ", b"ID3", b"PAR1", b"GIF8", b"RIFF", b"OggS", b"BZh"))
"""Signatures a sentence could begin with: they count only where the rest is not text."""

_CFB_STREAMS = (
    ("EncryptedPackage", "application/vnd.ms-office.encrypted"),
    ("WordDocument", "application/msword"),
    ("Workbook", "application/vnd.ms-excel"),
    ("Book", "application/vnd.ms-excel"),
    ("PowerPoint Document", "application/vnd.ms-powerpoint"),
    ("__properties_version1.0", "application/vnd.ms-outlook"),
)
_OOXML_PARTS = (("word/", DOCX), ("xl/", _XLSX), ("ppt/", _PPTX))
_TEXT_ENDINGS = {
    ".md": MARKDOWN,
    ".markdown": MARKDOWN,
    ".mdx": MARKDOWN,
    ".html": HTML,
    ".htm": HTML,
    ".xhtml": HTML,
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".tab": "text/tab-separated-values",
    ".json": JSON,
    ".geojson": JSON,
    ".jsonl": "application/jsonl",
    ".ndjson": "application/jsonl",
    ".ipynb": NOTEBOOK,
    ".xml": "application/xml",
    ".eml": "message/rfc822",
    ".mbox": "application/mbox",
}
_DATA_ENDINGS = frozenset((".csv", ".tsv", ".tab", ".json", ".jsonl", ".xml"))
"""What programs save, among it the page of an error that came instead of the data."""
_TEXT_TYPES = frozenset((MARKDOWN, HTML, "application/xhtml+xml", *_TEXT_ENDINGS.values()))
# fmt: off
_BINARY_ENDINGS = frozenset((
    ".pdf", ".doc", ".docx", ".docm", ".dotx", ".xls", ".xlsx", ".xlsm", ".ppt", ".pptx", ".odt", ".ods",
    ".odp", ".epub", ".msg", ".zip", ".gz", ".7z", ".rar", ".tar", ".png", ".jpg", ".jpeg", ".gif", ".tif",
    ".tiff", ".bmp", ".webp", ".mp3", ".mp4", ".wav", ".exe", ".dll",
))
# fmt: on
_HTML_START = re.compile(
    r"\s*(?:<\?xml[^>]*\?>\s*|<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
_MAIL_START = re.compile(r"(?:[A-Za-z][A-Za-z-]*: [^\n]*\n(?:[ \t][^\n]*\n)*){3,}\n?")
_MAIL_FIELDS = re.compile(r"^(?:MIME-Version|Message-ID|Received|Return-Path): ", re.IGNORECASE | re.MULTILINE)
_MAILBOX_START = re.compile(r"From [^\n]*\d\d:\d\d[^\n]*\n[A-Za-z][A-Za-z-]*:")
_JSON_START = re.compile(r"\s*(?:\[\s*)?\{\s*\"[^\"\n]{0,200}\"\s*:")
_NOTEBOOK_SIGNS = ('"cells"', '"cell_type"')
_MARKDOWN_SIGNS = re.compile(r"^(?:#{1,6} \S|```|\|[ :]*-{3,}|[-*+] \S|> \S)|\]\([^)\s]+\)", re.MULTILINE)
_MARKDOWN_HEADING = re.compile(r"^#{1,6} \S", re.MULTILINE)
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_MAX_CONTROLS = 0.01


def media_type_of(data: bytes, name: str, declared: str | None = None) -> str:
    """
    Say what *data* is.

    Where it is text, *name* and then *declared* tell Markdown from HTML from plain text.
    Raises `DocumentRejected`: `empty`, or `unreadable` where a text bears the name of a binary format.
    """
    if not data.strip(b" \t\r\n\x00"):
        raise DocumentRejected("empty", f"{name} is empty.")
    if _is_pdf(data):
        return PDF
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_type(data, name)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    if data.startswith(_CFB):
        return _compound_type(data, name)
    text = _as_text(data)
    for signature, kind in _SIGNATURES:
        if data.startswith(signature) and (text is None or signature not in _PRINTABLE_SIGNATURES):
            return kind
    return BINARY if text is None else _text_type(text, name, declared)


def _is_pdf(data: bytes) -> bool:
    start = data.find(b"%PDF-", 0, _PDF_WITHIN)
    # Behind other bytes the words alone prove nothing: a text may speak of them.
    return start == 0 or (start > 0 and (not data[:start].strip() or b" obj" in data[start : start + _HEAD]))


def _zip_type(data: bytes, name: str) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            if "mimetype" in names and archive.getinfo("mimetype").file_size < 200:
                return archive.read("mimetype").decode("ascii", "replace").strip()
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, ValueError, EOFError, OSError, RuntimeError) as error:
        raise DocumentRejected(
            "unreadable", f"{name} is a damaged or incomplete zip container. Open it in its program and save it again."
        ) from error
    if "[Content_Types].xml" in names:
        for folder, kind in _OOXML_PARTS:
            if any(member.startswith(folder) for member in names):
                return kind
    return "application/zip"


def _compound_type(data: bytes, name: str) -> str:
    try:
        file = Compound(data, name)
    except DocumentRejected:  # what is damaged is told by the names of streams, wherever they stand
        found = (kind for stream, kind in _CFB_STREAMS if stream.encode("utf-16-le") in data)
    else:
        found = (kind for stream, kind in _CFB_STREAMS if file.has(stream))
    return next(found, "application/x-cfb")


def _as_text(data: bytes) -> str | None:
    """Decode the beginning of *data*; None where it is not made of characters."""
    head = data[:_HEAD]
    if b"\x00" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")):
        encoding = encodings.zeros_say(head)
        if encoding is None:
            return None
    text = encodings.decode(head) if len(data) <= _HEAD else _cut(head)
    return None if len(_CONTROLS.findall(text)) > _MAX_CONTROLS * len(text) else text


def _cut(head: bytes) -> str:
    """Decode a beginning that may end inside a character."""
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start >= len(head) - 3:
            head = head[: error.start]
    return encodings.decode(head)


def _text_type(text: str, name: str, declared: str | None) -> str:
    ending = PurePath(name).suffix.lower()
    if ending in _BINARY_ENDINGS:
        raise DocumentRejected("unreadable", f"{name} is named {ending}, but what it holds is plain text.")
    if ending in (".json", ".txt", "") and _JSON_START.match(text):
        return NOTEBOOK if all(sign in text for sign in _NOTEBOOK_SIGNS) else JSON
    if ending in _TEXT_ENDINGS and not (ending in _DATA_ENDINGS and _HTML_START.match(text)):
        return _TEXT_ENDINGS[ending]
    if _HTML_START.match(text):
        return HTML
    if text.lstrip().startswith("<?xml"):
        return "application/xml"
    stated = (declared or "").partition(";")[0].strip().lower()
    if stated in _TEXT_TYPES:
        return HTML if stated.endswith("xhtml+xml") else stated
    if _MAIL_START.match(text) and _MAIL_FIELDS.search(text):
        return "message/rfc822"
    if _MAILBOX_START.match(text):
        return "application/mbox"
    return MARKDOWN if not ending and not stated and _reads_as_markdown(text) else TEXT


def _reads_as_markdown(text: str) -> bool:
    headings = len(_MARKDOWN_HEADING.findall(text))
    return headings >= 2 or (headings == 1 and len(_MARKDOWN_SIGNS.findall(text)) >= 2)
