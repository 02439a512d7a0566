"""XML of any vocabulary becomes text with the names beside it, and nothing in it is expanded or fetched."""

from __future__ import annotations

import pytest

from chalicelib.domain.documents import BlockKind, ParsedDocument
from chalicelib.errors import DocumentRejected
from fargate.ingestion.parsers import registry
from fargate.ingestion.parsers.source import Source

HEADING, TEXT, LIST, TABLE, CODE = BlockKind


def read(markup: str | bytes) -> ParsedDocument:
    data = markup if isinstance(markup, bytes) else markup.encode()
    return registry.parse(Source(data, "the data.xml", "application/xml"))


def blocks(parsed: ParsedDocument) -> list[tuple[BlockKind, str]]:
    return [(block.kind, parsed.text[block.start : block.end]) for block in parsed.blocks]


def test_sections_are_opened_by_their_titles_and_paragraphs_are_text() -> None:
    """As in DocBook and its kin."""
    parsed = read(
        "<article><title>Guide</title><sec><title>Start</title><p>One <b>two</b>\n three.</p><p>Four.</p></sec>"
        "<sec id='x'><title>End</title><year>2024</year></sec></article>"
    )
    assert blocks(parsed) == [
        (HEADING, "Guide"),
        (HEADING, "Start"),
        (TEXT, "One two three."),
        (TEXT, "Four."),
        (HEADING, "End"),
        (LIST, "sec: id=x\nyear: 2024"),
    ]
    assert parsed.blocks[-1].heading_path == ("Guide", "End")
    assert parsed.title == "Guide"


def test_names_and_attributes_stand_beside_values() -> None:
    """Namespaces and what belongs to XML itself are left out."""
    parsed = read(
        '<s:shop xmlns:s="urn:s" xml:lang="en"><s:price currency="EUR">5</s:price><open from="8" to="18"/></s:shop>'
    )
    assert parsed.text == "price (currency=EUR): 5\nopen: from=8, to=18"


def test_records_of_one_shape_are_a_table() -> None:
    """Attributes and elements are columns alike."""
    parsed = read("<goods><row id='1'><n>Salt</n><p>2</p></row><row id='2'><n>Bread</n></row></goods>")
    assert blocks(parsed) == [(TABLE, "goods\nid | n | p\n1 | Salt | 2\n2 | Bread |")]
    assert parsed.blocks[0].header_end == len("goods\nid | n | p")


def test_html_inside_an_element_is_read_as_such() -> None:
    """Feeds carry their articles so."""
    parsed = read("<item><title>News</title><body><![CDATA[<p>One</p><p>two &amp; three</p>]]></body></item>")
    assert blocks(parsed) == [(HEADING, "News"), (TEXT, "body: One\ntwo & three")]


@pytest.mark.parametrize("encoding", ["shift_jis", "euc-jp", "utf-16", "utf-8"])
def test_the_encoding_it_declares_is_used(encoding: str) -> None:
    """The XML library itself would need tables that a sealed process cannot load."""
    markup = f'<?xml version="1.0" encoding="{encoding}"?><a><b>クリックするとでっかくなります</b></a>'
    assert "クリックするとでっかくなります" in read(markup.encode(encoding)).text


def test_entities_are_not_expanded() -> None:
    """Neither those of the file nor those it wants fetched."""
    declared = '<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">'
    assert read(f"<!DOCTYPE d [{declared}]><d>x &b; y &c; z</d>").text == "x &b; y &c; z"


def test_a_bomb_of_entities_comes_to_nothing() -> None:
    """Also where an attribute sets it off."""
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "x" * 10}">' for n in range(9))
    with pytest.raises(DocumentRejected) as caught:
        read(f"<!DOCTYPE d [{entities}]><d><e f='&e8;'>x</e></d>")
    assert caught.value.reason == "unreadable"


def test_damaged_xml_is_read_as_far_as_it_can_be() -> None:
    """A bare ampersand is the commonest fault of all."""
    parsed = read("<a><b>Salt & bread</b><c>milk</c>")
    assert "bread" in parsed.text
    assert "c: milk" in parsed.text
    assert parsed.warnings == ("damaged_xml_repaired",)


def test_what_is_no_xml_at_all_is_text() -> None:
    """And a warning says so."""
    parsed = read("Hello there.")
    assert parsed.text == "Hello there."
    assert parsed.warnings == ("not_valid_xml",)


def test_a_page_of_the_web_is_read_as_one() -> None:
    """XHTML is XML by name."""
    page = '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title>t</title></head>'
    parsed = read(f"{page}<body><nav>menu</nav><h1>Head</h1><p>Text&nbsp;here.</p></body></html>")
    assert blocks(parsed) == [(HEADING, "Head"), (TEXT, "Text here.")]
    assert parsed.title == "t"


@pytest.mark.parametrize(
    ("markup", "reason"),
    [("<a><b/><c> </c></a>", "empty"), ("<a>" * 5_000 + "x" + "</a>" * 5_000, "unreadable")],
)
def test_what_cannot_be_used_has_a_reason(markup: str, reason: str) -> None:
    """Tags alone are no content, and no real document is nested like this."""
    with pytest.raises(DocumentRejected) as caught:
        read(markup)
    assert caught.value.reason == reason


def test_elements_nested_deeply_are_read_as_one_text() -> None:
    """Within what the XML library takes."""
    assert "x" in read("<a>" * 200 + "<b>x</b>" + "</a>" * 200).text
