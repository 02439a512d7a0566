"""
What each process asks of AWS, and whether its role lets it do that and nothing else.

A call is an IAM action and the family of what it is done to: a table, bucket, queue or secret without the platform's
prefix. What `tests/e2e/test_many_processes.py` records must be among them, and so must whatever a role allows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from chalicelib.ports.table import TableName
from infra.expanded_templates import ROOT, named, of_type

RECORD = ROOT / "tests" / "data" / "aws_calls.json"
ROLES = ("ingestion", "embedding", "retrieval", "generation", "gateway", "edge")

Call = tuple[str, str]

_READ = ("dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query")
_WRITE = ("dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem")
_ANY = "*"
_INDEX = "/index"
_TABLES = tuple(table.value for table in TableName)
_OWN_ROLE = {("sts:AssumeRole", "role")}
_KEYS = ("secretsmanager:GetSecretValue", "secretsmanager:CreateSecret")


def _calls(actions: Iterable[str], families: Iterable[str]) -> set[Call]:
    return {(action, family) for action in actions for family in families}


def _rows(read: Iterable[str], written: Iterable[str]) -> set[Call]:
    read = list(read)
    found = _calls(_READ, read) | _calls(["dynamodb:Query"], [f"{table}{_INDEX}" for table in read])
    return found | _calls(_WRITE, written)


_INGESTED = ("documents", "chunks", "indexes", "jobs", "runs", "feedback")

CALLS: Mapping[str, set[Call]] = {
    # Search indexes are in S3 Vectors or, by pg8000, in PostgreSQL; a role has what one of them takes.
    "ingestion": _OWN_ROLE
    | _calls(["rds-db:connect"], ["writer"])
    | _rows(_INGESTED, _INGESTED)
    | _calls(
        ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListBucket"],
        ["raw", "chunks", "imports"],
    )
    | _calls(
        ["sqs:SendMessage", "sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage"], ["ingestion"]
    )
    | _calls(["sqs:GetQueueAttributes"], ["ingestion", "ingestion-dead"])
    | _calls(["sqs:GetQueueUrl"], ["ingestion-dead"])
    | _calls(["cloudwatch:GetMetricStatistics"], [_ANY])
    | _calls(
        [
            *("s3vectors:CreateIndex", "s3vectors:DeleteIndex", "s3vectors:GetIndex", "s3vectors:UpdateIndexMode"),
            *("s3vectors:TagResource", "s3vectors:ListTagsForResource", "s3vectors:PutVectors", "s3vectors:GetVectors"),
            *("s3vectors:DeleteVectors", "s3vectors:ListVectors"),
        ],
        ["index"],
    )
    | _calls(["s3vectors:ListIndexes"], ["vectors"])
    | _calls(_KEYS, ["identity-key"]),
    "embedding": _calls(_KEYS, ["identity-key"]),
    "retrieval": _OWN_ROLE
    | _calls(["rds-db:connect"], ["reader"])
    | _rows(["documents", "chunks", "indexes", "runs", "config"], ["indexes", "runs", "config"])
    | _calls(
        ["s3vectors:GetIndex", "s3vectors:ListTagsForResource", "s3vectors:QueryVectors", "s3vectors:GetVectors"],
        ["index"],
    )
    | _calls(_KEYS, ["identity-key"]),
    "generation": _OWN_ROLE
    | _rows(["indexes", "runs", "config"], ["runs", "config"])
    | _calls(["bedrock:ApplyGuardrail"], ["guardrail"])
    | _calls(_KEYS, ["identity-key", "feedback-key"]),
    "gateway": _OWN_ROLE
    | _rows(["config", "ledger"], ["ledger"])
    | _calls(_KEYS, ["identity-key"])
    | _calls(["secretsmanager:GetSecretValue"], ["provider"])
    # LiteLLM makes these, not boto3.
    | _calls(["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"], ["model"]),
    "edge": _OWN_ROLE
    | _rows(_TABLES, ["feedback", "config", "audit", "indexes", "runs", "jobs"])
    | _calls(["s3:GetObject", "s3:ListBucket"], ["raw"])
    | _calls(["sqs:GetQueueAttributes"], ["ingestion", "ingestion-dead"])
    | _calls(["sqs:GetQueueUrl"], ["ingestion-dead"])
    | _calls(["cloudwatch:GetMetricStatistics", "xray:BatchGetTraces"], [_ANY])
    | _calls(_KEYS, ["identity-key", "feedback-key"]),
}


def compared() -> list[str]:
    """Say where roles, calls and the record differ: what is not allowed, and what is allowed and never called."""
    found: list[str] = []
    for role in ROLES:
        may = set(_allowed(role))
        found += [
            f"{role} calls {action} on {family}, which its role does not allow"
            for action, family in sorted(CALLS[role] - may)
        ]
        found += [
            f"{role} may {action} on {family}, which it never calls" for action, family in sorted(may - CALLS[role])
        ]
        unforeseen = recorded(role) - CALLS[role]
        found += [
            f"{role} called {action} on {family} in a test, which nobody foresaw"
            for action, family in sorted(unforeseen)
        ]
    return found


def summary() -> Iterator[str]:
    """Give a line for each role: how many calls, allowed and seen."""
    for role in ROLES:
        seen = recorded(role)
        allowed = len(set(_allowed(role)))
        yield f"{role:11} {len(CALLS[role]):3} calls, {allowed:3} allowed, {len(seen):3} of them seen in the tests"


def recorded(role: str) -> set[Call]:
    """Give the calls that the tests saw a process make."""
    if not RECORD.exists():
        return set()
    noted = json.loads(RECORD.read_text(encoding="utf-8")).get(role, ())
    return {(action, _recorded_family(family)) for action, _, family in (call.partition(" ") for call in noted)}


def _recorded_family(family: str) -> str:
    return re.sub(r"^(provider|feedback-key)-.*", r"\1", family)


def _allowed(role: str) -> Iterator[Call]:
    for statement in _statements(role):
        actions, resources = _listed(statement["Action"]), _listed(statement["Resource"])
        for resource in resources:
            for family in _families(resource):
                yield from ((action, family) for action in actions if _fits(action, family))


def _statements(role: str) -> Iterator[Mapping[str, Any]]:
    """Give what the process itself may do; the key and what sends traces are the same for all of them."""
    if role == "edge":
        policies = named("edge")["Resources"]["EdgeRole"]["Properties"]["Policies"]
        documents = [one["PolicyDocument"] for one in policies if one["PolicyName"] == "edge"]
    else:
        policies = of_type("services", "AWS::IAM::Policy").values()
        own = [one for one in policies if {"Ref": f"{role.capitalize()}Role"} in one["Properties"]["Roles"]]
        shared = of_type("services", "AWS::IAM::ManagedPolicy")["KeysPolicy"]
        documents = [one["Properties"]["PolicyDocument"] for one in (*own, shared)]
    for document in documents:
        yield from (one for one in document["Statement"] if not str(one["Action"]).count("kms:"))


_PLACES = (
    (re.compile(r"table/\$\{Name\}-(\w+)/index/\*"), r"\1" + _INDEX),
    (re.compile(r"table/\$\{Name\}-(\w+)$"), r"\1"),
    (re.compile(r"secret:\$\{Name\}/([a-z-]+)-\*"), r"\1"),
    (re.compile(r"bucket/\$\{VectorBucket\}/index/\*"), "index"),
    (re.compile(r"bucket/\$\{VectorBucket\}$"), "vectors"),
    (re.compile(r":role/\$\{Name\}-\$\{AWS::Region\}-\w+$"), "role"),
    (re.compile(r"^PostgresWriterArn$"), "writer"),
    (re.compile(r"^PostgresReaderArn$"), "reader"),
    (re.compile(r"bedrock:.*:guardrail/\*"), "guardrail"),
    (re.compile(r"bedrock:.*"), "model"),
)


def _families(resource: Any) -> Iterator[str]:
    text = resource if isinstance(resource, str) else resource.get("Fn::Sub") or resource["Ref"]
    if text == "*":
        yield _ANY
    elif text.endswith("table/${Name}-*"):
        yield from (each + index for each in _TABLES for index in ("", _INDEX))
    elif bucket := re.search(r":::\$\{(\w+)Bucket\}(/\*)?$", text):
        yield bucket[1].lower()
    elif queue := re.fullmatch(r"(\w+?)(Dead)?QueueArn", text):
        yield queue[1].lower() + ("-dead" if queue[2] else "")
    else:
        yield next(found.expand(form) for place, form in _PLACES if (found := place.search(text)))


def _fits(action: str, family: str) -> bool:
    return action == "dynamodb:Query" or not family.endswith(_INDEX)  # only a query asks an index


def _listed(given: Any) -> list[Any]:
    return given if isinstance(given, list) else [given]


def called_by_adapters(folders: Iterable[Path]) -> set[str]:
    """Give the names of boto3's methods that the source of adapters calls on a client."""
    pattern = re.compile(r"\b(?:_?client|_metrics|client\(\"xray\"\)\))\.([a-z_]+)\(")
    texts = [path.read_text(encoding="utf-8") for folder in folders for path in folder.glob("*.py")]
    return {name for text in texts for name in pattern.findall(text)}
