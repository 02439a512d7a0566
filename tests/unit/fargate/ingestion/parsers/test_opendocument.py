"""OpenDocument files: texts, slides and sheets, and no more repetition than there is room for."""

from __future__ import annotations

import tracemalloc

import pytest

from chalicelib.domain.documents import BlockKind, ParsedDocument
from chalicelib.errors import DocumentRejected
from fargate.ingestion.parsers import ooxml, registry
from fargate.ingestion.parsers.opendocument import HIDDEN
from fargate.ingestion.parsers.samples.office import odp, ods, odt, opendocument
from fargate.ingestion.parsers.source import Source

HEADING, TEXT, LIST, TABLE, CODE = BlockKind


def parse(data: bytes, *, max_pages: int = 100, max_characters: int = 1_000_000) -> ParsedDocument:
    kind = registry.sniff(data, "a file.odt", None)
    return registry.parse(Source(data, "a file.odt", kind, max_pages=max_pages, max_characters=max_characters))


def blocks(parsed: ParsedDocument) -> list[tuple[BlockKind, str]]:
    return [(block.kind, parsed.text[block.start : block.end]) for block in parsed.blocks]


def texts(data: bytes) -> list[str]:
    return [text for _, text in blocks(parse(data))]


def rejected(data: bytes) -> str:
    with pytest.raises(DocumentRejected) as caught:
        parse(data, max_pages=2)
    assert caught.value.detail.endswith(".")
    return caught.value.reason


def cell(text: str, attributes: str = "") -> str:
    return f"<s:table-cell {attributes}><t:p>{text}</t:p></s:table-cell>"


def row(*cells: str, attributes: str = "") -> str:
    return f"<s:table-row {attributes}>{''.join(cells)}</s:table-row>"


def sheet(*rows: str, attributes: str = 's:name="Data"') -> str:
    return f"<s:table {attributes}>{''.join(rows)}</s:table>"


def frame(text: str, role: str = "") -> str:
    return f'<d:frame p:class="{role}"><d:text-box><t:p>{text}</t:p></d:text-box></d:frame>'


def test_a_text_in_the_order_of_its_pages() -> None:
    """Headings with their level, lists with their depth, notes behind, headers first and footers last."""
    note = "<t:note><t:note-citation>1</t:note-citation><t:note-body><t:p>A note.</t:p></t:note-body></t:note>"
    inner = "<t:list><t:list-item><t:p>two</t:p></t:list-item></t:list>"
    body = (
        '<t:p t:style-name="P1">The title</t:p><t:h t:outline-level="1">Leave</t:h>'
        f"<t:p>30<t:s t:c='2'/>days<t:line-break/>a year{note}.</t:p>"
        '<t:section><t:h t:outline-level="2">Kinds</t:h></t:section>'
        f"<t:list><t:list-item><t:p>one</t:p>{inner}</t:list-item></t:list>"
        f"<t:p>Look:<d:frame><d:text-box><t:p>in a box</t:p></d:text-box></d:frame></t:p>"
        "<t:table-of-content><t:p>Leave 1</t:p></t:table-of-content>"
        "<t:tracked-changes><t:p>deleted</t:p></t:tracked-changes>"
    )
    edges = "<x:header><t:p>Handbook</t:p></x:header><x:footer><t:p>Page</t:p></x:footer>"
    master = f"<o:master-styles><x:master-page>{edges}</x:master-page></o:master-styles>"
    styles = f'<o:s xmlns:o="o" xmlns:x="x" xmlns:t="t">{master}</o:s>'
    meta = "<o:m xmlns:o='o' xmlns:d='d'><o:meta><d:title>Staff handbook</d:title></o:meta></o:m>"
    style = '<x:style x:name="P1" x:parent-style-name="Title"/>'
    parsed = parse(opendocument("text", body, style, **{"styles.xml": styles, "meta.xml": meta, "Basic/a.xml": "<a/>"}))
    assert blocks(parsed) == [
        (TEXT, "Handbook"),
        (HEADING, "The title"),
        (HEADING, "Leave"),
        (TEXT, "30  days\na year."),
        (HEADING, "Kinds"),
        (LIST, "- one\n  - two"),
        (TEXT, "Look:"),
        (TEXT, "in a box"),
        (TEXT, "A note."),
        (TEXT, "Page"),
    ]
    assert parsed.blocks[5].heading_path == ("The title", "Leave", "Kinds")
    assert (parsed.title, parsed.warnings) == ("Staff handbook", (ooxml.MACROS,))


def test_tables_keep_their_header_and_repeat_what_reaches_down() -> None:
    """And what is said to repeat is repeated."""
    header = f"<s:table-header-rows>{row(cell('Size'), cell('Name'))}</s:table-header-rows>"
    large = row(cell("Large", 's:number-rows-spanned="2"'), cell("a"))
    below = row("<s:covered-table-cell/>", cell("b", 's:number-columns-repeated="2"'))
    parsed = parse(opendocument("text", f"<s:table>{header}{large}{below}</s:table>"))
    assert blocks(parsed) == [(TABLE, "Size | Name\nLarge | a\nLarge | b | b")]
    assert parsed.blocks[0].header_end == len("Size | Name")


def test_slides_are_pages_with_titles_and_notes() -> None:
    """What is on a slide without a title is not under the one before; shapes and groups are read."""
    notes = f"<p:notes><d:page-thumbnail p:class='page'/>{frame('Smile.', 'notes')}</p:notes>"
    first = frame("Plan", "title") + frame("Do it.", "outline") + notes
    second = "<d:g><d:custom-shape><t:p>in a shape</t:p></d:custom-shape></d:g>" + frame("3", "page-number")
    parsed = parse(opendocument("presentation", f"<d:page>{first}</d:page><d:page>{second}</d:page><d:page/>"))
    assert [(block.page, parsed.text[block.start : block.end]) for block in parsed.blocks] == [
        (1, "Plan"),
        (1, "Do it."),
        (1, "Notes: Smile."),
        (2, "Slide 2"),
        (2, "in a shape"),
    ]
    assert parsed.pages == 3


def test_charts_give_their_title_and_values() -> None:
    """They are kept as documents inside of the document."""
    table = sheet(row(cell(""), cell("Sales")), row(cell("May"), cell("5")))
    inside = f"<c:title><t:p>Growth</t:p></c:title>{table}"
    chart = f"<c:d xmlns:c='c' xmlns:s='s' xmlns:t='t'><c:chart><c:chart>{inside}</c:chart></c:chart></c:d>"
    shape = '<d:frame><d:object x:href="./Object 1"/></d:frame>'
    slide = opendocument("presentation", f"<d:page>{shape}</d:page>", **{"Object 1/content.xml": chart})
    assert texts(slide) == ["Slide 1", "Growth", "| Sales\nMay | 5"]


def test_sheets_hold_numbers_dates_and_words() -> None:
    """Whatever language they are shown in."""
    values = (
        cell("1.234,50", 'o:value-type="float" o:value="1234.50"'),
        cell("12,5 %", 'o:value-type="percentage" o:value="0.125"'),
        cell("5,00 €", 'o:value-type="currency" o:value="5" o:currency="EUR"'),
        cell("1.2.24", 'o:value-type="date" o:date-value="2024-02-01"'),
        cell("WAHR", 'o:value-type="boolean" o:boolean-value="true"'),
    )
    names = [cell(name, 'o:value-type="string"') for name in "abcde"]
    parsed = parse(opendocument("spreadsheet", sheet(row(*names), row(*values))))
    assert blocks(parsed) == [
        (HEADING, "Data"),
        (TABLE, "a | b | c | d | e\n1234.5 | 12.5% | 5 EUR | 2024-02-01 | TRUE"),
    ]
    assert parsed.blocks[1].header_end is not None


def test_hidden_sheets_are_left_out_and_said_to_be() -> None:
    """Who opens the file does not see them."""
    style = '<x:style x:name="ta1"><s:table-properties s:display="false"/></x:style>'
    hidden = sheet(row(cell("unseen")), attributes='s:name="Lookup" s:style-name="ta1"')
    parsed = parse(opendocument("spreadsheet", hidden + sheet(row(cell("seen"))), style))
    assert (parsed.text, parsed.warnings) == ("Data\n\nseen", (HIDDEN,))


def test_empty_cells_take_no_room_however_often_they_are_repeated() -> None:
    """LibreOffice fills a sheet to its last row and column in this way; boxes over it are read."""
    blank = row('<s:table-cell s:number-columns-repeated="16384"/>', attributes='s:number-rows-repeated="1048574"')
    box = f"<s:shapes>{frame('Mind the gap.')}</s:shapes>"
    data = opendocument("spreadsheet", sheet(box, row(cell("a")), blank, row(cell("b"))))
    tracemalloc.start()
    try:
        assert texts(data) == ["Data", "a", "b", "Mind the gap."]
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_filled_cells_repeated_without_end_are_too_large() -> None:
    """A few bytes may stand for any amount of text."""
    wide = cell("abc", 's:number-columns-repeated="16384"')
    assert (
        rejected(opendocument("spreadsheet", sheet(row(wide, attributes='s:number-rows-repeated="99999"'))))
        == "too_large"
    )
    rows = row(wide, attributes='s:number-rows-repeated="99999"') * 3
    assert rejected(opendocument("text", f"<s:table>{rows}</s:table>")) == "too_large"


def test_files_that_cannot_be_read_are_refused() -> None:
    """Each with its own reason."""
    manifest = "<m:manifest xmlns:m='m'><m:file-entry><m:encryption-data/></m:file-entry></m:manifest>"
    assert rejected(opendocument("text", "<t:p>a</t:p>", **{"META-INF/manifest.xml": manifest})) == "encrypted"
    assert rejected(odt()[:-40]) == "unreadable"
    assert rejected(opendocument("text", "<t:p>")) == "unreadable"
    assert rejected(opendocument("spreadsheet", "<t:p>")) == "unreadable"
    assert rejected(opendocument("text", "<t:p/>")) == "empty"
    assert rejected(opendocument("presentation", "<d:page/>" * 3)) == "too_many_pages"
    assert rejected(b"This is not a zip file!!") == "unreadable"


def test_the_smallest_files_are_read() -> None:
    """As the sandbox tries them before it meets others."""
    assert [parse(data).text for data in (odt(), odp(), ods())] == ["a\n\nb\n\n- c\n\nd", "a", "Data\n\n1.5"]
