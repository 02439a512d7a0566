"""CSV and its kin: the delimiter, the quotes and the header are found whatever program wrote them."""

from __future__ import annotations

import pytest

from chalicelib.domain.documents import BlockKind, ParsedDocument
from chalicelib.errors import DocumentRejected
from fargate.ingestion.parsers import delimited, registry
from fargate.ingestion.parsers.source import Source


def read(text: str | bytes, language: str = "en") -> ParsedDocument:
    data = text if isinstance(text, bytes) else text.encode()
    return registry.parse(Source(data, "figures.csv", "text/csv", language))


def header(parsed: ParsedDocument) -> str:
    (block,) = parsed.blocks
    assert block.kind is BlockKind.TABLE
    return "" if block.header_end is None else parsed.text[block.start : block.header_end]


@pytest.mark.parametrize(
    "text",
    [
        "Name,Price\nSalt,2\nBread,3\n",
        "Name\tPrice\r\nSalt\t2\r\nBread\t3",
        "Name;Price\nSalt;2\nBread;3\n",
        "Name|Price\nSalt|2\nBread|3\n",
        "sep=;\nName;Price\nSalt;2\nBread;3\n",
        '"Name","Price"\n"Salt","2"\n\n"Bread","3"\n',
    ],
)
def test_each_row_is_a_line_whatever_parts_its_cells(text: str) -> None:
    """The sign that parts the rows most evenly is the delimiter."""
    parsed = read(text)
    assert parsed.text == "Name | Price\nSalt | 2\nBread | 3"
    assert header(parsed) == "Name | Price"
    assert parsed.title == "figures"


def test_decimal_commas_do_not_part_cells() -> None:
    """Where two signs part rows evenly, the one that is rarer within cells is believed."""
    assert read("1,5;2,5\n3,5;4,5\n").text == "1,5 | 2,5\n3,5 | 4,5"


def test_quotes_keep_delimiters_and_line_ends_in_a_cell() -> None:
    """A quote inside a cell is doubled; one that stands for inches is none."""
    assert read('a,b\n"x, ""y""\nz",2\n5" pipe,3\n').text == 'a | b\nx, "y" z | 2\n5" pipe | 3'


def test_a_quote_that_is_never_closed_does_not_swallow_the_rest() -> None:
    """Otherwise all the rows below would be one cell."""
    assert read('a,b\n"x,2\nc,d\n').text == 'a | b\n"x | 2\nc | d'


def test_ragged_rows_keep_every_cell() -> None:
    """Rows may be longer or shorter than the header."""
    assert read("a,b\n1,2,3\n4\n").text == "a | b\n1 | 2 | 3\n4"


@pytest.mark.parametrize(
    ("rows", "count"),
    [
        ([["Name", "Price"], ["Salt", "2"]], 1),
        ([["Country", "2023", "2024"], ["Chad", "1", "2"]], 1),
        ([["Our prices", ""], ["Name", "Price"], ["Salt", "2"], ["Bread", "3"]], 2),
        ([["Name", "City"], ["Ann", "Rome"]], 1),
        ([["Salt", "2"], ["Bread", "3"]], 0),
        ([["2024-01-01", "x"], ["2024-01-02", "y"]], 0),
        ([["A", "A"], ["B", "C"]], 0),
        ([["only", "one row"]], 0),
        ([["a sentence"], ["another"]], 0),
        ([["Count"], ["3"]], 1),
        ([], 0),
    ],
)
def test_headers_are_told_from_data(rows: list[list[str]], count: int) -> None:
    """Names are distinct and no numbers; a title above them belongs to the header."""
    assert delimited.header_rows(rows) == count


@pytest.mark.parametrize(("encoding", "language"), [("utf-16", "en"), ("utf-8-sig", "en"), ("cp932", "ja")])
def test_tables_in_other_encodings_are_read(encoding: str, language: str) -> None:
    """Spreadsheet programs write what their country wrote."""
    text = "名前,年齢,住所\n佐藤太郎,30,東京\n三木英子,25,大阪\n"
    assert "佐藤太郎 | 30 | 東京" in read(text.encode(encoding), language).text


def test_a_long_cell_is_no_error() -> None:
    """The library's own limit is 128 KiB."""
    assert len(read("a,b\n" + "x" * 200_000 + ",1\n").text) > 200_000


@pytest.mark.parametrize(("text", "limit", "reason"), [(",,\n , ,\n", 99, "empty"), ("a,b\n" * 99, 99, "too_large")])
def test_what_cannot_be_used_has_a_reason(text: str, limit: int, reason: str) -> None:
    """A table of nothing is no success, and one too long is not cut short in silence."""
    with pytest.raises(DocumentRejected) as caught:
        registry.parse(Source(text.encode(), "a.csv", "text/csv", max_characters=limit))
    assert caught.value.reason == reason
