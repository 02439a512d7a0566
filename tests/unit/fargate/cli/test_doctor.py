"""The doctor sees what is wrong and says how to mend it."""

from __future__ import annotations

import socket
from pathlib import Path

from starlette.applications import Starlette

from tests.fakes.serving import serving
from tests.unit.fargate.cli.conftest import Run


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def test_all_is_well_beside_a_running_platform(run: Run, tmp_path: Path) -> None:
    """Every line is ok, and names what was found."""
    result = run("doctor", RAGSTONE_DATA_DIR=str(tmp_path / "not" / "yet"))
    assert result.exit_code == 0, result.output
    subjects = [line.split()[1].rstrip(":") for line in result.stdout.splitlines()]
    assert subjects == ["Python", "packages", "SQLite", "model", "data", "platform"]
    assert all(line.startswith("ok ") for line in result.stdout.splitlines())
    assert not (tmp_path / "not").exists()


def test_a_platform_that_was_not_started_is_no_fault(run: Run, tmp_path: Path) -> None:
    """As long as its port is free."""
    result = run("doctor", RAGSTONE_URL=None, RAGSTONE_PORT=str(free_port()), RAGSTONE_DATA_DIR=str(tmp_path))
    assert result.exit_code == 0
    assert "`ragstone up` starts it" in result.stdout


def test_a_taken_port_is_a_fault(run: Run, tmp_path: Path) -> None:
    """Somebody answers there, but it is not the platform."""
    with serving(Starlette()) as url:
        port = url.rpartition(":")[2]
        result = run("doctor", RAGSTONE_URL=None, RAGSTONE_PORT=port, RAGSTONE_DATA_DIR=str(tmp_path))
    assert result.exit_code == 1
    assert "is taken by another program" in result.stdout
    assert "RAGSTONE_PORT" in result.stdout


def test_a_platform_that_should_answer_and_does_not_is_a_fault(run: Run, tmp_path: Path) -> None:
    """An address was given, so somebody expects it there."""
    result = run("doctor", "--url", "http://127.0.0.1:9", RAGSTONE_DATA_DIR=str(tmp_path))
    assert result.exit_code == 1
    assert "failed  platform" in result.stdout


def test_a_data_folder_that_cannot_be_is_a_fault(run: Run, tmp_path: Path) -> None:
    """A file stands in its place."""
    (tmp_path / "file").write_text("x")
    result = run("doctor", RAGSTONE_DATA_DIR=str(tmp_path / "file" / "data"))
    assert result.exit_code == 1
    assert "Set RAGSTONE_DATA_DIR" in result.stdout
