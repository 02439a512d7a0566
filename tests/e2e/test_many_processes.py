"""The journey on one process, and on as many as AWS would run: each service, the edge, and stores behind AWS's APIs."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID

from chalicelib.bootstrap import core
from chalicelib.client.api import Client
from chalicelib.domain.access import Tenant
from chalicelib.domain.acting import act_for
from chalicelib.domain.identifiers import TenantId
from chalicelib.ports.blobs import Bucket
from chalicelib.ports.queue import QueueName
from chalicelib.repositories import keys
from chalicelib.repositories.credentials import ApiKeys
from chalicelib.settings import Settings
from fargate.bootstrap import SERVICES
from fargate.standalone.first_start import ensure_admin_key
from tests.e2e import journey
from tests.e2e.running import START_S, free_port
from tests.fakes.aws import Aws
from tests.fakes.path_router import PathRouter
from tests.fakes.s3_vectors_server import s3_vectors_server
from tests.fakes.serving import serving

ROOT = Path(__file__).parents[2]
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

ACME = Tenant(TenantId("acme"))

Started = tuple[subprocess.Popen[bytes], Path]
"""A process, and the file it writes to."""


@pytest.mark.drill
def test_one_process_goes_the_way(client: Client, tmp_path: Path) -> None:
    """The reference."""
    journey.go(client, tmp_path)


@dataclass(frozen=True)
class Processes:
    """A platform of many processes: its *address*, and the *environment* that all of them have."""

    address: str
    environment: dict[str, str]
    folder: Path

    @contextlib.contextmanager
    def client(self) -> Iterator[Client]:
        """Give a client of an administrator."""
        with core(Settings.from_env(self.environment)) as base:
            key = ensure_admin_key(self.folder, ACME, ApiKeys(base.table), base.clock)
        with contextlib.closing(Client(self.address, key.credential, timeout_s=60)) as client:
            yield client

    def tell_of_uploads(self) -> None:
        """Queue what EventBridge's rule makes of S3's events: one for every raw blob."""
        with core(Settings.from_env(self.environment)) as base:
            with act_for(ACME):
                paths = [info.key.path for info in base.blobs.list(Bucket.RAW, keys.blobs_of_tenant(ACME))]
            for path in paths:
                base.queue.send(QueueName.INGESTION, {"uploaded": path})


@pytest.fixture
def processes(aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Processes]:
    """Start every service and the edge, behind a router by path."""
    ports = {name: free_port() for name in (*SERVICES, "edge")}
    addresses = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    router = PathRouter({name: addresses[name] for name in SERVICES} | {"v1": addresses["edge"]})
    with s3_vectors_server(calls=aws.calls) as vectors, serving(router) as address, contextlib.ExitStack() as running:
        vectors.client.create_vector_bucket(vectorBucketName="vectors")
        environment = aws.platform() | {
            "AWS_ENDPOINT_URL_S3VECTORS": vectors.url,
            "RAGSTONE_VECTORS": "s3vectors",
            "RAGSTONE_VECTOR_BUCKET": "vectors",
            "RAGSTONE_DATA_DIR": str(tmp_path / "unused"),
            **{f"RAGSTONE_{name.upper()}_URL": address for name in SERVICES},
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        started = []
        for name in SERVICES:
            # A service has no URL of its own: it is the one that the others find there.
            own = {"RAGSTONE_PORT": str(ports[name]), f"RAGSTONE_{name.upper()}_URL": ""} | _role(name)
            service = _process(["-m", "fargate", name], environment, own, tmp_path / f"{name}.log")
            started.append(running.enter_context(service))
        edge = ["-m", "tests.e2e.edge_process", address, str(ports["edge"])]
        own = {"PYTHONPATH": f"{ROOT}:{ROOT / 'app'}"} | _role("edge")
        started.append(running.enter_context(_process(edge, environment, own, tmp_path / "edge.log")))
        _wait_until_all_answer(
            started, [f"{addresses[name]}/{name}" for name in SERVICES] + [f"{addresses['edge']}/v1"]
        )
        yield Processes(address, environment, tmp_path)
        assert not (tmp_path / "unused").exists()


@pytest.mark.drill
def test_many_processes_go_the_same_way(processes: Processes, aws: Aws, tmp_path: Path) -> None:
    """Nobody who calls can tell how many there are; and none asks of AWS what it is not known to ask."""
    with processes.client() as client:
        journey.go(client, tmp_path, processes.tell_of_uploads)
    own = {call for role in (*SERVICES, "edge") for call in aws.calls.own[role]}
    assert {call for call in own if call[0].startswith(("dynamodb:", "s3:"))} == OVER_ALL_TENANTS
    known = json.loads(CALLS.read_text())
    asked = {role: {" ".join(call) for call in calls} for role, calls in aws.calls.of.items() if role in known}
    assert {role: sorted(calls - set(known[role])) for role, calls in asked.items()} == {role: [] for role in asked}


def _role(name: str) -> dict[str, str]:
    """Give the credentials of a role; for a tenant's things, the process takes that very role on, narrowed to it."""
    arn = f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:role/{name}"
    return {"AWS_ACCESS_KEY_ID": name, "RAGSTONE_TENANT_ROLE_ARN": arn}


@contextlib.contextmanager
def _process(arguments: list[str], shared: dict[str, str], own: dict[str, str], log: Path) -> Iterator[Started]:
    """Run a process while the context lasts; it must end by itself when it is told to."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RAGSTONE_")}
    environment = {name: value for name, value in (inherited | shared | own).items() if value}
    with log.open("wb") as lines:
        process = subprocess.Popen(
            [sys.executable, *arguments], env=environment, cwd=ROOT, stdout=lines, stderr=subprocess.STDOUT
        )
        try:
            yield process, log
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=30)
            finally:
                process.kill()
    assert process.returncode in {0, -signal.SIGTERM}, log.read_text()


def _wait_until_all_answer(started: list[Started], addresses: list[str]) -> None:
    ends = time.monotonic() + START_S
    for (process, log), address in zip(started, addresses, strict=True):
        while not _answers(address):
            ended = process.poll() is not None or time.monotonic() > ends
            assert not ended, f"{address} does not answer: {log.read_text()}"
            time.sleep(0.1)


def _answers(address: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/health", timeout=5) as answer:
        return bool(answer.status == 200)
    return False
