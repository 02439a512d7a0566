"""
Whether the role of each process lets it do what it was seen to ask of AWS, and nothing else.

A call is an IAM action and the family of what it is done to: a table, bucket, queue or secret without the platform's
prefix. `tests/e2e/test_many_processes.py` records calls; what a role allows beside them has a reason here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from chalicelib.ports.table import TableName
from infra.expanded_templates import ROOT, named, of_type

RECORD = ROOT / "tests" / "data" / "aws_calls.json"
ROLES = ("ingestion", "embedding", "retrieval", "generation", "gateway", "edge")

Call = tuple[str, str]

_ANY = "*"
_INDEX = "/index"
_TABLES = tuple(table.value for table in TableName)

_LOST = "asked after a write whose answer got lost"
_POSTGRES = "the search database signs in by pg8000, where VectorStore=pgvector"
_ALARM = "moto has no ages of messages: asked where a queue holds some"
_ABORT = "an upload in parts that fails is given up"
_MODEL = "LiteLLM calls it, not boto3"

REASONED: Mapping[str, Mapping[Call, str]] = {
    "ingestion": {
        ("cloudwatch:GetMetricStatistics", _ANY): _ALARM,
        ("s3:AbortMultipartUpload", "raw"): _ABORT,
        ("s3:AbortMultipartUpload", "chunks"): _ABORT,
        ("s3:AbortMultipartUpload", "imports"): _ABORT,
        ("s3:GetObject", "chunks"): "an index is built anew from texts that were parsed before",
        ("s3vectors:UpdateIndexMode", "index"): "an index that was made without hybrid search is given it",
        ("sqs:ChangeMessageVisibility", "ingestion"): "work that takes long, and work that failed",
        ("rds-db:connect", "writer"): _POSTGRES,
    },
    "embedding": {},
    "retrieval": {
        ("dynamodb:GetItem", "documents"): "a passage is asked for by its document",
        ("rds-db:connect", "reader"): _POSTGRES,
    },
    "generation": {
        ("bedrock:ApplyGuardrail", "guardrail"): "moto has no guardrails; tests/fakes/bedrock.py has",
        ("dynamodb:GetItem", "runs"): "answers given before, where a release remembers them",
    },
    "gateway": {
        ("bedrock:InvokeModel", "model"): _MODEL,
        ("bedrock:InvokeModelWithResponseStream", "model"): _MODEL,
        ("dynamodb:DeleteItem", "ledger"): "what was set aside of a budget and is settled or given back",
        ("dynamodb:GetItem", "config"): "API keys of those who call it as they call OpenAI",
        ("dynamodb:GetItem", "ledger"): _LOST,
    },
    "edge": {
        ("cloudwatch:GetMetricStatistics", _ANY): _ALARM,
        ("dynamodb:BatchGetItem", "feedback"): "feedback on one run, and what an embedded widget sends",
        ("s3:GetObject", "raw"): "whoever opens a link that the edge signed",
        (
            "secretsmanager:CreateSecret",
            "feedback-key",
        ): "a token for feedback is asked for before any answer was given",
        ("secretsmanager:GetSecretValue", "feedback-key"): "feedback that comes with a token instead of a key",
        ("xray:BatchGetTraces", _ANY): "moto has no traces to read; tests/fakes/xray_daemon.py takes them",
    },
}
"""What a role allows although no test of many processes sees it: why."""


def compared() -> list[str]:
    """Say where roles and tests differ: what is not allowed, and what is, though neither seen nor reasoned."""
    found: list[str] = []
    for role in ROLES:
        may, seen, reasoned = set(_allowed(role)), recorded(role), set(REASONED[role])
        for calls, said in (
            (seen - may, "calls {} on {}, which its role does not allow"),
            (may - seen - reasoned, "may {} on {}, which no test sees and no reason is given for"),
            (reasoned & seen, "was seen to call {} on {}: its reason can go"),
            (reasoned - may, "has a reason for {} on {}, which its role does not allow"),
        ):
            found += [f"{role} {said.format(*call)}" for call in sorted(calls)]
    return found


def summary() -> Iterator[str]:
    """Give a line for each role: how many calls it allows, how many of them were seen, and how many have a reason."""
    for role in ROLES:
        allowed, seen = len(set(_allowed(role))), len(recorded(role))
        yield f"{role:11} {allowed:3} calls allowed, {seen:3} seen in the tests, {len(REASONED[role]):2} with a reason"


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
