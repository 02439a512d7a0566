"""The journey on one process, and on as many as AWS would run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chalicelib.client.api import Client
from fargate.bootstrap import SERVICES
from tests.e2e import journey
from tests.e2e.processes import ROOT, processes
from tests.fakes.aws import Aws

CALLS = ROOT / "tests" / "data" / "aws_calls.json"
"""What each process asks of AWS, by IAM's names; the templates' roles are held to it."""

OVER_ALL_TENANTS = {
    ("dynamodb:GetItem", "config"),
    ("dynamodb:PutItem", "config"),
    ("dynamodb:PutItem", "audit"),
    ("dynamodb:Query", "jobs/index"),
    ("s3:PutObject", "raw"),
    ("s3:PutObject", "imports"),
}
"""
All that is asked of tables and buckets by the services' own credentials: API keys, who made them, what work is due, and
what a presigned URL lets a client do.
"""


@pytest.mark.drill
def test_one_process_goes_the_way(client: Client, tmp_path: Path) -> None:
    """The reference."""
    journey.go(client, tmp_path)


@pytest.mark.drill
def test_many_processes_go_the_same_way(aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody who calls can tell how many there are; and none asks of AWS what it is not known to ask."""
    with processes(aws, tmp_path, monkeypatch) as running, running.client() as client:
        journey.go(client, tmp_path, running.tell_of_uploads)
    own = {call for role in (*SERVICES, "edge") for call in aws.calls.own[role]}
    assert {call for call in own if call[0].startswith(("dynamodb:", "s3:"))} == OVER_ALL_TENANTS
    known = json.loads(CALLS.read_text())
    asked = {role: {" ".join(call) for call in calls} for role, calls in aws.calls.of.items() if role in known}
    assert {role: sorted(calls - set(known[role])) for role, calls in asked.items()} == {role: [] for role in asked}
