"""The smallest files of mail, data and e-books, for parsers to be tried on before they meet real ones."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping

from fargate.ingestion.parsers.samples.compound import Tree, compound

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
