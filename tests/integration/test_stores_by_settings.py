"""Which stores a process works with is said by one variable; nothing above the composition root knows."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chalicelib.bootstrap import Core, core
from chalicelib.domain.access import Principal, Role, Tenant
from chalicelib.domain.acting import act_for
from chalicelib.domain.identifiers import TenantId
from chalicelib.edge.assembly import readiness
from chalicelib.ports.blobs import BlobKey, Bucket
from chalicelib.ports.queue import QueueName
from chalicelib.ports.table import Item, Key, Put, TableName
from chalicelib.settings import Settings
from tests.fakes.aws import Aws

ACME = Tenant(TenantId("acme"))
ROW = Key(TableName.CONFIG, "acme#routes", "chat")
BLOB = BlobKey(Bucket.RAW, "acme/doc_1/att_1")


@pytest.fixture
def environment(aws: Aws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    environment = aws.platform() | {"RAGSTONE_DATA_DIR": str(tmp_path / "data")}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return environment


def keep_something(base: Core) -> None:
    """Write to every store."""
    base.table.write(Put(Item(ROW, {"a": 1})))
    base.blobs.put(BLOB, b"content")
    base.queue.send(QueueName.INGESTION, {"n": 1})


@pytest.mark.parametrize("stores", ["local", "aws"])
def test_what_one_process_keeps_another_finds(environment: dict[str, str], stores: str, tmp_path: Path) -> None:
    """Rows, blobs, work and the keys of identities, in the folder or on AWS."""
    settings = Settings.from_env(environment | {"RAGSTONE_STORES": stores})
    editor = Principal(ACME, "ann", frozenset({Role.EDITOR}))
    with act_for(ACME), core(settings) as base:
        keep_something(base)
        token = base.signer.sign(editor, datetime.now(UTC))
    with act_for(ACME), core(settings) as base:
        assert base.table.get(ROW) == Item(ROW, {"a": 1})
        assert base.blobs.get(BLOB) == b"content"
        assert [delivery.body for delivery in base.queue.receive(QueueName.INGESTION)] == [{"n": 1}]
        assert base.verifier.verify(token).subject == "ann"
        assert {each.name: each.status for each in readiness(base)} == {"table": "ok", "queue": "ok", "blobs": "ok"}
    assert (tmp_path / "data").exists() is (stores == "local")


def test_stores_on_aws_leave_nothing_in_the_folder(environment: dict[str, str], tmp_path: Path) -> None:
    """A container's own file system is read-only."""
    with act_for(ACME), core(Settings.from_env(environment)) as base:
        keep_something(base)
        assert base.file_blobs is None
    assert not (tmp_path / "data").exists()


def test_a_service_without_a_name_it_needs_does_not_start(environment: dict[str, str]) -> None:
    """It says which variable is missing, and gives no traceback."""
    given = {name: value for name, value in environment.items() if name != "RAGSTONE_RAW_BUCKET"}
    command = [sys.executable, "-m", "fargate", "gateway"]
    done = subprocess.run(command, env=given, capture_output=True, text=True, timeout=60)
    assert (done.returncode, "RAGSTONE_RAW_BUCKET" in done.stderr) == (2, True)
    assert "Traceback" not in done.stderr
