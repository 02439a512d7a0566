"""
The filter language of S3 Vectors as its user guide has it, evaluated on the JSON itself.

Where AWS is silent this takes the reading that suits us least: ``$ne`` and ``$nin`` do not hold where the key is
missing, so that an adapter that relies on either reading is found out.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-vectors-metadata-filtering.html
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection
from typing import Any

from tests.fakes.s3_vectors_requests import invalid
from tests.fakes.s3_vectors_rules import FILTER_CONSTRAINTS, WORDS

Json = Any
_COMPARED = {"$gt": operator.gt, "$gte": operator.ge, "$lt": operator.lt, "$lte": operator.le}


def check_filter(raw: Json, *, enhanced: bool, non_filterable: Collection[str]) -> None:
    """Refuse a filter that the service would refuse."""
    conditions = _checked(raw, enhanced, non_filterable)
    if enhanced and conditions > FILTER_CONSTRAINTS.limit:
        raise invalid(FILTER_CONSTRAINTS.beyond)


def passes(raw: Json, metadata: dict[str, Json]) -> bool:
    """Say whether *metadata* passes a filter that was checked."""
    return all(_entry_passes(key, wanted, metadata) for key, wanted in raw.items())


def _entry_passes(key: str, wanted: Json, metadata: dict[str, Json]) -> bool:
    if key == "$and":
        return all(passes(part, metadata) for part in wanted)
    if key == "$or":
        return any(passes(part, metadata) for part in wanted)
    operators = wanted if isinstance(wanted, dict) else {"$eq": wanted}
    return all(_holds(name, operand, key, metadata) for name, operand in operators.items())


def _holds(name: str, operand: Json, key: str, metadata: dict[str, Json]) -> bool:
    if name == "$exists":
        return (key in metadata) is operand
    if key not in metadata:
        return False
    value = metadata[key]
    elements = value if isinstance(value, list) else [value]
    if name in ("$eq", "$in", "$ne", "$nin"):
        wanted = operand if name in ("$in", "$nin") else [operand]
        return any(_same(one, other) for one in elements for other in wanted) is (name in ("$eq", "$in"))
    if name == "$startsWith":
        return any(isinstance(element, str) and element.startswith(operand) for element in elements)
    return _is_number(value) and _COMPARED[name](value, operand)


def _same(one: Json, other: Json) -> bool:
    alike = (_is_number(one) and _is_number(other)) or type(one) is type(other)
    return alike and bool(one == other)


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _checked(raw: Json, enhanced: bool, non_filterable: Collection[str]) -> int:
    """Check *raw* and count its constraints."""
    if not isinstance(raw, dict) or not raw:
        raise invalid("filter: must be an object that is not empty")
    count = 0
    for key, wanted in raw.items():
        if key in ("$and", "$or"):
            if not isinstance(wanted, list) or not wanted:
                raise invalid(f"filter: {key} needs an array that is not empty")
            count += sum(_checked(part, enhanced, non_filterable) for part in wanted)
        elif key.startswith("$"):
            raise invalid(f"filter: {key} is no operator here")
        elif key in non_filterable:
            raise invalid(WORDS["non-filterable"].beyond)
        else:
            count += _checked_conditions(wanted, enhanced)
    return count


def _checked_conditions(wanted: Json, enhanced: bool) -> int:
    operators = wanted if isinstance(wanted, dict) else {"$eq": wanted}
    if not operators:
        raise invalid("filter: a key needs an operator")
    for name, operand in operators.items():
        _check_operator(name, operand, enhanced)
    return len(operators)


def _check_operator(name: str, operand: Json, enhanced: bool) -> None:
    if name not in _OPERANDS:
        raise invalid(f"filter: {name} is no operator")
    needed, fits = _OPERANDS[name]
    if not fits(operand):
        raise invalid(f"filter: {name} needs {needed}")
    if name == "$startsWith" and not enhanced:
        raise invalid(WORDS["startsWith needs ENHANCED"].beyond)


def _is_primitive(value: Json) -> bool:
    return isinstance(value, str | int | float | bool)


def _are_primitives(value: Json) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_primitive, value))


_OPERANDS: dict[str, tuple[str, Callable[[Json], bool]]] = {
    **dict.fromkeys(("$eq", "$ne"), ("a string, a number or a boolean", _is_primitive)),
    **dict.fromkeys(("$in", "$nin"), ("an array of primitives that is not empty", _are_primitives)),
    **dict.fromkeys(_COMPARED, ("a number", _is_number)),
    "$exists": ("a boolean", lambda operand: isinstance(operand, bool)),
    "$startsWith": ("a string", lambda operand: isinstance(operand, str) and operand != ""),
}
