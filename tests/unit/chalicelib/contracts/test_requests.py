"""What every request refuses, and what queries take."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from chalicelib.contracts.common import RequestModel
from chalicelib.contracts.documents import DocumentFields
from chalicelib.contracts.identities import ApiKeyCreate
from chalicelib.contracts.indexes import RecipeModel
from chalicelib.contracts.ingestions import ManifestLine
from chalicelib.contracts.queries import MAX_PAGE_ITEMS, DocumentsQuery, NoQuery, PageQuery
from chalicelib.domain.documents import DocumentStatus


class Sample(RequestModel):
    """A request of one number."""

    number: float


@pytest.mark.parametrize(
    "body", [{"number": "1"}, {"number": 1, "other": 2}, {"number": math.inf}, {"number": math.nan}]
)
def test_requests_coerce_nothing(body: dict[str, Any]) -> None:
    """A text is no number, an unknown field is an error, and numbers are finite."""
    with pytest.raises(ValidationError):
        Sample.model_validate(body)


def test_queries_read_numbers_and_statuses_from_text() -> None:
    """As they arrive in an address."""
    query = DocumentsQuery.model_validate({"limit": "7", "status": "ready"})
    assert (query.limit, query.status, query.cursor) == (7, DocumentStatus.READY, None)


@pytest.mark.parametrize(
    ("model", "given"),
    [
        (PageQuery, {"limit": "0"}),
        (PageQuery, {"limit": str(MAX_PAGE_ITEMS + 1)}),
        (PageQuery, {"limit": "ten"}),
        (PageQuery, {"cursor": ""}),
        (PageQuery, {"cursor": "x" * 4_097}),
        (NoQuery, {"limit": "1"}),
        (DocumentsQuery, {"status": "lost"}),
        (DocumentsQuery, {"q": ""}),
    ],
)
def test_queries_keep_to_their_bounds(model: type[BaseModel], given: dict[str, str]) -> None:
    """And to the names they have."""
    with pytest.raises(ValidationError):
        model.model_validate(given)


@pytest.mark.parametrize("code", ["xx", "EN", "eng", "", "e", "english"])
@pytest.mark.parametrize("model", [RecipeModel, DocumentFields, ManifestLine])
def test_a_language_is_two_letters_of_iso_639_1(model: type[BaseModel], code: str) -> None:
    """The answer says what was given, and what could be."""
    with pytest.raises(ValidationError, match="ISO 639-1; give two letters, such as en"):
        model.model_validate(
            {"name": "a", "text": "A", "language": code} if model is not RecipeModel else {"language": code}
        )


@pytest.mark.parametrize(
    "change",
    [
        {"roles": []},
        {"roles": ["king"]},
        {"name": " "},
        {"name": "x" * 101},
        {"groups": ["has space"]},
        {"indexes": ["Not A Name"]},
        {"expires_at": "2026-03-01T12:00:00"},
        {"secret": "mine"},
    ],
    ids=str,
)
def test_a_new_key_is_well_formed(change: dict[str, Any]) -> None:
    """A time without its zone is refused as well."""
    whole = {"name": "ci", "roles": ["reader"], "expires_at": "2026-03-01T12:00:00Z"}
    ApiKeyCreate.model_validate(whole)
    with pytest.raises(ValidationError):
        ApiKeyCreate.model_validate(whole | change)
