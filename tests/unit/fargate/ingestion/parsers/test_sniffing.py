"""What a file is comes from its content; names only settle what content leaves open."""

from __future__ import annotations

import io
import zipfile

import pytest

from chalicelib.errors import DocumentRejected
from fargate.ingestion.parsers import registry, sniffing
from fargate.ingestion.parsers.samples import documents as samples
from fargate.ingestion.parsers.samples import mail as mail_samples
from fargate.ingestion.parsers.samples.compound import compound

_CFB = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)


def zipped(*names: str, **contents: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
        for name, content in contents.items():
            archive.writestr(name, content)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("data", "name", "found"),
    [
        (b"Hello.", "a.txt", "text/plain"),
        (b"Hello.", "a", "text/plain"),
        (b"# Hello\n\nText.", "a.txt", "text/plain"),
        (b"# Hello\n\n## There\n\nText.", "a", "text/markdown"),
        (b"Hello.", "a.md", "text/markdown"),
        (b"  <!-- x --><!DOCTYPE html><p>", "a.txt", "text/html"),
        (b"<p>Hello.", "a.htm", "text/html"),
        ("Grüße".encode("utf-16"), "a.txt", "text/plain"),
        ("Hello there".encode("utf-32-le"), "a.txt", "text/plain"),
        (samples.PDF, "a.txt", "application/pdf"),
        (b"rubbish\n" + samples.PDF, "a", "application/pdf"),
        (b"A PDF begins with %PDF-1.4, a text with words.", "a.txt", "text/plain"),
        (samples.docx(), "report.pdf", sniffing.DOCX),
        (b"BMW makes cars.", "a.txt", "text/plain"),
        (b"BM\x00\x01\x02\x03", "a", "image/bmp"),
        (b"\x89PNG\r\n\x1a\n\x00", "a.txt", "image/png"),
        (b"{\\rtf1 a}", "a.txt", "application/rtf"),
        (b"a,b\n1,2", "a.csv", "text/csv"),
        (b'<?xml version="1.0"?><a/>', "a", "application/xml"),
        (b'{"a": 1}', "a.txt", "application/json"),
        (b'[{"a": 1}]', "a", "application/json"),
        (b'{"a": 1}\n{"a": 2}', "a.ndjson", "application/jsonl"),
        (b"{placeholder} is no data", "a.txt", "text/plain"),
        (b'{"cells": [{"cell_type": "code"}]}', "a.json", "application/x-ipynb+json"),
        (b"<!DOCTYPE html><p>404", "a.csv", "text/html"),
        (b"From a@b.c Mon Jan  1 10:00:00 2024\nSubject: d\n\ne", "a", "application/mbox"),
        (b"From here on it gets better.\nYes: it does.", "a.txt", "text/plain"),
        (mail_samples.msg(), "a.doc", "application/vnd.ms-outlook"),
        (
            compound({"WordDocument": b"a", "b": {"__properties_version1.0": b"c"}}),
            "a",
            "application/msword",
        ),
        (b"From: a@b.c\nTo: d@e.f\nSubject: g\nMIME-Version: 1.0\n\nHello.", "a", "message/rfc822"),
        (zipped(mimetype="application/epub+zip"), "a.zip", "application/epub+zip"),
        (zipped("[Content_Types].xml", "xl/workbook.xml"), "a.docx", sniffing._XLSX),
        (zipped("a.txt"), "a.docx", "application/zip"),
        (_CFB + "WordDocument".encode("utf-16-le"), "a.docx", "application/msword"),
        (bytes(range(256)), "a.txt", sniffing.BINARY),
    ],
)
def test_content_tells_what_a_file_is(data: bytes, name: str, found: str) -> None:
    """Each format by its own signs, whatever the name claims."""
    assert sniffing.media_type_of(data, name) == found


def test_a_declared_type_settles_what_a_text_is_where_its_name_does_not() -> None:
    """A note without an ending is Markdown because its owner says so; a picture stays a picture."""
    assert sniffing.media_type_of(b"Hello.", "note", "text/markdown; charset=utf-8") == "text/markdown"
    assert sniffing.media_type_of(b"\xff\xd8\xff\xe0", "note", "text/markdown") == "image/jpeg"


@pytest.mark.parametrize(
    ("data", "name", "reason", "words"),
    [
        (b"", "a.txt", "empty", "a.txt is empty"),
        (b" \r\n\t", "a.pdf", "empty", "a.pdf is empty"),
        (b"This is not a zip file!", "a.odt", "unreadable", "named .odt, but what it holds is plain text"),
        (b"PK\x03\x04truncated", "a.docx", "unreadable", "damaged or incomplete"),
        (bytes(range(256)) * 4, "a.bin", "unsupported_media_type", "binary data of an unknown kind"),
        (_CFB + "PowerPoint Document".encode("utf-16-le"), "a.ppt", "unsupported_media_type", "an old PowerPoint"),
        (_CFB + "EncryptedPackage".encode("utf-16-le"), "a.docx", "encrypted", "protected by a password"),
        (b"\x89PNG\r\n\x1a\n\x00", "a.png", "scanned_needs_ocr", "is a picture"),
    ],
)
def test_what_is_not_read_is_refused_by_name(data: bytes, name: str, reason: str, words: str) -> None:
    """The reason says what was found, in words its owner understands."""
    with pytest.raises(DocumentRejected, match=words) as caught:
        registry.sniff(data, name, None)
    assert caught.value.reason == reason


def test_a_character_cut_by_the_end_of_the_sample_does_not_spoil_the_rest() -> None:
    """Only the first 64 KiB are looked at, and they may end inside a character."""
    data = b"a" * (64 * 1024 - 1) + "é".encode() * 100
    assert sniffing.media_type_of(data, "a.txt") == "text/plain"
