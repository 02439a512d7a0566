"""What AWS refuses of a request whose credentials a session policy narrows; moto takes any credentials for anything."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote
from xml.etree import ElementTree as ET

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.sts.models import sts_backends

from tests.fakes.iam import Context, allows

_CREDENTIAL = re.compile(r"Credential=([^/%]+)(?:/|%2F)[0-9]{8}(?:/|%2F)([^/%]+)")
_PARTS = {"Put": "PutItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
_ON_OBJECTS = {"GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject", "POST": "PutObject"}

Asked = tuple[str, str, Context]
"""An action, a resource, and the condition keys of the request."""
Refusal = tuple[str, list[tuple[str, str]], list[bytes]]


def refusal(environ: Mapping[str, Any], body: bytes) -> Refusal | None:
    """Give AWS's answer to a request that its credentials are too narrow for, or None."""
    policy, region = _policy(environ)
    if policy is None or all(allows(policy, *one) for one in _asked(environ, body, region)):
        return None
    return _denied(environ)


def refuses_vectors(signature: str, operation: str, place: Mapping[str, Any]) -> bool:
    """Say whether the credentials that *signature* names are too narrow for an operation of S3 Vectors at *place*."""
    found = _CREDENTIAL.search(signature)
    policy = policy_of(found[1]) if found else None
    if found is None or policy is None:
        return False
    bucket = f"arn:aws:s3vectors:{found[2]}:{DEFAULT_ACCOUNT_ID}:bucket/{place.get('vectorBucketName')}"
    index = place.get("indexArn") or place.get("resourceArn") or f"{bucket}/index/{place.get('indexName')}"
    return not allows(policy, f"s3vectors:{operation}", bucket if operation == "ListIndexes" else index, {})


def as_told(environ: Mapping[str, Any], status: str) -> Refusal | None:
    """Give what S3 says of a missing object to those who may not list the whole bucket, or None to let be."""
    policy, _ = _policy(environ)
    if policy is None or not status.startswith("404") or not _is_s3(environ):
        return None
    bucket = environ["PATH_INFO"].split("/")[1]
    return None if allows(policy, "s3:ListBucket", f"arn:aws:s3:::{bucket}", {}) else _denied(environ)


def policy_of(access_key: str) -> str | None:
    """Give the session policy of credentials that came of `AssumeRole`, or None."""
    given = sts_backends[DEFAULT_ACCOUNT_ID]["aws"].assumed_roles
    return next((role.policy for role in given if role.access_key_id == access_key), None)


def holder_of(access_key: str) -> str | None:
    """Give the name of the role whose credentials came of `AssumeRole`, or None."""
    given = sts_backends[DEFAULT_ACCOUNT_ID]["aws"].assumed_roles
    return next((role.role_arn.rpartition("/")[2] for role in given if role.access_key_id == access_key), None)


def _policy(environ: Mapping[str, Any]) -> tuple[str | None, str]:
    found = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", "") + environ["QUERY_STRING"])
    return (policy_of(found[1]), found[2]) if found else (None, "")


def _denied(environ: Mapping[str, Any]) -> Refusal:
    if not _is_s3(environ):
        answer = b'{"__type": "AccessDeniedException", "Message": "refused"}'
        return "400 Bad Request", [("Content-Type", "application/x-amz-json-1.0")], [answer]
    answer = b"" if environ["REQUEST_METHOD"] == "HEAD" else b"<Error><Code>AccessDenied</Code></Error>"
    return "403 Forbidden", [("Content-Type", "application/xml")], [answer]


def _is_s3(environ: Mapping[str, Any]) -> bool:
    signed = environ.get("HTTP_AUTHORIZATION", "") + unquote(environ["QUERY_STRING"])
    return "HTTP_X_AMZ_TARGET" not in environ and "/s3/" in signed


def _asked(environ: Mapping[str, Any], body: bytes, region: str) -> Iterator[Asked]:
    target, _, operation = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
    if target == "DynamoDB_20120810":
        yield from _of_tables(operation, json.loads(body), f"arn:aws:dynamodb:{region}:{DEFAULT_ACCOUNT_ID}:table/")
    elif _is_s3(environ):
        yield from _of_bucket(environ, body)
    else:
        yield operation or "unknown", "unknown", {}


def _of_tables(operation: str, asked: Mapping[str, Any], tables: str) -> Iterator[Asked]:
    for part in asked.get("TransactItems", ()):
        for kind, given in part.items():
            yield f"dynamodb:{_PARTS[kind]}", tables + given["TableName"], _leading(given)
    for table, given in asked.get("RequestItems", {}).items():
        leading = {"dynamodb:LeadingKeys": [key["pk"]["S"] for key in given["Keys"]]}
        yield f"dynamodb:{operation}", tables + table, leading
    if "TableName" in asked:
        index = f"/index/{asked['IndexName']}" if "IndexName" in asked else ""
        yield f"dynamodb:{operation}", tables + asked["TableName"] + index, _leading(asked)


def _leading(asked: Mapping[str, Any]) -> Context:
    """Give the partition key that one operation names; a query's is the first value of its condition."""
    named = asked.get("Key") or asked.get("Item")
    if named is not None:
        return {"dynamodb:LeadingKeys": [named["pk"]["S"]]}
    if "KeyConditionExpression" in asked:
        return {"dynamodb:LeadingKeys": [asked["ExpressionAttributeValues"][":p"]["S"]]}
    return {}


def _of_bucket(environ: Mapping[str, Any], body: bytes) -> Iterator[Asked]:
    _, bucket, *rest = environ["PATH_INFO"].split("/", 2)
    query, path = parse_qs(environ["QUERY_STRING"], keep_blank_values=True), "".join(rest)
    arn = f"arn:aws:s3:::{bucket}"
    if "delete" in query:
        for key in ET.fromstring(body).iterfind(".//{*}Key"):
            yield "s3:DeleteObject", f"{arn}/{key.text}", {}
    elif not path:
        yield "s3:ListBucket", arn, {"s3:prefix": query["prefix"]} if "prefix" in query else {}
    elif environ["REQUEST_METHOD"] == "DELETE":
        yield f"s3:{'AbortMultipartUpload' if 'uploadId' in query else 'DeleteObject'}", f"{arn}/{path}", {}
    else:
        yield f"s3:{_ON_OBJECTS[environ['REQUEST_METHOD']]}", f"{arn}/{path}", {}
