"""The limits of metadata, and the keys that are the platform's own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.domain.identifiers import AttemptId, DocumentId
from chalicelib.domain.metadata import (
    MAX_FILTERABLE_BYTES,
    MAX_KEYS,
    MAX_USER_KEYS,
    check_metadata,
    check_user_metadata,
    with_platform_keys,
)
from chalicelib.errors import InvalidRequest

DOCUMENT = DocumentId("doc_01jd0000000000000000000000")
ATTEMPT = AttemptId("att_01jd0000000000000000000000")


@pytest.mark.parametrize(
    ("metadata", "place", "limit"),
    [
        ({"a": None}, "metadata.a", "not NoneType"),
        ({"a": {"b": 1}}, "metadata.a", "not dict"),
        ({"a": [1, 2]}, "metadata.a.0", "strings only"),
        ({"a": ["x", True]}, "metadata.a.1", "strings only"),
        ({"a": float("nan")}, "metadata.a", "finite"),
        ({"a": float("-inf")}, "metadata.a", "finite"),
        ({"a": -(2**53)}, "metadata.a", "strings"),
        ({"a": "\udfff"}, "metadata.a", "surrogate"),
        ({"\ud800": 1}, "metadata.?", "surrogate"),
        ({"": 1}, "metadata.", "not be empty"),
        ({"$eq": 1}, "metadata.$eq", "begin with '$'"),
        ({"k" * 64: 1}, "metadata.k", "at most 63"),
        ({f"k{i}": i for i in range(MAX_KEYS + 1)}, "metadata", f"at most {MAX_KEYS}"),
        ({"small": "x", "large": ["x" * 1_000] * 3}, "metadata.large", f"at most {MAX_FILTERABLE_BYTES}"),
    ],
)
def test_metadata_over_a_limit_is_refused(metadata: Any, place: str, limit: str) -> None:
    """The message names the key and the limit."""
    with pytest.raises(InvalidRequest) as caught:
        check_metadata(metadata)
    assert caught.value.extra["errors"][0]["loc"].startswith(place)
    assert limit in caught.value.detail


def test_metadata_at_its_limits_is_taken() -> None:
    """Two kilobytes are counted in UTF-8 bytes of compact JSON, not in characters."""
    check_metadata({f"k{i}": i for i in range(MAX_KEYS)})
    check_metadata({"s": "", "i": 2**53 - 1, "f": 1e300, "b": True, "l": [], "k" * 63: ["日本"]})
    room = MAX_FILTERABLE_BYTES - len('{"k":""}')
    check_metadata({"k": "é" * (room // 2)})
    with pytest.raises(InvalidRequest, match="2048 bytes"):
        check_metadata({"k": "é" * (room // 2 + 1)})


def test_users_cannot_write_the_platforms_keys() -> None:
    """Else a document could let itself be read by others."""
    for key in ("_acl", "_document", "_attempt", "_text", "_new"):
        with pytest.raises(InvalidRequest, match="reserved"):
            check_user_metadata({key: "x"})
    with pytest.raises(InvalidRequest, match=f"at most {MAX_USER_KEYS}"):
        check_user_metadata({f"k{i}": i for i in range(MAX_USER_KEYS + 1)})


def test_what_a_user_may_write_fits_with_the_platforms_keys() -> None:
    """Whatever passes for a user passes for the store: access lists count into the two kilobytes."""
    acl = ["all", *(f"group-{i}" for i in range(20))]
    size = next(size for size in range(MAX_FILTERABLE_BYTES, 0, -1) if _is_taken({"k": "x" * size}, acl))
    stored = with_platform_keys({"k": "x" * size}, document_id=DOCUMENT, attempt=ATTEMPT, acl=acl)
    check_metadata(stored)
    assert len(json.dumps(stored, separators=(",", ":"))) == MAX_FILTERABLE_BYTES
    keys = {f"k{i}": i for i in range(MAX_USER_KEYS)}
    check_user_metadata(keys)
    check_metadata(with_platform_keys(keys, document_id=DOCUMENT, attempt=ATTEMPT, acl=["all"]))


def _is_taken(metadata: dict[str, object], acl: list[str]) -> bool:
    try:
        check_user_metadata(metadata, acl)
    except InvalidRequest:
        return False
    return True
