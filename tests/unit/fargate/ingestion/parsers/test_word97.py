"""Old Word documents: the text as it is strung together, and what its styles make of it."""

from __future__ import annotations

import pytest

from chalicelib.domain.documents import BlockKind, ParsedDocument
from chalicelib.errors import DocumentRejected
from fargate.ingestion.parsers import registry
from fargate.ingestion.parsers.samples.compound import compound
from fargate.ingestion.parsers.samples.word97 import IN_TABLE, ROW_END, doc
from fargate.ingestion.parsers.source import Source
from fargate.ingestion.parsers.word97 import MEDIA_TYPES

HEADING, TEXT, LIST, TABLE, CODE = BlockKind


def parse(data: bytes, *, max_characters: int = 1_000_000) -> ParsedDocument:
    return registry.parse(Source(data, "a letter.doc", MEDIA_TYPES[0], max_characters=max_characters))


def blocks(parsed: ParsedDocument) -> list[tuple[BlockKind, str]]:
    return [(block.kind, parsed.text[block.start : block.end]) for block in parsed.blocks]


def rejected(data: bytes, max_characters: int = 1_000_000) -> str:
    with pytest.raises(DocumentRejected) as caught:
        parse(data, max_characters=max_characters)
    assert caught.value.detail.endswith(".")
    return caught.value.reason


def test_styles_give_headings_lists_and_tables() -> None:
    """A cell without text is a cell, and the mark that ends a row is none."""
    row = [("a\x07", 0, IN_TABLE), ("\x07", 0, IN_TABLE), ("c\r", 0, IN_TABLE), ("d\x07", 0, IN_TABLE)]
    parsed = parse(
        doc(
            ("Leave\r", 1, b""),
            ("Grüße aus 東京 😀.\r", 0, b""),
            ("one\r", 2, b""),
            ("two\r", 2, b"\x0a\x26\x01"),
            *row,
            ("\x07", 0, ROW_END),
            ("x\x07", 0, IN_TABLE),
            ("\x07", 0, ROW_END),
            ("The end.\r", 0, b""),
        )
    )
    assert blocks(parsed) == [
        (HEADING, "Leave"),
        (TEXT, "Grüße aus 東京 😀."),
        (LIST, "- one\n  - two"),
        (TABLE, "a |  | c d\nx"),
        (TEXT, "The end."),
    ]
    assert parsed.blocks[-1].heading_path == ("Leave",)


def test_fields_read_as_the_page_shows_them() -> None:
    """Their codes are not shown, their results are, and so are fields inside fields."""
    nested = '\x13HYPERLINK "http://a.example/\x13PAGE\x1412\x15"\x14the link\x15'
    parsed = parse(doc((f"See {nested}\x1e\x0bhere.\r", 0, b"")))
    assert parsed.text == "See the link-\nhere."


def test_notes_stand_behind_the_text() -> None:
    """And headings are what the outline level of a paragraph makes them."""
    parsed = parse(doc(("Top\r", 0, b"\x40\x26\x00"), ("Text.\r", 0, b""), notes="A note.\r"))
    assert blocks(parsed) == [(HEADING, "Top"), (TEXT, "Text."), (TEXT, "A note.")]


def test_documents_that_cannot_be_read_are_refused() -> None:
    """Each with its own reason."""
    text = ("Text.\r", 0, b"")
    assert rejected(doc(text, flags=0x0100)) == "encrypted"
    assert rejected(doc(text, version=0x65)) == "unreadable"
    assert rejected(doc(("\r", 0, b""))) == "empty"
    assert rejected(doc(text), max_characters=3) == "too_large"
    assert rejected(compound({"WordDocument": b"\xec\xa5\xc1\x00"})) == "unreadable"
    assert rejected(compound({"Other": b""})) == "unreadable"
    assert rejected(doc(text)[:1000]) == "unreadable"


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_document_is_read_or_refused(seed: int) -> None:
    """Whatever byte is wrong, nothing else is raised and nothing hangs."""
    data = bytearray(doc())
    place = 512 + seed * 151 % (len(data) - 512)
    data[place] ^= 0xFF
    data[512 + seed * 17 % 900] ^= 0x55
    try:
        assert parse(bytes(data)).text
    except DocumentRejected as refused:
        assert refused.reason in ("unreadable", "empty", "too_large", "encrypted")  # noqa: PT017
