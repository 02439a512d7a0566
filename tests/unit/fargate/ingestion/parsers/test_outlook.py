"""Outlook's messages: what stands in their properties, whatever state the message was saved in."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import pytest

from chalicelib.domain.documents import ParsedDocument
from chalicelib.errors import DocumentRejected
from fargate.ingestion.parsers import outlook_rtf, registry
from fargate.ingestion.parsers.samples.compound import Tree, compound
from fargate.ingestion.parsers.samples.mail import message, msg, properties
from fargate.ingestion.parsers.source import Source

_SUBJECT, _CLASS, _HEADERS, _BODY, _HTML, _RTF = 0x0037, 0x001A, 0x007D, 0x1000, 0x1013, 0x1009
_NAME, _SHORT_NAME, _MIME, _CONTENT_ID, _DATA = 0x3707, 0x3704, 0x370E, 0x3712, 0x3701
# The examples of MS-OXRTFCP, section 4.
_SIMPLE = "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0"
_CROSSING = "1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0"


def read(data: bytes) -> ParsedDocument:
    return registry.parse(Source(data, "a letter.msg", "application/vnd.ms-outlook"))


def texts(parsed: ParsedDocument) -> list[str]:
    return [parsed.text[block.start : block.end] for block in parsed.blocks]


def wide(texts: Mapping[int, str], *, header: int = 8, **integers: int) -> dict[str, bytes | Tree]:
    return properties(
        {number: text.encode("utf-16-le") for number, text in texts.items()}, kind="001F", header=header, **integers
    )


def attached(name: str, data: bytes = b"data", **texts: str) -> Tree:
    named = {_NAME: name} | {int(number[1:], 16): text for number, text in texts.items()}
    return wide(named, p3705=1) | {"__substg1.0_37010102": data}


def recipient(name: str, address: str, kind: int) -> Tree:
    return wide({0x3001: name, 0x39FE: address}, p0C15=kind)


def folders(kind: str, *trees: Tree) -> dict[str, bytes | Tree]:
    return {f"__{kind}_version1.0_#{number:08X}": tree for number, tree in enumerate(trees)}


def test_a_message_is_a_section_under_its_subject() -> None:
    """As one that came as EML."""
    parsed = read(msg("Leave", "Dear Bob,\r\n\r\nall is well."))
    assert texts(parsed) == ["Leave", "From: Ann <ann@example.org>\nTo: Bob", "Dear Bob,", "all is well."]
    assert parsed.title == "Leave"


def test_the_headers_it_was_sent_with_go_first() -> None:
    """They say more than the properties do."""
    headers = "From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>\r\nDate: Mon, 1 Jan 2024 10:00:00 +0000\r\n"
    parsed = read(compound(message("s", "b") | wide({_HEADERS: headers}, header=32)))
    assert texts(parsed)[1] == "From: Jürgen <j@example.org>\nTo: Bob\nDate: Mon, 1 Jan 2024 10:00:00 +0000"


def test_a_draft_names_its_recipients_by_kind() -> None:
    """An address of Exchange's directory says nothing outside of it."""
    people = (
        recipient("Bob", "bob@x.org", 1),
        recipient("Cid", "/o=Org/cn=cid", 2),
        recipient("d@x.org", "d@x.org", 1),
    )
    parsed = read(compound(message("s", "b") | folders("recip", *people)))
    assert texts(parsed)[1] == "From: Ann <ann@example.org>\nTo: Bob <bob@x.org>, d@x.org\nCc: Cid"


def test_the_time_it_was_sent_is_told() -> None:
    """Outlook counts in tenths of microseconds from 1601."""
    sent = struct.pack("<HHIQ", 0x40, 0x39, 6, 133485408000000000)
    tree = message("s", "b") | {"__properties_version1.0": bytes(32) + sent}
    assert "Date: 2024-01-01 00:00 UTC" in read(compound(tree)).text


def test_text_in_old_code_pages_is_decoded() -> None:
    """Before Unicode, a property said which one."""
    tree = properties({_SUBJECT: "Größe".encode("cp1252"), _BODY: "Привет".encode("cp1251")}, kind="001E", header=32)
    stated = properties({}, header=32, p3FFD=1252, p3FDE=1251)
    assert texts(read(compound(tree | stated))) == ["Größe", "Привет"]


def test_a_body_in_html_or_rich_text_alone_is_read() -> None:
    """What some programs leave out, they keep in another form."""
    subject = wide({_SUBJECT: "s"}, header=32)
    page = {f"__substg1.0_{_HTML:04X}0102": "<h1>Head</h1><p>Grüße</p>".encode()}
    assert texts(read(compound(subject | page)))[1:] == ["Head", "Grüße"]
    rich = {f"__substg1.0_{_RTF:04X}0102": bytes.fromhex(_SIMPLE)}
    assert texts(read(compound(subject | rich)))[1:] == ["hello world"]


@pytest.mark.parametrize(
    ("packed", "rtf"),
    [(_SIMPLE, b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"), (_CROSSING, b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}")],
)
def test_rich_text_is_unpacked_as_its_specification_shows(packed: str, rtf: bytes) -> None:
    """Damaged at any place, it gives what comes before."""
    data = bytes.fromhex(packed)
    assert outlook_rtf.unpack(data) == rtf
    assert all(rtf.startswith(outlook_rtf.unpack(data[:end])) for end in range(len(data)))
    assert outlook_rtf.unpack(data[:16] + b"\xff" * 40) == b""


def test_attachments_keep_names_and_kinds() -> None:
    """A picture that the body shows is none."""
    page = {f"__substg1.0_{_HTML:04X}0102": b"<p>b<img src='cid:logo'>"}
    logo = attached("logo.png", p370E="image/png", p3712="logo")
    short = wide({_SHORT_NAME: "REPORT~1.PDF"}, p3705=1) | {"__substg1.0_37010102": b"%PDF-"}
    parsed = read(compound(message("s", "b") | page | folders("attach", attached("März.pdf"), logo, short)))
    assert [(found.name, found.data) for found in parsed.attachments] == [
        ("März.pdf", b"data"),
        ("REPORT~1.PDF", b"%PDF-"),
    ]
    assert "Attachments: März.pdf, REPORT~1.PDF" in parsed.text


def test_a_message_inside_a_message_becomes_a_mail_of_its_own() -> None:
    """With its own attachments, to any depth that is meant."""
    inner = message("Inner", "Grüße von innen.", header=24) | folders("attach", attached("a.pdf", b"%PDF-"))
    carried = wide({0x3001: "Inner"}, p3705=5) | {"__substg1.0_3701000D": inner}
    (found,) = read(compound(message("Outer", "b") | folders("attach", carried))).attachments
    assert found.name == "Inner.eml"
    mail = registry.parse(Source(found.data, found.name, registry.sniff(found.data, found.name, found.media_type)))
    assert mail.title == "Inner"
    assert texts(mail)[1:] == ["From: Ann <ann@example.org>\nTo: Bob\nAttachments: a.pdf", "Grüße von innen."]
    assert [(inside.name, inside.data) for inside in mail.attachments] == [("a.pdf", b"%PDF-")]


@pytest.mark.parametrize(
    ("tree", "reason"),
    [
        (
            wide({_CLASS: "IPM.Note.SMIME", _SUBJECT: "s"}, header=32) | folders("attach", attached("smime.p7m")),
            "encrypted",
        ),
        (wide({_CLASS: "IPM.Note"}, header=32), "empty"),
        ({"x": b"no properties"}, "empty"),
    ],
)
def test_what_cannot_be_used_has_a_reason(tree: Tree, reason: str) -> None:
    """Sealed, or saying nothing."""
    with pytest.raises(DocumentRejected) as caught:
        read(compound(tree))
    assert caught.value.reason == reason


def test_a_message_cut_off_anywhere_is_read_or_refused() -> None:
    """Never anything else."""
    whole = msg()
    for end in range(512, len(whole), 256):
        try:
            assert read(whole[:end]).text
        except DocumentRejected as rejected:
            assert rejected.reason in {"unreadable", "empty"}  # noqa: PT017 - both outcomes are right
