"""Outlook messages (MSG): a compound file with a stream for each property (MS-OXMSG)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from chalicelib.domain.documents import ParsedDocument
from chalicelib.errors import DocumentRejected
from fargate.ingestion.parsers import encodings, letters, outlook_rtf
from fargate.ingestion.parsers.building import DocumentBuilder, one_line
from fargate.ingestion.parsers.compound import Compound
from fargate.ingestion.parsers.enclosures import Enclosures
from fargate.ingestion.parsers.letters import File, Letter, Piece
from fargate.ingestion.parsers.mail import Reader, message_of
from fargate.ingestion.parsers.rich_text_reader import RichTextReader
from fargate.ingestion.parsers.source import Source

MEDIA_TYPES = ("application/vnd.ms-outlook",)

# Properties by number (MS-OXPROPS).
_CLASS, _SUBJECT, _SENT, _DELIVERED, _TRANSPORT_HEADERS = 0x001A, 0x0037, 0x0039, 0x0E06, 0x007D
_SENDER, _SENDER_SMTP, _SENDER_ADDRESS, _TO, _CC = 0x0C1A, 0x5D01, 0x0C1F, 0x0E04, 0x0E03
_BODY, _HTML, _RTF, _BODY_CODE_PAGE, _CODE_PAGE = 0x1000, 0x1013, 0x1009, 0x3FDE, 0x3FFD
_LONG_NAME, _SHORT_NAME, _DISPLAY_NAME, _MIME, _CONTENT_ID = 0x3707, 0x3704, 0x3001, 0x370E, 0x3712
_DATA, _METHOD, _ADDRESS, _SMTP, _KIND = 0x3701, 0x3705, 0x3003, 0x39FE, 0x0C15
_UNICODE, _STRING8, _BINARY, _OBJECT = "001F", "001E", "0102", "000D"
_INTEGER, _TIME = 0x0003, 0x0040
_EMBEDDED_MESSAGE = 5
_RECIPIENTS = {1: "To", 2: "Cc", 3: "Bcc"}
_TOP, _INSIDE, _PART = 32, 24, 8
"""The length of what stands before the properties of a message, of one inside another, and of a part of it."""
_MOST_PARTS = 2048
_LONGEST_BODY = 5_000_000
_MISSING_IN_A_ROW = 64
_DEEPEST = 10
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_CODE_PAGES = {
    20127: "ascii",
    20866: "koi8-r",
    21866: "koi8-u",
    50220: "iso-2022-jp",
    51932: "euc-jp",
    51949: "euc-kr",
    54936: "gb18030",
    65001: "utf-8",
}


def parse(source: Source) -> ParsedDocument:
    """
    Read *source*; a message attached to it becomes a file of its own in the form of EML.

    Raises `DocumentRejected`: `encrypted` where nothing but its headers can be read, `empty`, `unreadable`.
    """
    letter = _Message(Compound(source.data, source.name), "", _TOP, source.language).letter()
    if letter.is_sealed():
        raise letters.encrypted(source.name)
    builder, enclosures = DocumentBuilder(source), Enclosures()
    if not letter.is_blank():
        letters.write(builder, letter, enclosures)
    return builder.build(
        title=letter.subject or source.stem, warnings=sorted(enclosures.warnings), attachments=enclosures.found
    )


class _Properties:
    """The properties of one storage of a compound file: a message, a recipient or an attachment."""

    def __init__(self, file: Compound, folder: str, offset: int, language: str) -> None:
        self._file = file
        self.folder = folder
        self.language = language
        stream = file.read(f"{folder}__properties_version1.0")[offset:]
        entries = (stream[start : start + 16] for start in range(0, len(stream) - 15, 16))
        self._fixed = {struct.unpack("<HH", entry[:4]): entry[8:] for entry in entries}

    def integer(self, number: int) -> int | None:
        value = self._fixed.get((_INTEGER, number))
        return None if value is None else int(struct.unpack("<i", value[:4])[0])

    def time(self, number: int) -> str:
        value = self._fixed.get((_TIME, number))
        ticks = 0 if value is None else int(struct.unpack("<Q", value)[0])
        try:
            return f"{_EPOCH + timedelta(microseconds=ticks // 10):%Y-%m-%d %H:%M} UTC" if ticks else ""
        except OverflowError:
            return ""

    def binary(self, number: int) -> bytes:
        return self._file.read(self._path(number, _BINARY))

    def text(self, number: int, code_page: int | None = None) -> str:
        wide = self._file.read(self._path(number, _UNICODE))
        if wide:
            return wide.decode("utf-16-le", "replace").rstrip("\x00")
        narrow = self._file.read(self._path(number, _STRING8)).rstrip(b"\x00")
        return self.decoded(narrow, code_page) if narrow else ""

    def decoded(self, data: bytes, code_page: int | None = None) -> str:
        label = _CODE_PAGES.get(code_page, f"cp{code_page}") if code_page else ""
        return encodings.decode_labelled(data, label, self.language)

    def has(self, number: int, kind: str) -> bool:
        return self._file.has(self._path(number, kind))

    def parts(self, kind: str) -> Iterator[_Properties]:
        """Give the recipients (*kind* ``recip``) or the attachments (``attach``)."""
        missing = 0
        for number in range(_MOST_PARTS):
            folder = f"{self.folder}__{kind}_version1.0_#{number:08X}"
            if self._file.has(folder):
                yield _Properties(self._file, f"{folder}/", _PART, self.language)
                missing = 0
            elif (missing := missing + 1) > _MISSING_IN_A_ROW:
                return

    def message_inside(self, depth: int) -> _Message:
        return _Message(self._file, f"{self._path(_DATA, _OBJECT)}/", _INSIDE, self.language, depth)

    def _path(self, number: int, kind: str) -> str:
        return f"{self.folder}__substg1.0_{number:04X}{kind}"


class _Message:
    """A message of a compound file: the file itself, or one attached to another."""

    def __init__(self, file: Compound, folder: str, offset: int, language: str, depth: int = 0) -> None:
        self._properties = _Properties(file, folder, offset, language)
        self._code_page = self._properties.integer(_CODE_PAGE) or self._properties.integer(_BODY_CODE_PAGE)
        self._depth = depth

    def letter(self) -> Letter:
        versions = [piece for piece in self._body() if piece.text.strip()]
        body = versions[:1]
        files = letters.without_decoration(list(self._files()), versions)
        sealed = self._text(_CLASS).upper().startswith("IPM.NOTE.SMIME") and not body
        kept = [file for file in files if not sealed or file.name != "smime.p7m"]
        return Letter(one_line(self._text(_SUBJECT)), list(self._headers()), body, kept, sealed)

    def _text(self, number: int) -> str:
        return self._properties.text(number, self._code_page)

    def _body(self) -> Iterator[Piece]:
        """Give the body in each form it is stored in, the plainest first."""
        own = self._properties
        page = own.integer(_BODY_CODE_PAGE) or self._code_page
        yield Piece(own.text(_BODY, page))
        yield Piece(own.text(_HTML, page) or own.decoded(own.binary(_HTML), page), is_page=True)
        packed = own.binary(_RTF)
        if packed:
            yield Piece(_text_of(outlook_rtf.unpack(packed)))

    def _headers(self) -> Iterator[tuple[str, str]]:
        """Give the headers it was sent with; one that never was sent has them from its properties."""
        reader = Reader(self._properties.language)
        sent = message_of(self._text(_TRANSPORT_HEADERS).encode("utf-8", "replace"))
        known = dict(self._known())
        for name in ("From", "To", "Cc", "Bcc", "Date"):
            yield name, reader.header(sent, name) or known.get(name, "")

    def _known(self) -> Iterator[tuple[str, str]]:
        sender = _addressed(self._text(_SENDER), self._text(_SENDER_SMTP) or self._text(_SENDER_ADDRESS))
        yield "From", sender
        yield "To", self._text(_TO)
        yield "Cc", self._text(_CC)
        yield "Date", self._properties.time(_SENT) or self._properties.time(_DELIVERED)
        found: dict[str, list[str]] = {}
        for one in self._properties.parts("recip"):
            address = one.text(_SMTP, self._code_page) or one.text(_ADDRESS, self._code_page)
            name = _addressed(one.text(_DISPLAY_NAME, self._code_page), address)
            if name:
                found.setdefault(_RECIPIENTS.get(one.integer(_KIND) or 1, "To"), []).append(name)
        yield from ((kind, ", ".join(names)) for kind, names in found.items())

    def _files(self) -> Iterator[File]:
        for part in self._properties.parts("attach"):
            names = (part.text(number, self._code_page) for number in (_LONG_NAME, _SHORT_NAME, _DISPLAY_NAME))
            name = one_line(next(filter(None, names), ""))
            if part.integer(_METHOD) == _EMBEDDED_MESSAGE or part.has(_DATA, _OBJECT):
                if part.has(_DATA, _OBJECT) and self._depth < _DEEPEST:
                    yield _as_file(part.message_inside(self._depth + 1).letter(), name)
            else:
                content_id = part.text(_CONTENT_ID, self._code_page).strip("<>")
                media_type = part.text(_MIME, self._code_page) or None
                yield File(name, media_type, part.binary(_DATA), content_id)


def _addressed(name: str, address: str) -> str:
    """Write a sender or recipient; an address of Exchange's directory says nothing outside of it."""
    if not address or address.startswith("/") or address == name:
        return name
    return f"{name} <{address}>" if name else address


def _as_file(letter: Letter, name: str) -> File:
    stem = name or letter.subject or "message"
    return File(stem if stem.lower().endswith(".eml") else f"{stem}.eml", "message/rfc822", letters.as_eml(letter))


def _text_of(rich_text: bytes) -> str:
    """Give the text of a body; one that cannot be read does not spoil the letter."""
    reader = RichTextReader("the body", _LONGEST_BODY)
    with suppress(DocumentRejected):
        reader.read(rich_text)
    return "\n\n".join(paragraph.text for paragraph in reader.paragraphs)
