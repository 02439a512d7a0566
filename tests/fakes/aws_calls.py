"""What each process asks of AWS, as IAM names it: who, which action, and on which family of things."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from tests.fakes.aws_border import holder_of

_SERVICES = {"DynamoDB_20120810": "dynamodb", "AmazonSQS": "sqs", "secretsmanager": "secretsmanager"}
_PARTS = {"Put": "PutItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
_CREDENTIAL = re.compile(r"Credential=([^/%]+)(?:/|%2F)")

Call = tuple[str, str]
"""An IAM action, and the family of what it is done to: a table or queue or bucket without the platform's prefix."""


@dataclass
class Calls:
    """The calls *of* each role, whoever signs with an access key of that name; *own* are not narrowed to a tenant."""

    of: dict[str, set[Call]] = field(default_factory=dict)
    own: dict[str, set[Call]] = field(default_factory=dict)

    def note(self, environ: Mapping[str, Any], body: bytes) -> None:
        """Note a request to the server."""
        self._note(environ.get("HTTP_AUTHORIZATION", "") + environ["QUERY_STRING"], set(_calls(environ, body)))

    def note_vectors(self, signature: str, operation: str, params: Mapping[str, Any]) -> None:
        """Note a request to S3 Vectors; who searches by filter or for data gets vectors too."""
        calls = {(f"s3vectors:{operation}", "vectors" if operation == "ListIndexes" else "index")}
        if operation == "QueryVectors" and (params.get("returnMetadata") or "filter" in params):
            calls.add(("s3vectors:GetVectors", "index"))
        self._note(signature, calls)

    def _note(self, signature: str, calls: set[Call]) -> None:
        role = _CREDENTIAL.search(signature)
        if role is None:
            return
        holder = holder_of(role[1])
        self.of.setdefault(holder or role[1], set()).update(calls)
        if holder is None:
            self.own.setdefault(role[1], set()).update(calls)


def _calls(environ: Mapping[str, Any], body: bytes) -> Iterator[Call]:
    target, _, operation = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
    service = _SERVICES.get(target)
    if service == "dynamodb":
        yield from _on_tables(operation, json.loads(body))
    elif service is not None:
        yield f"{service}:{operation}", _family(json.loads(body))
    elif "/sts/" in environ.get("HTTP_AUTHORIZATION", ""):
        yield "sts:AssumeRole", "role"
    elif not target and "/s3/" in environ.get("HTTP_AUTHORIZATION", "") + environ["QUERY_STRING"].replace("%2F", "/"):
        yield _on_bucket(environ)


def _on_tables(operation: str, asked: Mapping[str, Any]) -> Iterator[Call]:
    for part in asked.get("TransactItems", ()):
        for kind, given in part.items():
            yield f"dynamodb:{_PARTS[kind]}", _named(given["TableName"])
    for table in asked.get("RequestItems", ()):
        yield f"dynamodb:{operation}", _named(table)
    if "TableName" in asked:
        index = "/index" if "IndexName" in asked else ""
        yield f"dynamodb:{operation}", _named(asked["TableName"]) + index


def _on_bucket(environ: Mapping[str, Any]) -> Call:
    _, bucket, *path = environ["PATH_INFO"].split("/", 2)
    query = parse_qs(environ["QUERY_STRING"], keep_blank_values=True)
    action = {"GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject", "POST": "PutObject"}
    if environ["REQUEST_METHOD"] == "DELETE":
        return f"s3:{'AbortMultipartUpload' if 'uploadId' in query else 'DeleteObject'}", _named(bucket)
    if "delete" in query:
        return "s3:DeleteObject", _named(bucket)
    if not any(path):
        return "s3:ListBucket", _named(bucket)
    return f"s3:{action[environ['REQUEST_METHOD']]}", _named(bucket)


def _family(asked: Mapping[str, Any]) -> str:
    if "QueueUrl" in asked or "QueueName" in asked:
        return _named(str(asked.get("QueueUrl") or asked["QueueName"]).rpartition("/")[2])
    return str(asked.get("SecretId") or asked.get("Name")).rpartition("/")[2]


def _named(name: str) -> str:
    return re.sub(r"^t\d+-", "", name)
