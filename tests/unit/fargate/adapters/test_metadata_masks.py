"""Filters worked out on columns are held to the definition."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from chalicelib.domain.documents import Metadata
from chalicelib.domain.filters import OneOf, matches, parse_filter, to_json
from fargate.adapters.metadata_masks import MAX_REMEMBERED_MASKS, MetadataColumns
from tests.fakes.filters import METADATA, RAW_FILTERS


@given(st.lists(METADATA, min_size=1, max_size=8), st.lists(RAW_FILTERS, min_size=1, max_size=4))
@settings(max_examples=150, deadline=None, derandomize=True, database=None)
def test_masks_agree_with_the_definition(metadata: list[Metadata], raws: list[dict[str, JsonValue]]) -> None:
    """Entry by entry, for whatever filters come one after the other."""
    columns = MetadataColumns.of([json.dumps(one) for one in metadata])
    for wanted in map(parse_filter, raws):
        expected = [matches(wanted, one) for one in metadata]
        assert columns.mask(wanted, json.dumps(to_json(wanted))).tolist() == expected


def test_entries_share_equal_metadata() -> None:
    """The chunks of a document cost no more than one."""
    columns = MetadataColumns.of(['{"a":1}', '{"a":2}', '{"a":1}'])
    assert len(columns.texts) == 2
    assert [columns.text(place) for place in range(3)] == ['{"a":1}', '{"a":2}', '{"a":1}']
    assert columns.mask(OneOf("a", (1,)), "a = 1").tolist() == [True, False, True]


def test_what_is_stored_reads_as_it_was_given() -> None:
    """Whether it was looked into before or not."""
    columns = MetadataColumns.of(['{"a":1,"b":["x","y"]}', '{"c":true}'])
    first, second, again = columns.at(np.array([0, 1, 0], np.uint16))
    assert (first["a"], list(second), len(again)) == (1, ["c"], 2)
    assert {"a": 1, "b": ["x", "y"]} == first == again != second
    assert repr(second) == "{'c': True}"


def test_remembered_masks_are_bounded() -> None:
    """Many different filters do not fill the memory."""
    columns = MetadataColumns.of(['{"a":1}'])
    for value in range(3 * MAX_REMEMBERED_MASKS):
        columns.mask(OneOf("a", (value,)), str(value))
    assert len(columns._masks) <= MAX_REMEMBERED_MASKS
