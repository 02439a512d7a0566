"""What every vector store refuses alike, before it touches anything."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.metadata import check_metadata
from chalicelib.errors import InvalidRequest
from chalicelib.ports.vectors import (
    MAX_DELETE,
    MAX_DIMENSION,
    MAX_GET,
    MAX_LIST,
    MAX_PUT,
    MAX_TEXT_QUERY_CHARACTERS,
    MAX_TOP_K,
    VectorIndexSpec,
    VectorQuery,
    VectorRecord,
)

MAX_KEY_CHARACTERS = 1_024


def check_spec(spec: VectorIndexSpec) -> None:
    """Refuse a dimension outside 1 to `MAX_DIMENSION`."""
    if not 1 <= spec.dimension <= MAX_DIMENSION:
        raise InvalidRequest(f"dimension {spec.dimension} is outside 1 to {MAX_DIMENSION}")


def check_records(records: Sequence[VectorRecord], dimension: int) -> None:
    """Refuse what `VectorIndex.put` refuses; the message names the key."""
    _check_keys([record.key for record in records], MAX_PUT)
    for record in records:
        check_vector(record.vector, dimension, f"the vector of {record.key!r}")
        _check_unicode(record.text, f"the text of {record.key!r}")
        _check_unicode(record.language or "", f"the language of {record.key!r}")
        check_metadata(record.metadata)


def check_get(keys: Sequence[str]) -> None:
    """Refuse more than `MAX_GET` keys, or one twice."""
    _check_keys(keys, MAX_GET)


def check_delete(keys: Sequence[str]) -> None:
    """Refuse more than `MAX_DELETE` keys, or one twice."""
    _check_keys(keys, MAX_DELETE)


def check_page(limit: int, cursor: str | None) -> None:
    """Refuse a page of a size outside 1 to `MAX_LIST`, and a cursor that no page gave."""
    if not 1 <= limit <= MAX_LIST:
        raise InvalidRequest(f"limit {limit} is outside 1 to {MAX_LIST}")
    if cursor is not None:
        _check_unicode(cursor, "the cursor")


def check_query(query: VectorQuery, dimension: int) -> None:
    """Refuse a query that asks for nothing, or for too much."""
    if not 1 <= query.top_k <= MAX_TOP_K:
        raise InvalidRequest(f"top_k {query.top_k} is outside 1 to {MAX_TOP_K}")
    if query.vector is None and query.text is None:
        raise InvalidRequest("a query needs a vector, a text, or both")
    if query.vector is not None:
        check_vector(query.vector, dimension, "the query's vector")
    if query.text is not None and len(query.text) > MAX_TEXT_QUERY_CHARACTERS:
        raise InvalidRequest(
            f"the query's text has {len(query.text)} characters; at most {MAX_TEXT_QUERY_CHARACTERS} are allowed"
        )


def check_vector(packed: bytes, dimension: int, what: str) -> None:
    """Refuse a vector of another dimension, not finite, or zero."""
    if len(packed) != 4 * dimension:
        raise InvalidRequest(f"{what} has {len(packed)} bytes; the index's dimension {dimension} needs {4 * dimension}")
    values = unpacked(packed)
    if not np.isfinite(values).all():
        raise InvalidRequest(f"{what} holds a value that is not finite")
    if not values.any():
        raise InvalidRequest(f"{what} is zero, which has no direction; embed a text that is not empty")


def unpacked(packed: bytes) -> NDArray[np.float32]:
    """Give the numbers of a packed vector."""
    return np.frombuffer(packed, "<f4")


def packed(numbers: Sequence[float]) -> bytes:
    """Give the packed vector of *numbers*."""
    return np.array(numbers, "<f4").tobytes()


def _check_keys(keys: Sequence[str], most: int) -> None:
    if len(keys) > most:
        raise InvalidRequest(f"{len(keys)} keys in one call; at most {most} are allowed")
    if len(set(keys)) != len(keys):
        raise InvalidRequest("a key comes twice in one call; the keys must be distinct")
    for key in keys:
        if not 1 <= len(key) <= MAX_KEY_CHARACTERS:
            raise InvalidRequest(f"a key has {len(key)} characters; 1 to {MAX_KEY_CHARACTERS} are allowed")
        _check_unicode(key, "a key")


def _check_unicode(text: str, what: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest(f"{what} holds half of a surrogate pair; send well-formed Unicode") from error
