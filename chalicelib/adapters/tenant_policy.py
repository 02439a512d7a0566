"""What credentials may do that are to work for one tenant: an IAM session policy, made by one pure function."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.access import Tenant
from chalicelib.repositories import keys

MAX_CHARACTERS = 2_048
"""AWS takes no longer session policy."""

_ROWS = ("BatchGetItem", "ConditionCheckItem", "DeleteItem", "GetItem", "PutItem", "Query")
_BLOBS = ("AbortMultipartUpload", "DeleteObject", "GetObject", "PutObject")
_INDEXES = ("CreateIndex", "DeleteIndex", "GetIndex", "ListTagsForResource", "TagResource", "UpdateIndexMode")
_VECTORS = ("DeleteVectors", "GetVectors", "ListVectors", "PutVectors", "QueryVectors")
_KEYS = ("Decrypt", "GenerateDataKey")


@dataclass(frozen=True, slots=True)
class Places:
    """Where a platform keeps its tenants' data: the *partition* is AWS's (``aws``, ``aws-cn``), not a table's."""

    region: str
    account: str
    table_prefix: str
    buckets: Sequence[str]
    vector_bucket: str | None = None
    partition: str = "aws"


def session_policy(tenant: Tenant, places: Places) -> str:
    """
    Give the policy that narrows a role to *tenant*'s rows, blobs and search indexes, as JSON.

    It takes away and never gives: what the role itself may not do stays forbidden. What belongs to no tenant, such as
    API keys, queues and secrets, it leaves out. Scans, and queries that name no partition, are refused.
    """
    statements = [_rows(tenant, places), *_blobs(tenant, places), _allow("kms", _KEYS, ["*"])]
    if places.vector_bucket is not None:
        statements.append(_vectors(tenant, places, places.vector_bucket))
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))


def _rows(tenant: Tenant, places: Places) -> dict[str, Any]:
    tables = f"arn:{places.partition}:dynamodb:{places.region}:{places.account}:table/{places.table_prefix}*"
    condition = {
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": [keys.rows_of_tenant(tenant) + "*"]},
        "Null": {"dynamodb:LeadingKeys": "false"},  # a request without keys fulfils any condition for all of them
    }
    return _allow("dynamodb", _ROWS, [tables]) | {"Condition": condition}


def _blobs(tenant: Tenant, places: Places) -> list[dict[str, Any]]:
    buckets = [f"arn:{places.partition}:s3:::{bucket}" for bucket in places.buckets]
    prefix = keys.blobs_of_tenant(tenant)
    listing = _allow("s3", ("ListBucket",), buckets) | {"Condition": {"StringLike": {"s3:prefix": prefix + "*"}}}
    return [_allow("s3", _BLOBS, [f"{bucket}/{prefix}*" for bucket in buckets]), listing]


def _vectors(tenant: Tenant, places: Places, bucket: str) -> dict[str, Any]:
    place = f"arn:{places.partition}:s3vectors:{places.region}:{places.account}:bucket/{bucket}"
    indexes = f"{place}/index/{keys.vector_indexes_of_tenant(tenant)}*"
    return _allow("s3vectors", _INDEXES + _VECTORS, [indexes])


def _allow(service: str, actions: Sequence[str], resources: Sequence[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": [f"{service}:{action}" for action in actions], "Resource": list(resources)}
