"""The filter language: what it means, what it refuses, and its canonical form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from pydantic import JsonValue

from chalicelib.domain.access import EVERYONE
from chalicelib.domain.documents import Metadata
from chalicelib.domain.filters import (
    MAX_CONDITIONS,
    MAX_DEPTH,
    MAX_VALUES,
    And,
    NoneOf,
    OneOf,
    all_of,
    matches,
    parse_filter,
    readable_by,
    to_json,
)
from chalicelib.errors import InvalidRequest
from tests.fakes.filters import METADATA, RAW_FILTERS

PROPERTY = settings(max_examples=300, deadline=None, derandomize=True, database=None)
LEAVE: Metadata = {"team": "hr", "year": 2025, "draft": False, "tags": ["leave", "law"], "empty": []}


@pytest.mark.parametrize(
    ("raw", "passes"),
    [
        ({"team": "hr"}, True),
        ({"team": {"$eq": "hr"}}, True),
        ({"team": "HR"}, False),
        ({"tags": "law"}, True),
        ({"tags": {"$ne": "law"}}, False),
        ({"tags": {"$nin": ["tax", "pay"]}}, True),
        ({"tags": {"$in": ["tax", "law"]}}, True),
        ({"empty": "law"}, False),
        ({"empty": {"$exists": True}}, True),
        ({"owner": {"$exists": False}}, True),
        ({"owner": {"$exists": True}}, False),
        ({"owner": "me"}, False),
        ({"owner": {"$ne": "me"}}, True),
        ({"owner": {"$nin": ["me"]}}, True),
        ({"owner": {"$gt": 0}}, False),
        ({"year": {"$gte": 2025, "$lt": 2026}}, True),
        ({"year": {"$gt": 2025}}, False),
        ({"year": {"$lte": 2024.9}}, False),
        ({"year": 2025.0}, True),
        ({"year": "2025"}, False),
        ({"draft": False}, True),
        ({"draft": 0}, False),
        ({"draft": {"$ne": 0}}, True),
        ({"draft": {"$gte": 0}}, False),
        ({"team": {"$gt": 1}}, False),
        ({"team": {"$startsWith": "h"}}, True),
        ({"tags": {"$startsWith": "la"}}, True),
        ({"year": {"$startsWith": "2"}}, False),
        ({"team": "hr", "year": 2024}, False),
        ({"$or": [{"team": "it"}, {"year": 2025}]}, True),
        ({"$and": [{"team": "hr"}, {"$or": [{"year": 1}, {"draft": True}]}]}, False),
    ],
)
def test_a_filter_means_what_s3_vectors_documents(raw: dict[str, JsonValue], passes: bool) -> None:
    """Equality with a list means any element; types are never converted; a negation holds for a missing key."""
    assert matches(parse_filter(raw), LEAVE) is passes


@given(RAW_FILTERS, METADATA)
@PROPERTY
def test_the_tree_means_what_the_json_says(raw: dict[str, JsonValue], metadata: Metadata) -> None:
    """Parsing changes no meaning: an evaluation of the JSON itself, written another way, agrees."""
    assert matches(parse_filter(raw), metadata) == _holds(raw, metadata)


@given(RAW_FILTERS)
@PROPERTY
def test_the_canonical_form_parses_back(raw: dict[str, JsonValue]) -> None:
    """What is sent to S3 Vectors is the same filter."""
    tree = parse_filter(raw)
    assert parse_filter(to_json(tree)) == tree


@pytest.mark.parametrize(
    ("raw", "place", "remedy"),
    [
        ({}, "filter", "left out"),
        ([], "filter", "must be an object"),
        ({"$and": []}, "filter.$and", "at least one"),
        ({"$or": {"team": "hr"}}, "filter.$or", "list"),
        ({"$or": [{"team": "hr"}, "it"]}, "filter.$or.1", "must be an object"),
        ({"$not": [{"team": "hr"}]}, "filter.$not", "$and and $or"),
        ({"team": {}}, "filter.team", "at least one operator"),
        ({"team": None}, "filter.team", "not NoneType"),
        ({"team": ["hr"]}, "filter.team", "not list"),
        ({"team": {"$eq": ["hr"]}}, "filter.team.$eq", "not list"),
        ({"team": {"$regex": "h.*"}}, "filter.team.$regex", "$startsWith"),
        ({"team": {"eq": "hr"}}, "filter.team.eq", "$eq"),
        ({"team": {"$in": []}}, "filter.team.$in", f"1 to {MAX_VALUES}"),
        ({"team": {"$in": "hr"}}, "filter.team.$in", "list"),
        ({"team": {"$in": [{"a": 1}]}}, "filter.team.$in", "not dict"),
        ({"team": {"$in": ["x"] * (MAX_VALUES + 1)}}, "filter.team.$in", f"1 to {MAX_VALUES}"),
        ({"year": {"$gt": "2025"}}, "filter.year.$gt", "number"),
        ({"year": {"$gt": True}}, "filter.year.$gt", "number"),
        ({"year": float("nan")}, "filter.year", "finite"),
        ({"year": {"$lt": float("inf")}}, "filter.year.$lt", "finite"),
        ({"year": 2**53}, "filter.year", "strings"),
        ({"year": {"$exists": 1}}, "filter.year.$exists", "true or false"),
        ({"team": {"$startsWith": ""}}, "filter.team.$startsWith", "not empty"),
        ({"": "x"}, "filter.", "must not be empty"),
        ({"k" * 64: "x"}, "filter.kk", "at most 63"),
        ({"team": "x" * 2_049}, "filter.team", "at most 2048"),
        ({"team": "\ud800"}, "filter.team", "surrogate"),
        ({"_acl": "all"}, "filter._acl", "platform"),
        ({"$or": [{"team": "hr"}, {"_document": {"$exists": True}}]}, "filter.$or.1._document", "platform"),
    ],
)
def test_a_malformed_filter_is_refused_with_its_place(raw: Any, place: str, remedy: str) -> None:
    """The message names the place and what to do; the place is in the error list too."""
    with pytest.raises(InvalidRequest) as caught:
        parse_filter(raw)
    assert caught.value.extra["errors"][0]["loc"].startswith(place)
    assert remedy in caught.value.detail


def test_nesting_is_bounded() -> None:
    """Up to `MAX_DEPTH` levels parse; one more, or ten thousand more, are refused and do not exhaust the stack."""
    assert parse_filter(_nested(MAX_DEPTH))
    for depth in (MAX_DEPTH + 1, 10_000):
        with pytest.raises(InvalidRequest, match="deeper"):
            parse_filter(_nested(depth))


def test_the_number_of_conditions_is_bounded() -> None:
    """So that no filter is dear to evaluate."""
    conditions: list[JsonValue] = [{"year": year} for year in range(MAX_CONDITIONS)]
    assert parse_filter({"$or": conditions})
    with pytest.raises(InvalidRequest, match="100 conditions"):
        parse_filter({"$or": [*conditions, {"team": "hr"}]})


def test_the_platform_may_parse_its_own_keys() -> None:
    """The option exists for the platform's services; nothing a caller sends is parsed with it."""
    assert parse_filter({"_acl": {"$in": ["all", "hr"]}}, platform_keys=True) == readable_by(["hr", "all"])


def test_all_of_joins_flat_and_skips_none() -> None:
    """A filter with nothing else stands for itself."""
    first, second, third = OneOf("a", (1,)), NoneOf("b", (2,)), OneOf("c", (3,))
    assert all_of(first, None) == first
    assert all_of(first, And((second, third)), None) == And((first, second, third))


def test_only_the_groups_of_the_access_list_read() -> None:
    """Deny by default: without a common group nothing passes."""
    assert matches(readable_by({"hr", EVERYONE}), {"_acl": ["it", "hr"]})
    assert not matches(readable_by({"hr", EVERYONE}), {"_acl": ["it"]})
    assert not matches(readable_by({"hr", EVERYONE}), {"_acl": []})
    assert not matches(readable_by({"hr", EVERYONE}), {})
    assert not matches(readable_by(()), {"_acl": ["it"]})


def _nested(depth: int) -> dict[str, JsonValue]:
    raw: dict[str, JsonValue] = {"team": "hr"}
    for level in range(depth):
        raw = {"$or" if level % 2 else "$and": [raw, {"year": level}] if level < MAX_DEPTH else [raw]}
    return raw


def _holds(raw: Any, metadata: Metadata) -> bool:
    for key, condition in raw.items():
        if key == "$and":
            verdict = all(_holds(part, metadata) for part in condition)
        elif key == "$or":
            verdict = any(_holds(part, metadata) for part in condition)
        else:
            operators = condition if isinstance(condition, dict) else {"$eq": condition}
            verdict = all(_satisfies(name, operand, key, metadata) for name, operand in operators.items())
        if not verdict:
            return False
    return True


def _satisfies(name: str, operand: Any, key: str, metadata: Metadata) -> bool:
    there = key in metadata
    value: Any = metadata.get(key)
    tagged = [_tagged(element) for element in (value if isinstance(value, list) else [value])] if there else []
    number = there and _tagged(value)[0] == "number"
    tests: dict[str, Callable[[], bool]] = {
        "$eq": lambda: _tagged(operand) in tagged,
        "$ne": lambda: _tagged(operand) not in tagged,
        "$in": lambda: any(_tagged(one) in tagged for one in operand),
        "$nin": lambda: all(_tagged(one) not in tagged for one in operand),
        "$gt": lambda: number and value > operand,
        "$gte": lambda: number and value >= operand,
        "$lt": lambda: number and value < operand,
        "$lte": lambda: number and value <= operand,
        "$exists": lambda: there == operand,
        "$startsWith": lambda: any(kind == "str" and text.startswith(operand) for kind, text in tagged),
    }
    return tests[name]()


def _tagged(value: Any) -> tuple[str, Any]:
    return ("number" if type(value) in (int, float) else type(value).__name__, value)
