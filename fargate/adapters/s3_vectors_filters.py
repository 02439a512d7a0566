"""
Filters for S3 Vectors: its own language, with what AWS does not say of it said in full.

Whether ``$ne`` and ``$nin`` hold where the key is missing is not documented, so that they are sent with the answer
beside them. An empty list of values is not taken; what it means is worked out here.
"""

from __future__ import annotations

from pydantic import JsonValue

from chalicelib.domain.filters import And, Exists, Filter, NoneOf, OneOf, Or, to_json
from chalicelib.errors import InvalidRequest

MAX_CONSTRAINTS = 100
"""Of a query to an index in ENHANCED mode ("Changing a vector index's mode" in the S3 user guide)."""


def service_filter(*filters: Filter | None) -> dict[str, JsonValue] | bool:
    """
    Give the JSON of the filter that holds where all *filters* do; True where everything passes, False where nothing.

    Raises `InvalidRequest` for more than `MAX_CONSTRAINTS` conditions.
    """
    found = _all([_spelled_out(one) for one in filters if one is not None])
    if isinstance(found, bool):
        return found
    if (constraints := _constraints(found)) > MAX_CONSTRAINTS:
        raise InvalidRequest(
            f"filter has {constraints} conditions with those of the release and of permissions; "
            f"S3 Vectors takes {MAX_CONSTRAINTS}; use $in for many values of one key"
        )
    return to_json(found)


def _spelled_out(wanted: Filter) -> Filter | bool:
    match wanted:
        case And(parts):
            return _all([_spelled_out(part) for part in parts])
        case Or(parts):
            return _any([_spelled_out(part) for part in parts])
        case OneOf(_, ()):
            return False
        case NoneOf(_, ()):
            return True
        case NoneOf(key, _):
            return Or((Exists(key, present=False), wanted))
        case _:
            return wanted


def _all(parts: list[Filter | bool]) -> Filter | bool:
    telling = tuple(part for part in parts if not isinstance(part, bool))
    if False in parts:
        return False
    return And(telling) if len(telling) > 1 else telling[0] if telling else True


def _any(parts: list[Filter | bool]) -> Filter | bool:
    telling = tuple(part for part in parts if not isinstance(part, bool))
    if True in parts:
        return True
    return Or(telling) if len(telling) > 1 else telling[0] if telling else False


def _constraints(wanted: Filter) -> int:
    return sum(map(_constraints, wanted.parts)) if isinstance(wanted, And | Or) else 1
