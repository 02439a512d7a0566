"""
The metadata filter language of Amazon S3 Vectors, parsed once into a typed tree.

What AWS documents is kept to the letter ("Metadata filtering" and "Limitations and restrictions" in the S3 user
guide): implicit ``$eq`` and ``$and``, and equality with a list meaning any of its elements. Where it is silent:
``$ne`` and ``$nin`` are the exact opposites of ``$eq`` and ``$in``, so that they hold where the key is missing; types
are never converted, and a boolean is not a number; ``$startsWith`` holds for a list when it does for any element.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pydantic import JsonValue

from chalicelib.domain.documents import Metadata, MetadataValue
from chalicelib.domain.metadata import ACL_KEY, PLATFORM_PREFIX, Scalar, check_key, check_scalar, is_number, refusal

MAX_DEPTH = 8
MAX_CONDITIONS = 100
MAX_VALUES = 200

Number = int | float


class Comparison(StrEnum):
    """How a number stands to a bound."""

    GT = "$gt"
    GTE = "$gte"
    LT = "$lt"
    LTE = "$lte"


@dataclass(frozen=True, slots=True)
class OneOf:
    """``$eq`` (one value) and ``$in``: the value, or any element of a list, is among *values*."""

    key: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class NoneOf:
    """``$ne`` (one value) and ``$nin``: the opposite of `OneOf`; a missing key passes."""

    key: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Compare:
    """``$gt``, ``$gte``, ``$lt`` and ``$lte``: the value is a number that stands so to *bound*."""

    key: str
    comparison: Comparison
    bound: Number


@dataclass(frozen=True, slots=True)
class StartsWith:
    """``$startsWith``: the value, or any element of a list, begins with *prefix*, to the letter."""

    key: str
    prefix: str


@dataclass(frozen=True, slots=True)
class Exists:
    """``$exists``: the key is there, or with *present* false is not; an empty list is there."""

    key: str
    present: bool


@dataclass(frozen=True, slots=True)
class And:
    """Every one of at least two *parts* holds."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of at least two *parts* holds."""

    parts: tuple[Filter, ...]


Condition = OneOf | NoneOf | Compare | StartsWith | Exists
Filter = Condition | And | Or


def parse_filter(raw: Mapping[str, JsonValue], *, platform_keys: bool = False) -> Filter:
    """
    Give the tree of the JSON form *raw*; equal meanings nested differently may give different trees.

    Keys of the platform (`PLATFORM_PREFIX`) are refused unless *platform_keys*: no caller's filter can mention them.
    Raises `InvalidRequest` naming the place, what is wrong there, and the remedy.
    """
    found = _parse_object(raw, "filter", 0, platform_keys)
    if sum(1 for _ in _conditions(found)) > MAX_CONDITIONS:
        raise refusal("filter", f"has more than {MAX_CONDITIONS} conditions; use $in for many values of one key")
    return found


def all_of(first: Filter, *others: Filter | None) -> Filter:
    """Give the filter that holds where *first* and all *others* do; None among them asks for nothing."""
    return _joined(And, [first, *(other for other in others if other is not None)])


def readable_by(groups: Collection[str]) -> Filter:
    """Give the filter for entries whose access list names one of *groups*; without any group nothing passes."""
    return OneOf(ACL_KEY, tuple(sorted(groups)))


def to_json(wanted: Filter) -> dict[str, JsonValue]:
    """Give the canonical JSON form, as S3 Vectors takes it: explicit operators, nothing implied; it parses back."""
    match wanted:
        case And(parts):
            return {"$and": [to_json(part) for part in parts]}
        case Or(parts):
            return {"$or": [to_json(part) for part in parts]}
        case OneOf(key, (value,)):
            return {key: {"$eq": value}}
        case OneOf(key, values):
            return {key: {"$in": list(values)}}
        case NoneOf(key, (value,)):
            return {key: {"$ne": value}}
        case NoneOf(key, values):
            return {key: {"$nin": list(values)}}
        case Compare(key, comparison, bound):
            return {key: {comparison.value: bound}}
        case StartsWith(key, prefix):
            return {key: {"$startsWith": prefix}}
        case Exists(key, present):
            return {key: {"$exists": present}}


def matches(wanted: Filter, metadata: Metadata) -> bool:
    """Say whether *metadata* passes; every store's own evaluation is held to this one."""
    match wanted:
        case And(parts):
            return all(matches(part, metadata) for part in parts)
        case Or(parts):
            return any(matches(part, metadata) for part in parts)
        case Exists(key, present):
            return (key in metadata) is present
        case NoneOf(key, values):
            return not _any_equal(metadata.get(key), values)
        case OneOf(key, values):
            return _any_equal(metadata.get(key), values)
        case StartsWith(key, prefix):
            return _begins(metadata.get(key), prefix)
        case Compare(key, comparison, bound):
            value = metadata.get(key)
            return is_number(value) and _HOLDS[comparison](value, bound)


def _any_equal(value: MetadataValue | None, wanted: Sequence[Scalar]) -> bool:
    elements = value if isinstance(value, list) else [] if value is None else [value]
    return any(_kind(element) is _kind(one) and element == one for element in elements for one in wanted)


def _kind(value: Scalar) -> type:
    return float if is_number(value) else type(value)


def _begins(value: MetadataValue | None, prefix: str) -> bool:
    elements = value if isinstance(value, list) else [value]
    return any(isinstance(element, str) and element.startswith(prefix) for element in elements)


_HOLDS: dict[Comparison, Callable[[Number, Number], bool]] = {
    Comparison.GT: operator.gt,
    Comparison.GTE: operator.ge,
    Comparison.LT: operator.lt,
    Comparison.LTE: operator.le,
}


def _parse_object(raw: JsonValue | Mapping[str, JsonValue], place: str, depth: int, platform_keys: bool) -> Filter:
    if not isinstance(raw, Mapping) or not raw:
        raise refusal(place, 'must be an object with at least one condition, as {"team": "hr"}; or be left out')
    depth = _deeper(place, depth, several=len(raw) > 1)
    return _joined(And, [_parse_entry(key, value, place, depth, platform_keys) for key, value in raw.items()])


def _parse_entry(key: str, value: JsonValue, place: str, depth: int, platform_keys: bool) -> Filter:
    place = f"{place}.{key}"
    if key in ("$and", "$or"):
        if not isinstance(value, list) or not value:
            raise refusal(place, "must be a list of at least one filter")
        depth = _deeper(place, depth, several=True)
        parts = [_parse_object(part, f"{place}.{i}", depth, platform_keys) for i, part in enumerate(value)]
        return _joined(And if key == "$and" else Or, parts)
    if key.startswith("$"):
        raise refusal(place, "is not an operator that combines filters; these are $and and $or")
    if key.startswith(PLATFORM_PREFIX) and not platform_keys:
        raise refusal(place, f"cannot be filtered on; keys that begin with '{PLATFORM_PREFIX}' are the platform's own")
    check_key(key, place)
    return _parse_conditions(key, value, place, depth)


def _parse_conditions(key: str, value: JsonValue, place: str, depth: int) -> Filter:
    if not isinstance(value, Mapping):
        return OneOf(key, (check_scalar(value, place),))
    if not value:
        raise refusal(place, 'must name at least one operator, as {"$gte": 2025}')
    _deeper(place, depth, several=len(value) > 1)
    return _joined(And, [_parse_operator(key, name, operand, f"{place}.{name}") for name, operand in value.items()])


def _parse_operator(key: str, name: str, operand: JsonValue, place: str) -> Condition:
    match name:
        case "$eq" | "$in":
            return OneOf(key, _scalars(name, operand, place))
        case "$ne" | "$nin":
            return NoneOf(key, _scalars(name, operand, place))
        case "$gt" | "$gte" | "$lt" | "$lte":
            return Compare(key, Comparison(name), _number(operand, place))
        case "$startsWith":
            return StartsWith(key, _prefix(operand, place))
        case "$exists" if isinstance(operand, bool):
            return Exists(key, operand)
        case "$exists":
            raise refusal(place, "must be true or false")
        case _:
            raise refusal(place, f"is not an operator; these are {_OPERATORS}")


_OPERATORS = "$eq $ne $gt $gte $lt $lte $in $nin $exists $startsWith"


def _scalars(name: str, operand: JsonValue, place: str) -> tuple[Scalar, ...]:
    values = operand if name in ("$in", "$nin") else [operand]
    if not isinstance(values, list) or not 1 <= len(values) <= MAX_VALUES:
        raise refusal(place, f"must be a list of 1 to {MAX_VALUES} strings, numbers or booleans")
    return tuple(check_scalar(value, place) for value in values)


def _number(operand: JsonValue, place: str) -> Number:
    if not is_number(operand):
        raise refusal(place, "must be a number")
    check_scalar(operand, place)
    return operand


def _prefix(operand: JsonValue, place: str) -> str:
    if not isinstance(operand, str) or not operand:
        raise refusal(place, "must be a string that is not empty")
    check_scalar(operand, place)
    return operand


def _deeper(place: str, depth: int, *, several: bool) -> int:
    depth += several
    if depth > MAX_DEPTH:
        raise refusal(place, f"is nested deeper than {MAX_DEPTH} levels; combine conditions in one $and or $or")
    return depth


def _joined(kind: type[And] | type[Or], parts: Sequence[Filter]) -> Filter:
    """Join *parts* as one canonical node: a single part stands for itself, nested ones of the same kind merge."""
    flat: list[Filter] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, kind) else (part,))
    return flat[0] if len(flat) == 1 else kind(tuple(flat))


def _conditions(node: Filter) -> Iterator[Condition]:
    if isinstance(node, And | Or):
        for part in node.parts:
            yield from _conditions(part)
    else:
        yield node
