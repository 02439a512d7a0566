"""
What a chunk carries beside its text: the limits of its metadata, and the platform's own keys in it.

The limits are those of Amazon S3 Vectors ("Limitations and restrictions" in the S3 user guide), so that what one store
takes every store takes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TypeGuard

from chalicelib.domain.access import EVERYONE
from chalicelib.domain.documents import Metadata, MetadataValue
from chalicelib.domain.identifiers import AttemptId, DocumentId
from chalicelib.errors import InvalidRequest

Scalar = str | int | float | bool

PLATFORM_PREFIX = "_"
"""Metadata keys that begin so are the platform's own; users neither write them nor filter on them."""
DOCUMENT_KEY = "_document"
ATTEMPT_KEY = "_attempt"
ACL_KEY = "_acl"
TEXT_KEY = "_text"
"""Where a store that has no place for the text beside the metadata keeps it, not filterable; one of the 50 keys."""

MAX_KEYS = 49
"""S3 Vectors allows 50, of which `TEXT_KEY` is one."""
MAX_USER_KEYS = MAX_KEYS - 3
MAX_KEY_CHARACTERS = 63
MAX_FILTERABLE_BYTES = 2_048
MAX_VALUE_CHARACTERS = 2_048
MAX_SAFE_INTEGER = 2**53 - 1
"""Numbers are doubles to the stores; a larger integer would be another one there."""


def with_platform_keys(
    metadata: Metadata, *, document_id: DocumentId, attempt: AttemptId, acl: Sequence[str]
) -> dict[str, MetadataValue]:
    """Give *metadata* with the platform's own keys beside the user's: what every entry of a document carries."""
    return {**metadata, DOCUMENT_KEY: document_id, ATTEMPT_KEY: attempt, ACL_KEY: list(acl)}


def check_user_metadata(metadata: Mapping[str, object], acl: Sequence[str] = (EVERYONE,)) -> None:
    """
    Raise `InvalidRequest` unless *metadata* and *acl* can be stored with any document.

    As `check_metadata`, with room kept for the platform's keys, which nobody else may write.
    """
    for key in metadata:
        if key.startswith(PLATFORM_PREFIX):
            raise refusal(
                f"metadata.{key}",
                f"is reserved for the platform; rename it so as not to begin with '{PLATFORM_PREFIX}'",
            )
    if len(metadata) > MAX_USER_KEYS:
        raise refusal("metadata", f"has {len(metadata)} keys; at most {MAX_USER_KEYS} are allowed")
    check_metadata({**metadata, DOCUMENT_KEY: _LONGEST_ID, ATTEMPT_KEY: _LONGEST_ID, ACL_KEY: list(acl)})


def check_metadata(metadata: Mapping[str, object]) -> None:
    """
    Raise `InvalidRequest`, naming the key and the limit, unless S3 Vectors would take *metadata* as filterable.

    Values are strings, finite numbers, booleans and lists of strings. S3 Vectors knows lists of numbers too; they are
    refused here, so that a comparison never meets a list. Size is that of the compact JSON in UTF-8.
    """
    if len(metadata) > MAX_KEYS:
        raise refusal("metadata", f"has {len(metadata)} keys; at most {MAX_KEYS} are allowed")
    for key, value in metadata.items():
        check_key(key, f"metadata.{key}")
        _check_metadata_value(value, f"metadata.{key}")
    size = len(json.dumps(dict(metadata), ensure_ascii=False, separators=(",", ":")).encode())
    if size > MAX_FILTERABLE_BYTES:
        largest = max(metadata, key=lambda key: len(json.dumps(metadata[key])))
        raise refusal(
            f"metadata.{largest}",
            f"is the largest part of {size} bytes in all; at most {MAX_FILTERABLE_BYTES} bytes of JSON are allowed",
        )


def is_number(value: object) -> TypeGuard[int | float]:
    """Say whether *value* is a number; a boolean is not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_scalar(value: object, place: str) -> Scalar:
    """Give *value* back, or raise `InvalidRequest` naming *place* where no store could hold or compare it."""
    if isinstance(value, str):
        _check_text(value, place, MAX_VALUE_CHARACTERS)
    elif not isinstance(value, int | float):
        raise refusal(place, f"must be a string, a number or a boolean, not {type(value).__name__}")
    elif not math.isfinite(value) or (isinstance(value, int) and abs(value) > MAX_SAFE_INTEGER):
        raise refusal(place, f"must be finite, and an integer within ±{MAX_SAFE_INTEGER}; write larger ones as strings")
    return value


def check_key(key: str, place: str) -> None:
    """Raise `InvalidRequest` naming *place* unless *key* can name metadata."""
    if not key or key.startswith("$"):
        raise refusal(place, "is no name of a metadata key; it must not be empty or begin with '$'")
    _check_text(key, place, MAX_KEY_CHARACTERS)


def refusal(place: str, problem: str) -> InvalidRequest:
    """Give the error for the *problem* at *place*, whatever characters a caller put there."""
    place = place.encode(errors="replace").decode()[:200]
    return InvalidRequest(f"{place} {problem}", [{"loc": place, "msg": problem}])


_LONGEST_ID = "doc_" + "0" * 26


def _check_metadata_value(value: object, place: str) -> None:
    if isinstance(value, list):
        for position, element in enumerate(value):
            if not isinstance(element, str):
                raise refusal(f"{place}.{position}", "is not a string; lists hold strings only")
            check_scalar(element, f"{place}.{position}")
    else:
        check_scalar(value, place)


def _check_text(text: str, place: str, limit: int) -> None:
    if len(text) > limit:
        raise refusal(place, f"has {len(text)} characters; at most {limit} are allowed")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise refusal(place, "holds half of a surrogate pair; send well-formed Unicode") from error
