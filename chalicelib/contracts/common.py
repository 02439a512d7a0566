"""What all wire models share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Generic, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from chalicelib.domain.identifiers import ID_PATTERN, INDEX_NAME_PATTERN

Identifier = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
IndexName = Annotated[
    str,
    StringConstraints(pattern=INDEX_NAME_PATTERN),
    Field(description="3 to 32 lower-case letters, digits and hyphens", examples=["handbook"]),
]
Metadata = Annotated[
    dict[str, str | int | float | bool | list[str]],
    Field(
        description="Up to 46 keys, none beginning with an underscore; 2 KB in all",
        examples=[{"team": "hr", "year": 2026}],
    ),
]
Filter = Annotated[
    dict[str, JsonValue],
    Field(description="Amazon S3 Vectors' filter language", examples=[{"team": "hr", "year": {"$gte": 2025}}]),
]
Timestamp = AwareDatetime
ItemT = TypeVar("ItemT")


class RequestModel(BaseModel):
    """A request: unknown fields are refused, nothing is coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ResponseModel(BaseModel):
    """A response, read from an entity's attributes, or from what was sent."""

    model_config = ConfigDict(extra="ignore", frozen=True, from_attributes=True, validate_by_name=True)


class ListOf(ResponseModel, Generic[ItemT]):
    """A page of a list; ask again with ``cursor=next_cursor`` until that is null."""

    items: list[ItemT]
    next_cursor: str | None = None


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str
    trace_id: str | None = None
    retryable: bool | None = None


def in_one_form(given: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Give *given* with whole numbers written as such, so that what is equal is named alike: 0.0 becomes 0."""
    return {name: _in_one_form(value) for name, value in given.items()}


def _in_one_form(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return in_one_form(value)
    if isinstance(value, list):
        return [_in_one_form(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
