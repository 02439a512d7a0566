"""The smallest files of mail, data and e-books, for parsers to be tried on before they meet real ones."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

CSV = b'a;b\n"c\nd";1,5\n'
JSON = b'{"title": "a", "b": {"c": [1, {"d": null}]}, "e": [{"f": 1.5}, {"f": true}]}'
JSON_LINES = b'{"a": 1}\n{"a": "b"}\n'
XML = b'<?xml version="1.0" encoding="cp1252"?><a b="c"><title>d</title><e>f</e><g>h <i>j</i></g><k><l>m</l></k></a>'
NOTEBOOK = (
    b'{"cells": [{"cell_type": "markdown", "source": "# a"}, {"cell_type": "code", "source": ["b"], '
    b'"outputs": [{"data": {"text/plain": "c"}}]}], "metadata": {"title": "d"}, "nbformat": 4}'
)
MAIL = b"""From: =?utf-8?q?J=C3=BCrgen?= <a@b.c>
To: d@e.f
Subject: =?iso-8859-1?b?R3L832U=?=
Date: Mon, 1 Jan 2024 10:00:00 +0100
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="g"

--g
Content-Type: multipart/alternative; boundary="h"

--h
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: quoted-printable

Gr=C3=BC=C3=9Fe
--h
Content-Type: text/html; charset=utf-8

<p>Hello</p>
--h--
--g
Content-Type: application/pdf; name="i.pdf"
Content-Disposition: attachment; filename*=utf-8''i.pdf
Content-Transfer-Encoding: base64

JVBERi0=
--g
Content-Type: message/rfc822

Subject: j

k
--g--
"""
MAILBOX = (
    b"From a@b.c Mon Jan  1 10:00:00 2024\n" + MAIL + b"\nFrom - Mon Jan  1 10:00:00 2024\nSubject: l\n\n>From m\n"
)

_SECTOR, _SMALL_SECTOR, _ENTRY = 512, 64, 128
_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
_CUTOFF = 4096
_STORAGE, _STREAM, _ROOT = 1, 2, 5

Tree = Mapping[str, "bytes | Tree"]


def epub(**members: str) -> bytes:
    """Make an e-book of one chapter, with further *members* or other ones of the same names."""
    rootfile = '<rootfile full-path="a.opf" media-type="application/oebps-package+xml"/>'
    items = '<item id="b" href="b.xhtml" media-type="application/xhtml+xml"/>'
    contents = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": f"<container><rootfiles>{rootfile}</rootfiles></container>",
        "a.opf": f"<package><metadata><title>A book</title></metadata><manifest>{items}</manifest>"
        '<spine><itemref idref="b"/></spine></package>',
        "b.xhtml": '<html><head><title>One</title></head><body><p>Words.</p><aside epub:type="footnote">A note.</aside>'
        "</body></html>",
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (contents | members).items():
            archive.writestr(name, content)
    return packed.getvalue()


def msg(subject: str = "A subject", body: str = "A body.", **parts: Tree) -> bytes:
    """Make an Outlook message, with *parts* by the names of their storages."""
    return compound(message(subject, body) | parts)


def message(subject: str, body: str, *, header: int = 32) -> dict[str, bytes | Tree]:
    """Make the streams of a message; one inside another has a shorter *header*."""
    texts = {0x0037: subject, 0x1000: body, 0x0C1A: "Ann", 0x0C1F: "ann@example.org", 0x0E04: "Bob"}
    return properties({number: text.encode("utf-16-le") for number, text in texts.items()}, header=header)


def properties(
    streams: Mapping[int, bytes], *, kind: str = "001F", header: int = 8, **integers: int
) -> dict[str, bytes | Tree]:
    """Make the streams of properties by number; *integers* are named ``p`` and their number in hexadecimals."""
    fixed = b"".join(struct.pack("<HHIi4x", 3, int(name[1:], 16), 6, value) for name, value in integers.items())
    found: dict[str, bytes | Tree] = {"__properties_version1.0": bytes(header) + fixed}
    return found | {f"__substg1.0_{number:04X}{kind}": data for number, data in streams.items()}


@dataclass
class _Entry:
    name: str
    kind: int
    start: int = 0
    size: int = 0
    right: int = _FREE
    child: int = _FREE

    def written(self) -> bytes:
        name = (self.name + "\x00").encode("utf-16-le")
        head = name.ljust(64, b"\x00") + struct.pack("<HBB3I", len(name), self.kind, 1, _FREE, self.right, self.child)
        return head + bytes(36) + struct.pack("<IQ", self.start, self.size)


def compound(tree: Tree) -> bytes:
    """Make a compound file (MS-CFB) of small streams, some 50 KiB in all."""
    entries, small, chains = [_Entry("Root Entry", _ROOT)], bytearray(), list[int]()
    _add(tree, entries[0], entries, small, chains)
    entries[0].size = len(small)
    directory = _whole(b"".join(entry.written() for entry in entries))
    table = _whole(struct.pack(f"<{len(chains)}I", *chains), b"\xff")
    stream = _whole(bytes(small))
    places = [1]  # the allocation table itself is sector 0
    for part in (directory, table, stream):
        places.append(places[-1] + len(part) // _SECTOR)
    entries[0].start = places[2]
    directory = _whole(b"".join(entry.written() for entry in entries))
    sectors = [_FAT, *(link for first, end in pairwise(places) for link in _chain(first, end - first))]
    header = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16) + struct.pack("<5H6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<9I", 0, 1, 1, 0, _CUTOFF, places[1], len(table) // _SECTOR, _END, 0)
    header += struct.pack("<109I", 0, *[_FREE] * 108)
    return header + struct.pack("<128I", *(sectors + [_FREE] * 128)[:128]) + directory + table + stream


def _add(tree: Tree, above: _Entry, entries: list[_Entry], small: bytearray, chains: list[int]) -> None:
    before: _Entry | None = None
    for name, node in tree.items():
        entry = _Entry(name, _STREAM if isinstance(node, bytes) else _STORAGE)
        if before is None:
            above.child = len(entries)
        else:
            before.right = len(entries)
        entries.append(entry)
        before = entry
        if isinstance(node, bytes):
            entry.start, entry.size = len(small) // _SMALL_SECTOR, len(node)
            count = -(-len(node) // _SMALL_SECTOR)
            chains.extend(_chain(entry.start, count))
            small += node.ljust(count * _SMALL_SECTOR, b"\x00")
        else:
            _add(node, entry, entries, small, chains)


def _chain(first: int, count: int) -> Iterator[int]:
    """Link *count* sectors from *first* on."""
    yield from range(first + 1, first + count)
    if count:
        yield _END


def _whole(data: bytes, filler: bytes = b"\x00") -> bytes:
    return data + filler * (-len(data) % _SECTOR)
