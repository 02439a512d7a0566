"""Plain text and Markdown: nothing lost, nothing added, every offset exact."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chalicelib.domain.documents import BlockKind, ParsedDocument
from chalicelib.errors import DocumentRejected
from fargate.ingestion.parsers import encodings, registry
from fargate.ingestion.parsers.source import Source

HEADING, TEXT, LIST, TABLE, CODE = BlockKind


def markdown(text: str) -> ParsedDocument:
    return registry.parse(Source(text.encode(), "a note.md", "text/markdown"))


def plain(data: bytes, language: str = "en") -> ParsedDocument:
    return registry.parse(Source(data, "a note.txt", "text/plain", language))


def blocks(parsed: ParsedDocument) -> list[tuple[BlockKind, str]]:
    return [(block.kind, parsed.text[block.start : block.end]) for block in parsed.blocks]


def test_paragraphs_of_plain_text_are_blocks_of_the_text_itself() -> None:
    """Line ends are made alike, and nothing else is changed."""
    parsed = plain(b"\xef\xbb\xbfOne\r\ntwo\r\n\r\n  three  \r\n \t\r\nfour\x00.\n")
    assert parsed.text == "One\ntwo\n\n  three  \n \t\nfour."
    assert [text for _, text in blocks(parsed)] == ["One\ntwo", "three", "four."]


def test_a_short_first_line_that_stands_alone_is_the_title() -> None:
    """Otherwise the file's name is."""
    assert plain(b"Annual leave\n\nEverybody has 30 days.").title == "Annual leave"
    assert plain(b"Everybody has 30 days.\n\nAnd more.").title == "a note"


@pytest.mark.parametrize(
    ("text", "encoding", "language"),
    [
        ("Grüße aus Köln, 3 €", "cp1252", "en"),
        ("Příliš žluťoučký kůň úpěl ďábelské ódy", "cp1250", "cs"),
        ("Быстрая лиса прыгает через ленивую собаку", "cp1251", "ru"),
        ("Родители учеников гимназии просят сообщить им расписание уроков на весну.", "koi8-r", "ru"),
        ("吾輩は猫である。名前はまだ無い。どこで生れたか見当がつかぬ。", "cp932", "ja"),
        ("مرحبا بالعالم، هذا نص عربي قصير للاختبار", "cp1256", "ar"),
        ("Hello there", "utf-16-be", "en"),
        ("Hello there", "utf-16-le", "en"),
        ("Hello there", "utf-32-be", "en"),
        ("Hello 😀", "utf-16", "en"),
        ("Hello 😀", "utf-32", "en"),
        ("Hello 😀", "utf-8-sig", "en"),
    ],
)
def test_encodings_are_told_apart(text: str, encoding: str, language: str) -> None:
    """By mark, by zeros, by statistics, and by the language of the index where these leave it open."""
    assert encodings.decode(text.encode(encoding), language) == text


@pytest.mark.parametrize(
    ("data", "label", "text"),
    [
        ("Grüße, 3 €".encode("cp1252"), "iso-8859-1", "Grüße, 3 €"),
        ("Grüße, 3 €".encode(), "iso-8859-1", "Grüße, 3 €"),
        ("Grüße, 3 €".encode("cp1252"), "utf-8", "Grüße, 3 €"),
        ("Grüße, 3 €".encode("utf-16"), "us-ascii", "Grüße, 3 €"),
        ("吾輩は猫である。".encode("iso-2022-jp"), "iso-2022-jp", "吾輩は猫である。"),
        ("Здравствуйте".encode("koi8-r"), "koi8-r", "Здравствуйте"),
        (b"plain", "no-such-label", "plain"),
        (b"plain", "base64", "plain"),
        (b"plain", "undefined", "plain"),
        (b"plain", "nul\x00", "plain"),
    ],
)
def test_a_label_is_believed_unless_the_bytes_belie_it(data: bytes, label: str, text: str) -> None:
    """Mail programs and web servers often name an encoding that is not the one."""
    assert encodings.decode_labelled(data, label) == text


def test_text_that_can_be_read_byte_by_byte_is_not_utf_16_whatever_it_says() -> None:
    """Programs write the declaration of the text they held in memory."""
    assert encodings.decode_declared(b'<?xml version="1.0" encoding="utf-16"?><a>text</a>').endswith("<a>text</a>")


def test_text_over_the_limit_is_refused() -> None:
    """The bound on characters holds for every parser."""
    for kind in ("text/plain", "text/markdown", "text/html"):
        with pytest.raises(DocumentRejected, match="more than 9 characters") as caught:
            registry.parse(Source(b"0123456789", "a", kind, max_characters=9))
        assert caught.value.reason == "too_large"


def test_markdown_becomes_blocks_with_their_heading_paths() -> None:
    """Each kind of block, as a reader sees it."""
    parsed = markdown(
        "# Leave\n\nEverybody has\n**30** days\\.\n\n## Table\n\n| a | b |\n|---|---|\n| 1 | `2` |\n\n"
        "+ one\n+ two\n  1. inner\n\n     more\n\n```python\n  code()\n```\n"
    )
    assert blocks(parsed) == [
        (HEADING, "Leave"),
        (TEXT, "Everybody has\n30 days."),
        (HEADING, "Table"),
        (TABLE, "a | b\n1 | 2"),
        (LIST, "- one\n- two\n  1. inner\n    more"),
        (CODE, "  code()"),
    ]
    assert [block.heading_path for block in parsed.blocks][1:4] == [("Leave",), ("Leave", "Table"), ("Leave", "Table")]
    assert parsed.title == "Leave"


def test_anchors_comments_and_front_matter_are_left_out_but_placeholders_stay() -> None:
    """AWS's guides have an anchor in each heading; <region> in them is content."""
    parsed = markdown(
        "---\ntitle: 'The title'\ntags: [a]\n---\n# Head<a name='head'></a>\n\n<!-- a comment -->\n"
        "Use <region> here<br>now <b>bold</b>.\n\n<a id='x'></a>\n\n<p>In <i>HTML</i></p>\n"
    )
    assert [text for _, text in blocks(parsed)] == ["Head", "Use <region> here\nnow bold.", "In HTML"]
    assert parsed.title == "The title"


def test_a_link_keeps_an_address_that_means_something_elsewhere() -> None:
    """Relative targets mean nothing outside the folder the document came from."""
    parsed = markdown("See [this](https://a.b/c), [that](#d), [it](e.md), <https://f.g> and ![a chart](h.png).")
    assert parsed.text == "See this (https://a.b/c), that, it, https://f.g and a chart."


def test_a_table_says_where_its_header_ends() -> None:
    """Markdown's tables always have one, unless its cells are empty."""
    parsed = markdown("Text.\n\n| a | b |\n| - | - |\n| 1 | 2 |\n")
    block = parsed.blocks[1]
    assert parsed.text[block.start : block.header_end] == "a | b"
    assert markdown("| | |\n| - | - |\n| 1 | 2 |\n").blocks[0].header_end is None


def test_a_table_written_in_html_is_a_table() -> None:
    """Some guides write their larger tables so."""
    parsed = markdown("Text.\n\n<table><tr><td>a<td>b</table>\n")
    assert blocks(parsed) == [(TEXT, "Text."), (TABLE, "a | b")]


@given(st.text(st.sampled_from("#*_`[]()<>!|-+1. \n\ta\\&;:~=é\x00\ud800"), max_size=120))
@example("* a\n\n      b\n\n1. c\n   > d")
@settings(max_examples=300, deadline=None)
def test_any_markdown_gives_ordered_blocks_or_a_refusal(text: str) -> None:
    """No mark-up is too odd, and offsets hold whatever it is."""
    source = Source(text.encode("utf-8", "surrogatepass"), "a.md", "text/markdown")
    try:
        parsed = registry.parse(source)
    except DocumentRejected as rejected:
        reason: str | None = rejected.reason
    else:
        reason = None
        assert_well_formed(parsed)
    assert reason in (None, "empty")


def assert_well_formed(parsed: ParsedDocument) -> None:
    end = 0
    for block in parsed.blocks:
        assert end <= block.start < block.end <= len(parsed.text)
        assert parsed.text[block.start : block.end].strip()
        assert parsed.text[end : block.start].isspace() or block.start == end == 0
        end = block.end
    assert end == len(parsed.text)
    assert parsed.title
