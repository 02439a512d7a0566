"""A platform of as many processes as AWS would run: each service, the edge, and stores behind AWS's APIs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
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
from tests.e2e.running import START_S, free_port
from tests.fakes.aws import Aws
from tests.fakes.path_router import PathRouter
from tests.fakes.s3_vectors_server import s3_vectors_server
from tests.fakes.serving import serving

ROOT = Path(__file__).parents[2]
ACME = Tenant(TenantId("acme"))

Command = tuple[Sequence[str], Mapping[str, str]]
"""Arguments, and the whole environment."""
Starting = Callable[[str, Mapping[str, str]], Command]
"""Gives what starts a service, of its name and what its environment must have."""


def in_this_checkout(service: str, environment: Mapping[str, str]) -> Command:
    """Start a service as its container does, on the Python that runs the tests."""
    return _python("-m", "fargate", service), _inherited() | dict(environment)


@dataclass(frozen=True)
class Processes:
    """A platform of many processes: its *address*, where each service is, and the *environment* that all have."""

    address: str
    services: Mapping[str, str]
    environment: Mapping[str, str]
    folder: Path

    @contextmanager
    def client(self) -> Iterator[Client]:
        """Give a client of an administrator."""
        with core(Settings.from_env(self.environment)) as base:
            key = ensure_admin_key(self.folder, ACME, ApiKeys(base.table), base.clock)
        with closing(Client(self.address, key.credential, timeout_s=60)) as client:
            yield client

    def tell_of_uploads(self) -> None:
        """Queue what EventBridge's rule makes of S3's events: one for every raw blob."""
        with core(Settings.from_env(self.environment)) as base:
            with act_for(ACME):
                paths = [info.key.path for info in base.blobs.list(Bucket.RAW, keys.blobs_of_tenant(ACME))]
            for path in paths:
                base.queue.send(QueueName.INGESTION, {"uploaded": path})


@contextmanager
def processes(
    aws: Aws, folder: Path, monkeypatch: pytest.MonkeyPatch, starting: Starting = in_this_checkout
) -> Iterator[Processes]:
    """Start every service by *starting*, and the edge, behind a router by path; they write to files in *folder*."""
    ports = {name: free_port() for name in (*SERVICES, "edge")}
    addresses = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    router = PathRouter({name: addresses[name] for name in SERVICES} | {"v1": addresses["edge"]})
    with s3_vectors_server(calls=aws.calls) as vectors, serving(router) as address, ExitStack() as running:
        vectors.client.create_vector_bucket(vectorBucketName="vectors")
        environment = aws.platform() | {
            "AWS_ENDPOINT_URL_S3VECTORS": vectors.url,
            "RAGSTONE_VECTORS": "s3vectors",
            "RAGSTONE_VECTOR_BUCKET": "vectors",
            "RAGSTONE_DATA_DIR": str(folder / "unused"),
            **{f"RAGSTONE_{name.upper()}_URL": address for name in SERVICES},
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        started = []
        for name in SERVICES:
            # A service has no URL of its own: it is the one that the others find there.
            shared = {key: value for key, value in environment.items() if key != f"RAGSTONE_{name.upper()}_URL"}
            command = starting(name, shared | _role(name) | {"RAGSTONE_PORT": str(ports[name])})
            started.append(running.enter_context(_process(command, folder / f"{name}.log")))
        code = {"PYTHONPATH": f"{ROOT}:{ROOT / 'app'}"}
        edge = _python("-m", "tests.e2e.edge_process", address, str(ports["edge"]))
        command = edge, _inherited() | environment | _role("edge") | code
        started.append(running.enter_context(_process(command, folder / "edge.log")))
        services = {name: f"{addresses[name]}/{name}" for name in SERVICES}
        _wait_until_all_answer(started, [*services.values(), f"{addresses['edge']}/v1"])
        yield Processes(address, services, environment, folder)
        assert not (folder / "unused").exists()


def _role(name: str) -> dict[str, str]:
    """Give the credentials of a role; for a tenant's things, the process takes that very role on, narrowed to it."""
    arn = f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:role/{name}"
    return {"AWS_ACCESS_KEY_ID": name, "RAGSTONE_TENANT_ROLE_ARN": arn}


def _python(*arguments: str) -> Sequence[str]:
    return sys.executable, *arguments


def _inherited() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("RAGSTONE_")}


_Started = tuple[subprocess.Popen[bytes], Path]
"""A process, and the file it writes to."""


@contextmanager
def _process(command: Command, log: Path) -> Iterator[_Started]:
    """Run a process while the context lasts; it must end by itself when it is told to."""
    arguments, environment = command
    with log.open("wb") as lines:
        process = subprocess.Popen(arguments, env=environment, cwd=ROOT, stdout=lines, stderr=subprocess.STDOUT)
        try:
            yield process, log
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=30)
            finally:
                process.kill()
    assert process.returncode in {0, -signal.SIGTERM}, log.read_text()


def _wait_until_all_answer(started: Sequence[_Started], addresses: Sequence[str]) -> None:
    ends = time.monotonic() + START_S
    for (process, log), address in zip(started, addresses, strict=True):
        while not _answers(address):
            ended = process.poll() is not None or time.monotonic() > ends
            assert not ended, f"{address} does not answer: {log.read_text()}"
            time.sleep(0.1)


def _answers(address: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"{address}/health", timeout=5) as answer:
        return bool(answer.status == 200)
    return False
