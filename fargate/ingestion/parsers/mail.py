"""Mail as it is sent (EML) and kept (MBOX): headers, body and attachments, however carelessly written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.policy import Compat32

from chalicelib.domain.documents import ParsedDocument
from fargate.ingestion.parsers import encodings, letters
from fargate.ingestion.parsers.building import DocumentBuilder, one_line
from fargate.ingestion.parsers.enclosures import Enclosures
from fargate.ingestion.parsers.letters import File, Letter, Piece
from fargate.ingestion.parsers.source import Source

MBOX = "application/mbox"
MEDIA_TYPES = ("message/rfc822", MBOX)

_SHOWN = ("From", "To", "Cc", "Bcc", "Date")
_BETWEEN_LETTERS = re.compile(rb"^From (?:[^\r\n]*\d\d:\d\d[^\r\n]*)?\r?\n(?=[A-Za-z][A-Za-z0-9-]*:)", re.MULTILINE)
_ESCAPED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)
_SIGNATURES = frozenset(("application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"))
_SEALED = frozenset(("application/pkcs7-mime", "application/x-pkcs7-mime", "application/pgp-encrypted"))
_REPEATED = frozenset(("text/x-amp-html", "text/watch-html"))
_LONGEST_HEADER, _MOST_HEADERS = 20_000, 100
"""The library takes time with the square of a header's encoded words; the longest lists of recipients are shorter."""
_PACKED = ("base64", "quoted-printable")


def parse(source: Source) -> ParsedDocument:
    """
    Read *source*: each letter as a section under its subject, its attachments beside the text.

    Raises `DocumentRejected`: `encrypted` where no letter says anything that can be read, `empty` where there is none.
    """
    data, transcoded = _byte_by_byte(source.data)
    reader = Reader(source.language, transcoded=transcoded)
    builder, enclosures = DocumentBuilder(source), Enclosures()
    sealed, title = False, ""
    for part in _parts(data, source):
        letter = reader.read(message_of(part))
        if letter.is_sealed():
            sealed = True
        elif not letter.is_blank():
            letters.write(builder, letter, enclosures)
            title = title or letter.subject
    if sealed and builder.is_empty():
        raise letters.encrypted(source.name)
    return builder.build(
        title=title if title and source.media_type != MBOX else source.stem,
        warnings=sorted({*enclosures.warnings, *(("encrypted_letters_left_out",) if sealed else ())}),
        attachments=enclosures.found,
    )


def message_of(data: bytes) -> Message:
    """Give the parts of a message; there are no bytes that are none."""
    return message_from_bytes(data, policy=_AS_WRITTEN)


def _byte_by_byte(data: bytes) -> tuple[bytes, bool]:
    """Give a mail that was saved in UTF-16 or UTF-32 as UTF-8, and whether it had to be changed."""
    if encodings.is_wide(data):
        return encodings.decode(data).encode("utf-8", "replace"), True
    return data.removeprefix(b"\xef\xbb\xbf"), False


def _parts(data: bytes, source: Source) -> Iterator[bytes]:
    """Give the letters of a mailbox; any other mail is one."""
    starts = list(_BETWEEN_LETTERS.finditer(data)) if source.media_type == MBOX else []
    if not starts:
        yield data
        return
    ends = [*(start.start() for start in starts[1:]), len(data)]
    for start, end in zip(starts, ends, strict=True):
        yield _ESCAPED_FROM.sub(rb"\1", data[start.end() : end])


class _AsWritten(Compat32):
    """Headers as they are written, whatever bytes that is: the library's own policies replace what is not ASCII."""

    def header_fetch_parse(self, name: str, value: str) -> str:  # noqa: ARG002 - the signature is the library's
        return value


_AS_WRITTEN = _AsWritten(mangle_from_=False, max_line_length=0)


class Reader:
    """Reads messages of the standard library's parser, which takes any bytes for one."""

    def __init__(self, language: str, *, transcoded: bool = False) -> None:
        self._language = language
        self._transcoded = transcoded

    def read(self, message: Message) -> Letter:
        """Give what *message* holds."""
        gathered = _Gathered()
        self._gather(message, gathered)
        headers = [(name, self.header(message, name)) for name in _SHOWN]
        files = letters.without_decoration(gathered.files, gathered.shown)
        return Letter(self.header(message, "Subject"), headers, gathered.body, files, gathered.sealed)

    def header(self, message: Message, name: str) -> str:
        """Give a header as it is meant: unfolded, decoded, several of a name in one line."""
        values = (one_line(self._decoded(value)) for value in message.get_all(name, [])[:_MOST_HEADERS])
        return ", ".join(filter(None, values))

    def _decoded(self, raw: str) -> str:
        text = encodings.decode(raw[:_LONGEST_HEADER].encode("utf-8", "surrogateescape"), self._language)
        try:
            words = decode_header(text)
        except HeaderParseError:  # damaged Base64
            return text
        return "".join(self._word(word, charset) for word, charset in words)

    def _word(self, word: bytes | str, charset: str | None) -> str:
        if isinstance(word, str):
            return word
        if charset is None:  # how `decode_header` gives what stands between encoded words
            return word.decode("raw-unicode-escape", "replace")
        return encodings.decode_labelled(word, charset, self._language)

    def _gather(self, part: Message, into: _Gathered) -> None:
        kind = part.get_content_type()
        payload = part.get_payload() if part.is_multipart() else None
        inner = [one for one in payload if isinstance(one, Message)] if isinstance(payload, list) else []
        if kind == "message/rfc822" and inner:
            into.files.extend(self._letter_inside(part, letter) for letter in inner)
        elif kind == "multipart/encrypted":
            into.sealed = True
        elif kind == "multipart/alternative" and inner:
            self._gather_alternatives(inner, into)
        elif inner:
            for one in inner:
                self._gather(one, into)
        else:
            self._gather_single(part, kind, into)

    def _gather_alternatives(self, versions: list[Message], into: _Gathered) -> None:
        """Of versions of one text, take the first that is plain, or else the last, which is the fullest (RFC 2046)."""
        read = []
        for version in versions:
            one = _Gathered()
            self._gather(version, one)
            into.take(one)
            if any(piece.text.strip() for piece in one.body):
                read.append(one.body)
        plain = (body for body in read if not any(piece.is_page for piece in body))
        into.body.extend(next(plain, read[-1] if read else []))

    def _gather_single(self, part: Message, kind: str, into: _Gathered) -> None:
        name = self._file_name(part)
        data = part.get_payload(decode=True)
        content = data if isinstance(data, bytes) else b""
        attached = part.get_content_disposition() == "attachment"
        if kind in _SEALED:
            into.sealed = True
        elif kind.startswith("text/") and not name and not attached:
            if kind not in _REPEATED:
                into.say(Piece(self._text(part, content), is_page=kind == "text/html"))
        elif kind not in _SIGNATURES and content.strip():
            content_id = str(part.get("Content-ID", "")).strip(" <>\r\n")
            into.files.append(File(name, kind, content, content_id, attached))

    def _text(self, part: Message, content: bytes) -> str:
        charset = _charset(part)
        if self._transcoded and str(part.get("Content-Transfer-Encoding", "")).strip().lower() not in _PACKED:
            charset = "utf-8"
        if charset:
            return encodings.decode_labelled(content, charset, self._language)
        return encodings.decode(content, self._language)

    def _letter_inside(self, part: Message, letter: Message) -> File:
        name = self._file_name(part) or self.header(letter, "Subject") or "message"
        named = name if name.lower().endswith(".eml") else f"{name}.eml"
        return File(named, "message/rfc822", letter.as_bytes())

    def _file_name(self, part: Message) -> str:
        try:
            name = part.get_filename("")
        except ValueError:  # it is told in an encoding whose own name cannot be read
            return ""
        return one_line(self._decoded(name)) if name else ""


def _charset(part: Message) -> str | None:
    try:
        return part.get_content_charset()
    except ValueError:  # as above
        return None


class _Gathered:
    """What was found in the parts of a message so far; *shown* holds every version of its text."""

    def __init__(self) -> None:
        self.body: list[Piece] = []
        self.shown: list[Piece] = []
        self.files: list[File] = []
        self.sealed = False

    def say(self, piece: Piece) -> None:
        self.body.append(piece)
        self.shown.append(piece)

    def take(self, other: _Gathered) -> None:
        """Add what another found, but for its body."""
        self.shown.extend(other.shown)
        self.files.extend(other.files)
        self.sealed = self.sealed or other.sealed
