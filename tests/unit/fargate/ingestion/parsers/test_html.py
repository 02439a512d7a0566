"""HTML: what a reader came for, without what surrounds it."""

from __future__ import annotations

import contextlib

import pytest

from chalicelib.domain.documents import BlockKind, ParsedDocument
from chalicelib.errors import DocumentRejected
from fargate.ingestion.parsers import registry
from fargate.ingestion.parsers.source import Source

HEADING, TEXT, LIST, TABLE, CODE = BlockKind


def html(markup: str | bytes) -> ParsedDocument:
    data = markup if isinstance(markup, bytes) else markup.encode()
    return registry.parse(Source(data, "a page.html", "text/html"))


def blocks(parsed: ParsedDocument) -> list[tuple[BlockKind, str]]:
    return [(block.kind, parsed.text[block.start : block.end]) for block in parsed.blocks]


def test_a_page_becomes_blocks_with_their_heading_paths() -> None:
    """Running text outside of any element counts too."""
    parsed = html(
        "<title> The\n title </title><body><h1>Leave</h1>Before<p>One <b>two</b>\n three<br>four &amp; five</p>"
        "<h2>More</h2><pre>  code\n    here</pre><blockquote>said</blockquote>after"
    )
    assert blocks(parsed) == [
        (HEADING, "Leave"),
        (TEXT, "Before"),
        (TEXT, "One two three\nfour & five"),
        (HEADING, "More"),
        (CODE, "  code\n    here"),
        (TEXT, "said"),
        (TEXT, "after"),
    ]
    assert parsed.blocks[-1].heading_path == ("Leave", "More")
    assert parsed.title == "The title"


def test_navigation_scripts_and_hidden_parts_are_left_out() -> None:
    """Nothing that a reader does not see, or sees on every page, is indexed."""
    parsed = html(
        "<body><nav>menu</nav><header>banner</header><div role=navigation>more menu</div><script>f()</script>"
        "<style>p{}</style><template>t</template><noscript>n</noscript><p hidden>h</p><p aria-hidden=true>a</p>"
        "<p style='color:red; DISPLAY : none'>d</p><p>The text.<!-- c --></p><aside>ads</aside><footer>(c)</footer>"
    )
    assert parsed.text == "The text."


def test_the_main_element_is_taken_where_it_holds_the_text() -> None:
    """An empty main element, as frameworks leave them, is not believed."""
    assert html("<body><div>teaser</div><main><p>The long text of it.</p></main>").text == "The long text of it."
    assert html("<body><main></main><p>The text stands here.</p>").text == "The text stands here."


def test_a_header_that_bears_the_title_is_kept() -> None:
    """Blogs put the headline there."""
    assert blocks(html("<body><header><h1>Head</h1></header><p>x"))[0] == (HEADING, "Head")


def test_tables_are_rows_and_spanned_cells_are_said_again() -> None:
    """Each row can be understood by itself."""
    parsed = html(
        "<table><caption>Prices</caption><tr><th>Size<th>Kind<th>Price<tr><td rowspan=2>Large<td>a<td>1"
        "<tr><td>b<td><ul><li>2<li>3</ul></table>"
    )
    assert blocks(parsed) == [(TABLE, "Prices\nSize | Kind | Price\nLarge | a | 1\nLarge | b | 2 3")]


@pytest.mark.parametrize(
    ("markup", "header"),
    [
        ("<tr><th>a<th>b<tr><td>1<td>2", "a | b"),
        ("<caption>C</caption><thead><tr><td>a<td>b<tr><td>c<td>d</thead><tr><td>1<td>2", "C\na | b\nc | d"),
        ("<tr><th>a<td>1<tr><th>b<td>2", None),
        ("<tr><td>a<td>b<tr><th>c<th>d", None),
    ],
)
def test_a_table_says_which_of_its_rows_are_its_header(markup: str, header: str | None) -> None:
    """The first rows that the page calls so, below a caption; a heading at a row's side is none."""
    parsed = html(f"<p>x</p><table>{markup}</table>")
    block = parsed.blocks[1]
    assert (parsed.text[block.start : block.header_end] if block.header_end else None) == header


def test_a_table_that_lays_out_a_page_is_read_through() -> None:
    """A table with headings or tables in it holds no rows of data."""
    parsed = html("<table><tr><td><h2>Head</h2><p>text</p><td><table><tr><td>a<td>b</table></table>")
    assert blocks(parsed) == [(HEADING, "Head"), (TEXT, "text"), (TABLE, "a | b")]


def test_lists_keep_their_markers_and_depth() -> None:
    """Also the invalid nesting that editors write."""
    parsed = html("<ol><li>one<ul><li>in<p>more</ul><li>two</ol><ul><li>a<ul><li>b</ul></ul><dl><dt>t<dd>d</dl>")
    assert [text for _, text in blocks(parsed)] == [
        "1. one\n  - in\n    more\n2. two",
        "- a\n  - b",
        "t\n  d",
    ]


@pytest.mark.parametrize(
    "markup",
    [
        b'<meta charset="windows-1252"><p>Gr\xfc\xdfe, 3 \x80',
        '<meta http-equiv="Content-Type" content="text/html; charset=ISO-8859-1"><p>Gr\xfc\xdfe, 3 \x80'.encode(
            "latin-1"
        ),
        "<p>Grüße, 3 €".encode("utf-16"),
        '<meta charset="no-such-code"><p>Grüße, 3 €'.encode(),
        '<?xml version="1.0" encoding="UTF-8"?><html><p>Grüße, 3 €</p></html>'.encode(),
    ],
)
def test_the_encoding_a_page_declares_is_used_where_it_can_be(markup: bytes) -> None:
    """As browsers do: ISO 8859-1 means Windows-1252, and a label nobody knows means nothing."""
    assert html(markup).text == "Grüße, 3 €"


@pytest.mark.parametrize("markup", ["<!-- only a comment -->", "<script>x</script>", "<body></body>"])
def test_a_page_without_text_is_empty(markup: str) -> None:
    """There is nothing to answer from."""
    with pytest.raises(DocumentRejected) as caught:
        html(markup)
    assert caught.value.reason == "empty"


def test_deep_nesting_is_read_or_refused_but_never_crashes() -> None:
    """The sandbox turns a stack that ran out into a refusal."""
    with contextlib.suppress(DocumentRejected, RecursionError):
        assert "x" in html("<div>" * 100_000 + "x").text
