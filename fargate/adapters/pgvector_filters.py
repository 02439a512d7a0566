"""Filters to SQL over the column ``fields``, a JSON object; every value is a parameter."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.domain.filters import And, Compare, Comparison, Exists, Filter, NoneOf, OneOf, Or, StartsWith
from chalicelib.domain.metadata import Scalar

_SIGNS = {Comparison.GT: ">", Comparison.GTE: ">=", Comparison.LT: "<", Comparison.LTE: "<="}
# JSON in PostgreSQL holds no NUL; this one is no character, and stands for it on both sides.
_NUL, _FOR_NUL = "\x00", "\uffff"


class Parameters(dict[str, Any]):
    """The parameters of one statement; each value gets a name."""

    def add(self, value: Any) -> str:
        """Give the placeholder of *value*."""
        name = f"p{len(self)}"
        self[name] = value
        return f":{name}"


def condition(wanted: Filter | None, parameters: Parameters) -> str:
    """Give the SQL that is true where *wanted* holds, and false or unknown where it does not."""
    match wanted:
        case None:
            return "true"
        case And(parts):
            return _joined("AND", parts, parameters)
        case Or(parts):
            return _joined("OR", parts, parameters)
        case OneOf(key, values):
            return _one_of(key, values, parameters)
        case NoneOf(key, values):
            return f"NOT coalesce({_one_of(key, values, parameters)}, false)"
        case Compare(key, comparison, bound):
            value = _value(key, parameters)
            number = f"CASE WHEN jsonb_typeof({value}) = 'number' THEN CAST({value} AS numeric) END"
            return f"{number} {_SIGNS[comparison]} CAST({parameters.add(repr(bound))} AS numeric)"
        case StartsWith(key, prefix):
            return _starts_with(key, prefix, parameters)
        case Exists(key, present):
            there = f"jsonb_exists(fields, {parameters.add(storable(key))})"
            return there if present else f"NOT {there}"


def fields_of(metadata: Mapping[str, Any]) -> str:
    """Give the JSON of the column ``fields``."""
    return json.dumps({storable(key): _storable(value) for key, value in metadata.items()}, ensure_ascii=False)


def storable(text: str) -> str:
    """Give *text* without what PostgreSQL cannot hold."""
    return text.replace(_NUL, _FOR_NUL)


def _joined(operator: str, parts: Sequence[Filter], parameters: Parameters) -> str:
    return "(" + f" {operator} ".join(condition(part, parameters) for part in parts) + ")"


def _one_of(key: str, values: Sequence[Scalar], parameters: Parameters) -> str:
    """Say that the value, or any element of a list, is among *values*: a list contains its elements, and all itself."""
    held = _value(key, parameters)
    said = [json.dumps(_storable(value), ensure_ascii=False) for value in values]
    same = [f"{held} @> CAST({parameters.add(value)} AS jsonb)" for value in said]
    return "(" + " OR ".join(same) + ")" if same else "false"


def _starts_with(key: str, prefix: str, parameters: Parameters) -> str:
    held, begins = _value(key, parameters), parameters.add(storable(prefix))
    elements = f"CASE jsonb_typeof({held}) WHEN 'array' THEN {held} WHEN 'string' THEN jsonb_build_array({held}) END"
    return f"EXISTS (SELECT FROM jsonb_array_elements_text({elements}) AS element WHERE starts_with(element, {begins}))"


def _value(key: str, parameters: Parameters) -> str:
    return f"(fields -> CAST({parameters.add(storable(key))} AS text))"


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    return [storable(element) for element in value] if isinstance(value, list) else value
