"""Workbooks: every filled cell once, as its owner reads it, and no room made for cells that are not there."""

from __future__ import annotations

import io
import struct
import tracemalloc
from datetime import date, datetime, time, timedelta

import openpyxl
import pytest

from chalicelib.domain.documents import BlockKind, ParsedDocument
from chalicelib.errors import DocumentRejected
from fargate.ingestion.parsers import number_formats, ooxml, registry
from fargate.ingestion.parsers.compound import Compound
from fargate.ingestion.parsers.number_formats import NumberFormat
from fargate.ingestion.parsers.samples import office as office_samples
from fargate.ingestion.parsers.samples.compound import compound
from fargate.ingestion.parsers.source import Source
from fargate.ingestion.parsers.spreadsheets import HIDDEN, XLS, XLSX

HEADING, TEXT, LIST, TABLE, CODE = BlockKind


def parse(data: bytes, media_type: str = XLSX, *, max_characters: int = 20_000_000) -> ParsedDocument:
    return registry.parse(Source(data, "figures.xlsx", media_type, max_characters=max_characters))


def saved(book: openpyxl.Workbook) -> bytes:
    packed = io.BytesIO()
    book.save(packed)
    return packed.getvalue()


def made(*rows: tuple[object, ...], merged: str | None = None) -> bytes:
    """Make a workbook of one sheet, named Data."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Data"
    for row in rows:
        sheet.append(row)
    if merged:
        sheet.merge_cells(merged)
    return saved(book)


def blocks(parsed: ParsedDocument) -> list[tuple[BlockKind, str]]:
    return [(block.kind, parsed.text[block.start : block.end]) for block in parsed.blocks]


def headers(parsed: ParsedDocument) -> list[str | None]:
    """Give the header rows of each table."""
    return [
        None if block.header_end is None else parsed.text[block.start : block.header_end]
        for block in parsed.blocks
        if block.kind is TABLE
    ]


def rejected(data: bytes, media_type: str = XLSX) -> str:
    with pytest.raises(DocumentRejected) as caught:
        parse(data, media_type)
    assert caught.value.detail.endswith(".")
    return caught.value.reason


def test_each_sheet_is_a_section_with_its_tables() -> None:
    """The name of a sheet is its heading, blank rows part tables, and the first row of each is its header."""
    book = openpyxl.Workbook()
    costs = book.active
    costs.title = "Costs"
    for row in (("Costs by team",), ("Team", "Cost"), ("Search", 12), (), (), (), ("City", "Size"), ("Köln", 1.5)):
        costs.append(row)
    book.create_sheet("Blank")
    book.create_sheet("Notes")["B2"] = "A single remark"
    parsed = parse(saved(book))
    assert blocks(parsed) == [
        (HEADING, "Costs"),
        (TEXT, "Costs by team"),
        (TABLE, "Team | Cost\nSearch | 12"),
        (TABLE, "City | Size\nKöln | 1.5"),
        (HEADING, "Notes"),
        (TEXT, "A single remark"),
    ]
    assert headers(parsed) == ["Team | Cost", "City | Size"]
    assert parsed.blocks[3].heading_path == ("Costs",)
    assert parsed.title == "figures"


def test_numbers_dates_and_truths_read_as_on_the_sheet() -> None:
    """Whole numbers without a point, no noise of floating point, dates as ISO 8601 has them."""
    values = (
        (3.0, "3"),
        (0.1 + 0.2, "0.3"),
        (-1234567.25, "-1234567.25"),
        (1e-7, "0.0000001"),
        (True, "TRUE"),
        (datetime(2024, 2, 29, 13, 5), "2024-02-29 13:05"),  # noqa: DTZ001 - sheets have no time zones
        (date(2024, 2, 29), "2024-02-29"),
        (time(13, 5, 9), "13:05:09"),
        (timedelta(hours=30, minutes=2), "30:02:00"),
        ("line\nbreak", "line break"),
    )
    parsed = parse(made(("Value", "Number"), *((value, place) for place, (value, _) in enumerate(values))))
    lines = parsed.text.splitlines()[3:]
    assert lines == [f"{text} | {place}" for place, (_, text) in enumerate(values)]


def test_shares_and_dates_since_1904_are_told_by_their_format() -> None:
    """The number alone says neither."""
    book = openpyxl.Workbook()
    book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    sheet = book.active
    sheet["A1"], sheet["B1"] = 0.285, date(2024, 2, 29)
    sheet["A1"].number_format = '[Red]0.0" of d"%;-0%'
    assert parse(saved(book)).text == "Sheet\n\n28.5% | 2024-02-29"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("General", NumberFormat.PLAIN),
        ('#,##0.00 "days"', NumberFormat.PLAIN),
        ("0.00E+00", NumberFormat.PLAIN),
        ("[$-407]d. mmmm yyyy", NumberFormat.DATE),
        ("mmm yy", NumberFormat.DATE),
        ("h:mm AM/PM", NumberFormat.TIME),
        ("yyyy-mm-dd hh:mm", NumberFormat.DATE_TIME),
        ("[h]:mm", NumberFormat.DURATION),
        ("0 %", NumberFormat.PERCENT),
    ],
)
def test_a_format_says_what_its_numbers_stand_for(code: str, kind: NumberFormat) -> None:
    """What it puts in quotes or brackets does not count."""
    assert number_formats.kind_of(code) is kind


def test_the_days_before_march_1900_are_right_too() -> None:
    """Serial numbers count a 29 February 1900 that there never was."""
    written = [number_formats.written(day, NumberFormat.DATE) for day in (1, 59, 61)]
    assert written == ["1900-01-01", "1900-02-28", "1900-03-01"]


def test_a_cell_merged_downwards_is_said_in_every_row() -> None:
    """And a row of merged cells above the header names groups of columns: both rows are the header."""
    parsed = parse(made(("Region", "Shop"), ("North", "a"), (None, "b"), merged="A2:A3"))
    assert blocks(parsed)[1] == (TABLE, "Region | Shop\nNorth | a\nNorth | b")
    names = ("Shop", "Q1", "Q2", "Q1", "Q2")
    grouped = parse(made((None, "2023", None, "2024"), names, ("a", 1, 2, 3, 4), merged="B1:C1"))
    assert headers(grouped) == ["| 2023 |  | 2024\nShop | Q1 | Q2 | Q1 | Q2"]


def test_years_may_name_columns() -> None:
    """A row of words and years above numbers is a header; a row of data is not."""
    assert headers(parse(made(("Sales", 2023, 2024), ("North", 5, 7)))) == ["Sales | 2023 | 2024"]
    assert headers(parse(made(("North", 5, 7), ("South", 3, 4)))) == [None]
    assert headers(parse(made(("Born", 1961), ("Died", 2024)))) == [None]


def test_spacer_rows_do_not_tear_a_table_from_its_header() -> None:
    """What follows a single blank row without a header of its own goes on under the one above."""
    parsed = parse(made(("Item", "Cost"), ("Rent", 5), (), ("Heat", 2)))
    assert blocks(parsed)[1:] == [(TABLE, "Item | Cost\nRent | 5\nHeat | 2")]


def test_tables_side_by_side_are_two_tables() -> None:
    """A blank column stands between them, and each has a header; labels apart from their values are one table."""
    beside = parse(made(("a", "b", None, "c", "d"), (1, 2, None, 3, 4)))
    assert blocks(beside)[1:] == [(TABLE, "a | b\n1 | 2"), (TABLE, "c | d\n3 | 4")]
    apart = parse(made(("Rent", None, 5), ("Heat", None, 2)))
    assert blocks(apart)[1:] == [(TABLE, "Rent | 5\nHeat | 2")]


def test_a_wide_table_with_few_cells_names_the_column_of_each() -> None:
    """A row of a thousand empty cells tells nobody anything."""
    names = [f"Skill {number}" for number in range(60)]
    rows = [("Person", *names)] + [(f"P{row}", *[None] * (row * 2), "yes") for row in range(10)]
    lines = parse(made(*rows)).text.splitlines()[2:]
    assert lines[3] == "Person: P3 | Skill 6: yes"
    assert len(lines) == 10


def test_hidden_sheets_are_left_out_and_said_to_be() -> None:
    """Who opens the file does not see them; a workbook with nothing else is refused with the remedy."""
    book = openpyxl.Workbook()
    book.active["A1"] = "seen"
    hidden = book.create_sheet("Lookup")
    hidden["A1"] = "unseen"
    hidden.sheet_state = "veryHidden"
    parsed = parse(saved(book))
    assert (parsed.text, parsed.warnings) == ("Sheet\n\nseen", (HIDDEN,))
    book.active["A1"] = None
    with pytest.raises(DocumentRejected, match="Show the hidden ones") as caught:
        parse(saved(book))
    assert caught.value.reason == "empty"


def test_cells_in_opposite_corners_take_no_room_between_them() -> None:
    """As large as a sheet can be, with two cells in it."""
    cells = '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>2</v></c></row>'
    data = office_samples.workbook(cells)
    tracemalloc.start()
    try:
        assert parse(data).text == "Data\n\n1\n\n2"
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "cells",
    [
        "".join(f'<row r="{row}"><c t="s"><v>0</v></c></row>' for row in range(1, 100)),
        '<row r="1">' + '<c t="inlineStr"><is><t>abcd</t></is></c>' * 100 + "</row>",
    ],
)
def test_more_text_than_is_taken_is_too_large(cells: str) -> None:
    """However short the file says it: a text may be referred to from any number of cells."""
    with pytest.raises(DocumentRejected) as caught:
        parse(office_samples.workbook(cells), max_characters=200)
    assert caught.value.reason == "too_large"


def test_rows_in_any_order_and_cells_without_places_are_read() -> None:
    """Other programs than Excel write them so; reading aids and escapes are no text."""
    cells = (
        '<row r="3"><c r="B3"><v>4</v></c><c r="A3"><v>3</v></c></row><row r="2"><c t="str"><v>x_x000D_y</v></c></row>'
    )
    assert parse(office_samples.workbook(cells)).text == "Data\n\nx y\n\n3 | 4"
    assert "b" in parse(office_samples.xlsx()).text
    assert "c" not in parse(office_samples.xlsx()).text


def test_boxes_and_chart_titles_over_the_cells_are_read() -> None:
    """They are part of what the sheet says; the numbers of a chart stand in its cells."""
    box = f"<wsDr xmlns='x' xmlns:a='a'>{office_samples.shape('Mind the gap.')}</wsDr>"
    title = "<title><tx><rich><a:p><a:r><a:t>Growth</a:t></a:r></a:p></rich></tx></title>"
    chart = f"<c xmlns='c' xmlns:a='a'><chart>{title}</chart></c>"
    parsed = parse(
        office_samples.workbook(
            "",
            **{
                "xl/_rels/sheet.xml.rels": office_samples.relations(d=("drawing", "drawing.xml")),
                "xl/drawing.xml": box,
                "xl/_rels/drawing.xml.rels": office_samples.relations(c=("chart", "chart.xml")),
                "xl/chart.xml": chart,
            },
        )
    )
    assert [text for _, text in blocks(parsed)] == ["Data", "Mind the gap.", "Growth"]


def test_macros_and_links_are_left_alone_and_said_to_be() -> None:
    """Nothing is run and nothing is fetched."""
    link = office_samples.relations(x=("externalLinkPath", "https://a.example/b.xlsx")).replace(
        "/></", ' TargetMode="External"/></'
    )
    parsed = parse(
        office_samples.workbook(
            "<row><c><v>1</v></c></row>",
            **{"xl/vbaProject.bin": "macro", "xl/externalLinks/_rels/externalLink1.xml.rels": link},
        )
    )
    assert set(parsed.warnings) == {ooxml.MACROS, ooxml.LINKS}


def test_a_sheet_on_another_computer_is_suspicious() -> None:
    """Excel never keeps one there; whoever wrote this wants it fetched."""
    remote = office_samples.relations(a=("worksheet", "https://evil.example/s.xml")).replace(
        "/></", ' TargetMode="External"/></'
    )
    data = office_samples.workbook("", **{"xl/_rels/workbook.xml.rels": remote})
    assert rejected(data) == "suspicious_archive"


def test_old_workbooks_are_read() -> None:
    """As the binary format of 1997 has them."""
    assert parse(office_samples.xls(), XLS).text == "Figures\n\nName\n7"


def test_damaged_workbooks_are_unreadable() -> None:
    """Cut short, or without the parts they need."""
    whole = office_samples.xlsx()
    assert rejected(whole[: len(whole) // 2]) == "unreadable"
    assert rejected(office_samples.package("xl/none.xml", {})) == "unreadable"
    assert rejected(office_samples.workbook("<row><c>")) == "unreadable"
    assert rejected(office_samples.xls()[:1500], XLS) == "unreadable"
    assert rejected(office_samples.workbook("")) == "empty"


def test_a_binary_sheet_that_sprawls_is_too_large() -> None:
    """Its reader would make room for all the cells between the first and the last."""
    rows = [
        b"\x00\x04" + row.to_bytes(4, "little") + b"\x02\x04" + column.to_bytes(4, "little")
        for row, column in ((0, 0), (1_000_000, 16_000))
    ]
    data = office_samples.packed({"xl/workbook.bin": b"", "xl/worksheets/sheet1.bin": b"".join(rows)})
    assert rejected(data) == "too_large"
    corners = [struct.pack("<5Hd", 0x203, 14, row, column, 0, 1.0) for row, column in ((0, 0), (65_535, 255))]
    one_sheet = b"".join(corners) + struct.pack("<2H", 0x809, 0)
    assert rejected(compound({"Workbook": one_sheet * 2}), XLS) == "too_large"


@pytest.mark.parametrize(
    ("count", "title"), [(1, "Prices"), (2**32 - 1, "figures"), (0, "figures")], ids=["whole", "boasting", "none"]
)
def test_an_old_workbook_bears_the_title_of_its_properties(count: int, title: str) -> None:
    """Unless they claim to be more than there is."""
    value = struct.pack("<2I", 0x1E, 7) + b"Prices\x00"
    entries = struct.pack("<4I", 0, count, 2, 16) if count < 9 else struct.pack("<4I", 0, count, 3, 16)
    properties = bytes(44) + struct.pack("<I", 48) + entries + value
    workbook = Compound(office_samples.xls(), "a.xls").read("Workbook")
    made = compound({"\x05SummaryInformation": properties, "Workbook": workbook})
    assert parse(made, XLS).title == title
