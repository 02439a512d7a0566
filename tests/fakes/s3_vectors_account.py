"""The vector buckets of an account: their indexes, modes and tags."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tests.fakes.s3_vectors_requests import Refused, invalid
from tests.fakes.s3_vectors_rules import INDEXES_PER_BUCKET, TAGS

Params = dict[str, Any]
Answer = dict[str, Any]
Named = TypeVar("Named")

ARN = "arn:aws:s3vectors:eu-central-1:123456789012:bucket"


@dataclass
class Vector:
    """A vector with its metadata."""

    data: NDArray[np.float32]
    metadata: dict[str, Any]


@dataclass
class Index:
    """An index: what was said when it was made, and its vectors by key."""

    bucket: str
    name: str
    made: Params
    mode: str
    tags: dict[str, str]
    created: float = field(default_factory=time.time)
    vectors: dict[str, Vector] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        """The index's ARN."""
        return f"{ARN}/{self.bucket}/index/{self.name}"

    @property
    def enhanced(self) -> bool:
        """Whether filters come before the search."""
        return self.mode == "ENHANCED"

    @property
    def configuration(self) -> dict[str, Any]:
        """The metadata configuration."""
        configuration: dict[str, Any] = self.made.setdefault("metadataConfiguration", {})
        return configuration

    @property
    def non_filterable(self) -> Sequence[str]:
        """The keys that cannot be filtered on."""
        return tuple(self.configuration.get("nonFilterableMetadataKeys", ()))

    @property
    def searchable(self) -> Sequence[str]:
        """The keys whose texts are searched."""
        return tuple(one["metadataKey"] for one in self.configuration.get("textSearchConfigurations", ()))

    def described(self) -> Answer:
        """Give the shape `Index`."""
        texts = [one | {"status": "ACTIVE"} for one in self.configuration.get("textSearchConfigurations", ())]
        said = {name: self.made[name] for name in ("dataType", "dimension", "distanceMetric")}
        return (
            self.summary()
            | said
            | {
                "metadataConfiguration": self.configuration | {"textSearchConfigurations": texts},
                "indexMode": self.mode,
            }
        )

    def summary(self) -> Answer:
        """Give the shape `IndexSummary`."""
        return {
            "vectorBucketName": self.bucket,
            "indexName": self.name,
            "indexArn": self.arn,
            "creationTime": self.created,
        }


@dataclass
class Bucket:
    """A vector bucket; *mode* is that of its new indexes, CLASSIC where it was made before September 30, 2026."""

    name: str
    mode: str = "ENHANCED"
    tags: dict[str, str] = field(default_factory=dict)
    created: float = field(default_factory=time.time)
    indexes: dict[str, Index] = field(default_factory=dict)

    def summary(self) -> Answer:
        """Give the shape `VectorBucketSummary`."""
        return {
            "vectorBucketName": self.name,
            "vectorBucketArn": f"{ARN}/{self.name}",
            "creationTime": self.created,
        }


class Account:
    """The buckets, and the operations on buckets, indexes and tags, each named as in the service model."""

    def __init__(self) -> None:
        self.buckets: dict[str, Bucket] = {}

    def index(self, params: Params) -> Index:
        """Give the index that *params* names, by name or ARN."""
        bucket_name, name = params.get("vectorBucketName"), params.get("indexName")
        if "indexArn" in params:
            bucket_name, _, name = params["indexArn"].removeprefix(f"{ARN}/").split("/")
        found = self.bucket({"vectorBucketName": bucket_name}).indexes.get(str(name))
        if found is None:
            raise Refused("NotFoundException", "The specified index could not be found")
        return found

    def bucket(self, params: Params) -> Bucket:
        """Give the bucket that *params* names, by name or ARN."""
        name = params.get("vectorBucketName") or params.get("vectorBucketArn", "").removeprefix(f"{ARN}/")
        found = self.buckets.get(name)
        if found is None:
            raise Refused("NotFoundException", "The specified vector bucket could not be found")
        return found

    def create_vector_bucket(self, params: Params) -> Answer:
        """CreateVectorBucket."""
        name = params["vectorBucketName"]
        if name in self.buckets:
            raise Refused("ConflictException", "A vector bucket with the specified name already exists")
        self.buckets[name] = Bucket(name, tags=dict(params.get("tags", {})))
        return {"vectorBucketArn": f"{ARN}/{name}"}

    def get_vector_bucket(self, params: Params) -> Answer:
        """GetVectorBucket."""
        bucket = self.bucket(params)
        return {"vectorBucket": bucket.summary() | {"defaultIndexMode": bucket.mode}}

    def delete_vector_bucket(self, params: Params) -> Answer:
        """DeleteVectorBucket."""
        bucket = self.bucket(params)
        if bucket.indexes:
            raise Refused("ConflictException", "The specified vector bucket is not empty")
        del self.buckets[bucket.name]
        return {}

    def list_vector_buckets(self, params: Params) -> Answer:
        """ListVectorBuckets."""
        found = [bucket.summary() for name, bucket in sorted(self.buckets.items()) if _begins(name, params)]
        page, token = paged(found, params, 500)
        return {"vectorBuckets": page} | token

    def put_vector_bucket_default_index_mode(self, params: Params) -> Answer:
        """PutVectorBucketDefaultIndexMode."""
        self.bucket(params).mode = params["defaultIndexMode"]
        return {}

    def create_index(self, params: Params) -> Answer:
        """CreateIndex."""
        bucket, name = self.bucket(params), params["indexName"]
        if name in bucket.indexes:
            raise Refused("ConflictException", "An index with the specified name already exists")
        if len(bucket.indexes) >= INDEXES_PER_BUCKET.limit:
            raise Refused("ServiceQuotaExceededException", INDEXES_PER_BUCKET.beyond)
        texts = params.get("metadataConfiguration", {}).get("textSearchConfigurations", [])
        if len({one["metadataKey"] for one in texts}) != len(texts):
            raise invalid("a metadata key has at most one text search configuration")
        made = Index(bucket.name, name, dict(params), bucket.mode, dict(params.get("tags", {})))
        bucket.indexes[name] = made
        return {"indexArn": made.arn}

    def get_index(self, params: Params) -> Answer:
        """GetIndex."""
        return {"index": self.index(params).described()}

    def delete_index(self, params: Params) -> Answer:
        """DeleteIndex."""
        index = self.index(params)
        del self.buckets[index.bucket].indexes[index.name]
        return {}

    def list_indexes(self, params: Params) -> Answer:
        """ListIndexes."""
        found = [one.summary() for name, one in sorted(self.bucket(params).indexes.items()) if _begins(name, params)]
        page, token = paged(found, params, 500)
        return {"indexes": page} | token

    def update_index_mode(self, params: Params) -> Answer:
        """UpdateIndexMode."""
        self.index(params).mode = params["indexMode"]
        return {}

    def tag_resource(self, params: Params) -> Answer:
        """TagResource."""
        tags = self._tags(params)
        if len(tags | params["tags"]) > TAGS.limit:
            raise Refused("ConflictException", TAGS.beyond)
        tags.update(params["tags"])
        return {}

    def untag_resource(self, params: Params) -> Answer:
        """UntagResource."""
        for key in params["tagKeys"]:
            self._tags(params).pop(key, None)
        return {}

    def list_tags_for_resource(self, params: Params) -> Answer:
        """ListTagsForResource."""
        return {"tags": self._tags(params)}

    def _tags(self, params: Params) -> dict[str, str]:
        arn = params["resourceArn"]
        if not arn.startswith(f"{ARN}/"):
            raise Refused("NotFoundException", "The specified resource could not be found")
        return self.index({"indexArn": arn}).tags if "/index/" in arn else self.bucket({"vectorBucketArn": arn}).tags


def paged(found: Sequence[Named], params: Params, size: int) -> tuple[Sequence[Named], Answer]:
    """Give the page of *found* that *params* asks for, and the token of the next one where there is one."""
    start, size = _position(params), params.get("maxResults", size)
    rest = len(found) > start + size
    return found[start : start + size], {"nextToken": _token(params, start + size)} if rest else {}


def _token(params: Params, position: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([_asked(params), position]).encode()).decode()


def _position(params: Params) -> int:
    if "nextToken" not in params:
        return 0
    try:
        asked, position = json.loads(base64.urlsafe_b64decode(params["nextToken"]))
    except ValueError as error:
        raise invalid("the token is none of this service") from error
    if asked != _asked(params):
        raise invalid("the token is of another request")
    return int(position)


def _asked(params: Params) -> int:
    """Tell one request from another, whatever page of it is asked for."""
    rest = {name: value for name, value in params.items() if name not in ("nextToken", "maxResults")}
    return sum(json.dumps(rest, sort_keys=True).encode())


def _begins(name: str, params: Params) -> bool:
    return name.startswith(params.get("prefix", ""))
