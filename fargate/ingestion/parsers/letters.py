"""A letter, however it came, and how it is written down: subject, who wrote to whom, body."""

from __future__ import annotations

import re
from base64 import encodebytes
from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.domain.documents import BlockKind
from chalicelib.errors import DocumentRejected
from fargate.ingestion.parsers import html
from fargate.ingestion.parsers.building import DocumentBuilder, one_line
from fargate.ingestion.parsers.enclosures import Enclosures, file_name

_PARAGRAPHS = re.compile(r"\n[^\S\n]*\n")
_SEALED_TEXT = "-----BEGIN PGP MESSAGE-----"
_TINY = 10 * 1024
_MOST_NAMES = 50


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a body: plain text, or a page of HTML where it *is_page*."""

    text: str
    is_page: bool = False

    @property
    def sealed(self) -> bool:
        """Say whether it can be read only by whoever has the key."""
        return not self.is_page and self.text.lstrip().startswith(_SEALED_TEXT)


@dataclass(frozen=True, slots=True)
class File:
    """A file that came with a letter; *content_id* is what the body calls it by where it shows it."""

    name: str
    media_type: str | None
    data: bytes
    content_id: str = ""
    attached: bool = True


@dataclass(frozen=True, slots=True)
class Letter:
    """
    What a message holds. *headers* are names with their values, in order, without the subject.

    It is *sealed* where a part of it is encrypted.
    """

    subject: str
    headers: Sequence[tuple[str, str]]
    body: Sequence[Piece]
    files: Sequence[File]
    sealed: bool = False

    def is_readable(self) -> bool:
        """Say whether there is anything but headers that can be used."""
        return bool(self.files) or any(piece.text.strip() and not piece.sealed for piece in self.body)

    def is_blank(self) -> bool:
        """Say whether it has neither subject, body nor files."""
        return not self.subject and not self.is_readable() and not self.is_sealed()

    def is_sealed(self) -> bool:
        """Say whether what it says is said in secret only."""
        return not self.is_readable() and (self.sealed or any(piece.sealed for piece in self.body))


def write(builder: DocumentBuilder, letter: Letter, enclosures: Enclosures) -> None:
    """Write a letter as a section under its subject; its files go to *enclosures*."""
    for file in letter.files:
        enclosures.add(file.name, file.media_type, file.data)
    builder.heading(letter.subject, 0)  # so that the headings of its body, from 1, stand below it
    names = ", ".join(one_line(file.name) or "without a name" for file in letter.files[:_MOST_NAMES])
    lines = [f"{name}: {one_line(value)}" for name, value in (*letter.headers, ("Attachments", names)) if value]
    builder.add(BlockKind.TEXT, "\n".join(lines))
    for piece in letter.body:
        if not piece.sealed:
            _write_piece(builder, piece)


def without_decoration(files: Sequence[File], body: Sequence[Piece]) -> list[File]:
    """Leave out the pictures that the body shows in place, and tiny ones: logos, icons, rulers."""
    markup = "".join(piece.text for piece in body if piece.is_page)
    return [file for file in files if not _decorates(file, markup)]


def as_eml(letter: Letter) -> bytes:
    """Write a letter as a file of its own, which the mail parser reads back."""
    boundary = "=_part"  # what is inside is Base64, which has no such sign
    headers = [f"{name}: {one_line(value)}" for name, value in (("Subject", letter.subject), *letter.headers) if value]
    headers += ["MIME-Version: 1.0", f'Content-Type: multipart/mixed; boundary="{boundary}"']
    parts = [
        _part(f"text/{'html' if one.is_page else 'plain'}; charset=utf-8", one.text.encode()) for one in letter.body
    ]
    for file in letter.files:
        # A letter may not be packed in Base64 (RFC 2046, section 5.2.1), but a file that happens to be one may.
        kind = "application/octet-stream" if file.media_type == "message/rfc822" else file.media_type
        disposition = f'attachment; filename="{file_name(file.name)}"'
        parts.append(_part(f"{kind or 'application/octet-stream'}\r\nContent-Disposition: {disposition}", file.data))
    lines = ["\r\n".join(headers), "", *(f"--{boundary}\r\n{part}" for part in parts), f"--{boundary}--", ""]
    return "\r\n".join(lines).encode("utf-8", "replace")


def _part(kind: str, content: bytes) -> str:
    packed = encodebytes(content).decode("ascii")
    return f"Content-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n\r\n{packed}"


def encrypted(name: str) -> DocumentRejected:
    """Say that nothing in a mail can be read."""
    detail = f"{name} is encrypted, and only its recipient's mail program can read it. Save its text from there."
    return DocumentRejected("encrypted", detail)


def _decorates(file: File, markup: str) -> bool:
    if not (file.media_type or "").startswith("image/"):
        return False
    shown = bool(file.content_id) and f"cid:{file.content_id}" in markup
    return shown or (not file.attached and (bool(file.content_id) or len(file.data) < _TINY))


def _write_piece(builder: DocumentBuilder, piece: Piece) -> None:
    if not piece.is_page:
        for paragraph in _PARAGRAPHS.split(piece.text):
            builder.add(BlockKind.TEXT, paragraph)
        return
    page = html.read(piece.text)
    if page is not None:
        html.write(builder, page)
