"""JSON: every value stands beside its path, and objects of one shape are rows."""

from __future__ import annotations

import json

import pytest

from chalicelib.domain.documents import BlockKind, ParsedDocument
from chalicelib.errors import DocumentRejected
from fargate.ingestion.parsers import registry
from fargate.ingestion.parsers.source import Source

HEADING, TEXT, LIST, TABLE, CODE = BlockKind


def read(text: str, kind: str = "application/json") -> ParsedDocument:
    return registry.parse(Source(text.encode(), "the data.json", kind))


def blocks(parsed: ParsedDocument) -> list[tuple[BlockKind, str]]:
    return [(block.kind, parsed.text[block.start : block.end]) for block in parsed.blocks]


def test_values_stand_beside_their_paths() -> None:
    """What stands at the top comes first; each object and list has a section of its own."""
    parsed = read('{"server": {"port": 80, "tls": {"on": true, "key": null}}, "name": "shop", "tags": ["a", "b"]}')
    assert blocks(parsed) == [
        (LIST, "name: shop\ntags: a, b"),
        (HEADING, "server"),
        (LIST, "port: 80\ntls.on: true\ntls.key: null"),
    ]
    assert parsed.title == "shop"
    assert parsed.blocks[-1].heading_path == ("server",)


def test_objects_of_one_shape_are_rows_of_a_table() -> None:
    """Objects within them are columns; keys that some lack are empty cells."""
    parsed = read('[{"id": 1, "at": {"x": 2}, "tags": ["p", "q"]}, {"id": 3, "at": {"x": 4}}]')
    assert blocks(parsed) == [(TABLE, "id | at.x | tags\n1 | 2 | p, q\n3 | 4 |")]
    assert parsed.text[: parsed.blocks[0].header_end] == "id | at.x | tags"


def test_a_table_inside_an_object_bears_its_path() -> None:
    """The path belongs to the header, so that each piece of the table knows it."""
    parsed = read('{"shop": {"goods": [{"n": "Salt"}, {"n": "Bread"}]}}')
    assert blocks(parsed)[1:] == [(TABLE, "goods\nn\nSalt\nBread")]
    assert parsed.blocks[1].header_end == parsed.text.index("\nSalt")


def test_records_with_prose_are_sections_under_their_titles() -> None:
    """A table of long texts would be no table to its readers."""
    prose = "Words of some length. " * 30
    parsed = read(json.dumps([{"title": "One", "text": prose}, {"id": "two", "text": prose}, {"text": prose}]))
    assert [block.heading_path for block in parsed.blocks if block.kind is TEXT] == [("One",), ("two",), ("#3",)]


def test_objects_of_different_shapes_are_no_table() -> None:
    """Rows would be mostly empty."""
    parsed = read('[{"a": 1}, {"b": 2}, {"c": [{"d": [3]}]}]')
    assert TABLE not in [block.kind for block in parsed.blocks]
    assert blocks(parsed)[-1] == (LIST, "c[1].d: 3")


def test_numbers_are_kept_as_they_are_written() -> None:
    """However many digits they have: nothing is computed with them."""
    long = "9" * 10_000
    assert read(f'{{"a": 1.10, "b": 12345678901234567890123, "c": {long}, "d": NaN}}').text.startswith(
        "a: 1.10\nb: 12345678901234567890123"
    )


@pytest.mark.parametrize("kind", ["application/jsonl", "application/json"])
def test_lines_of_objects_are_a_table(kind: str) -> None:
    """Whatever the file is called."""
    assert read('{"a": 1, "b": "x"}\n\n{"a": 2, "b": "y"}\n', kind).text == "a | b\n1 | x\n2 | y"


def test_a_broken_line_among_sound_ones_is_kept_and_told() -> None:
    """A log that was cut off still holds its other lines."""
    parsed = read('{"a": 1}\n{"a": 2}\n{"a": ', "application/jsonl")
    assert parsed.text == 'a\n1\n2\n\n{"a":'
    assert parsed.warnings == ("lines_not_valid_json",)


@pytest.mark.parametrize("text", ['{"a": 1, // no JSON\n"b": 2}', "{'a': 1}", '{"a": 1,}'])
def test_what_is_no_json_after_all_is_text(text: str) -> None:
    """Settings with comments are common, and can be searched as they are."""
    parsed = read(text)
    assert parsed.text == text
    assert parsed.warnings == ("not_valid_json",)


@pytest.mark.parametrize("text", ["[" * 100_000, "[" * 300 + "1" + "]" * 300, '{"a":' * 300 + "1" + "}" * 300])
def test_what_is_nested_beyond_reason_is_refused(text: str) -> None:
    """No stack runs out, and nothing is cut off in silence."""
    with pytest.raises(DocumentRejected, match="nested more deeply") as caught:
        read(text)
    assert caught.value.reason == "unreadable"


@pytest.mark.parametrize("text", ["{}", "[]", '""', '{"a": {}, "b": ["", {}]}'])
def test_data_without_values_is_empty(text: str) -> None:
    """Braces are no content."""
    with pytest.raises(DocumentRejected) as caught:
        read(text)
    assert caught.value.reason == "empty"
