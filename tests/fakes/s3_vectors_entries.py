"""The vectors of an index: put, get, delete and list them as S3 Vectors does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha1
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.fakes.s3_vectors_account import Answer, Index, Params, Vector, paged
from tests.fakes.s3_vectors_requests import invalid
from tests.fakes.s3_vectors_rules import (
    FILTERABLE_BYTES,
    LIST_PAGE_BYTES,
    LIST_PAGE_DEFAULT,
    METADATA_BYTES,
    METADATA_KEYS,
    WORDS,
)


def put_vectors(index: Index, params: Params) -> Answer:
    """PutVectors: all are checked before any is written."""
    keys = [entry["key"] for entry in params["vectors"]]
    if len(set(keys)) != len(keys):
        raise invalid("the keys of a request must be distinct")
    vectors = [_vector(index, entry) for entry in params["vectors"]]
    index.vectors.update(zip(keys, vectors, strict=True))
    return {}


def get_vectors(index: Index, params: Params) -> Answer:
    """GetVectors: what is missing is left out without a word."""
    return {"vectors": [_entry(index, key, params) for key in params["keys"] if key in index.vectors]}


def delete_vectors(index: Index, params: Params) -> Answer:
    """DeleteVectors."""
    for key in params["keys"]:
        index.vectors.pop(key, None)
    return {}


def list_vectors(index: Index, params: Params) -> Answer:
    """ListVectors: in an order of the service's own, a segment alone where one is asked for."""
    if ("segmentCount" in params) != ("segmentIndex" in params):
        raise invalid("segmentCount and segmentIndex go together")
    segments, segment = params.get("segmentCount", 1), params.get("segmentIndex", 0)
    if segment >= segments:
        raise invalid("segmentIndex must be less than segmentCount")
    keys = sorted((key for key in index.vectors if int(shuffled(key), 16) % segments == segment), key=shuffled)
    size = min(params.get("maxResults", LIST_PAGE_DEFAULT.limit), _within_a_page(index, keys, params))
    page, token = paged(keys, params | {"maxResults": size}, size)
    return {"vectors": [_entry(index, key, params) for key in page]} | token


def shuffled(key: str) -> str:
    """Give a place for *key* in an order that has nothing to do with it."""
    return sha1(key.encode()).hexdigest()


def packed(data: dict[str, Any], index: Index) -> NDArray[np.float32]:
    """Give the numbers of a `VectorData`, checked."""
    with np.errstate(over="ignore"):
        vector = np.array(data["float32"], np.float64).astype(np.float32)
    if len(vector) != index.made["dimension"]:
        raise invalid(f"the vector has {len(vector)} dimensions, the index {index.made['dimension']}")
    if not np.isfinite(vector).all():
        raise invalid(WORDS["not finite"].beyond)
    if index.made["distanceMetric"] == "cosine" and not vector.any():
        raise invalid(WORDS["zero vector"].beyond)
    return vector


def _vector(index: Index, entry: dict[str, Any]) -> Vector:
    metadata = entry.get("metadata", {})
    _check_metadata(metadata, index)
    return Vector(packed(entry["data"], index), metadata)


def _check_metadata(metadata: dict[str, Any], index: Index) -> None:
    if len(metadata) > METADATA_KEYS.limit:
        raise invalid(METADATA_KEYS.beyond)
    if _size(metadata) > METADATA_BYTES.limit:
        raise invalid(METADATA_BYTES.beyond)
    filterable = {key: value for key, value in metadata.items() if key not in index.non_filterable}
    if _size(filterable) > FILTERABLE_BYTES.limit:
        raise invalid(FILTERABLE_BYTES.beyond)
    for key, value in metadata.items():
        if not 1 <= len(key) <= 63:
            raise invalid("a metadata key has 1 to 63 characters")
        elements = value if isinstance(value, list) else [value]
        if not all(isinstance(element, str | int | float) for element in elements):
            raise invalid(f"metadata {key}: only strings, numbers, booleans and lists of them")
        if key in index.searchable and not isinstance(value, str):
            raise invalid(f"metadata {key}: a text to be searched must be a string")


def _size(metadata: dict[str, Any]) -> int:
    return len(json.dumps(metadata, ensure_ascii=False, separators=(",", ":")).encode()) if metadata else 0


def _entry(index: Index, key: str, params: Params) -> Answer:
    vector = index.vectors[key]
    data = {"data": {"float32": vector.data.tolist()}} if params.get("returnData") else {}
    metadata = {"metadata": vector.metadata} if params.get("returnMetadata") else {}
    return {"key": key} | data | metadata


def _within_a_page(index: Index, keys: Sequence[str], params: Params) -> int:
    """Give how many of *keys*, at least one, come to less than 1 MB in the heaviest place."""
    heaviest = max((len(json.dumps(_entry(index, key, params))) for key in keys), default=1)
    return max(1, LIST_PAGE_BYTES.limit // heaviest)
