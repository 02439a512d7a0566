"""`make run` in a fresh clone reaches the first cited answer unattended."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.running import free_port

ROOT = Path(__file__).parents[2]
PATIENCE_S = 600


@pytest.mark.drill
def test_make_run_in_a_fresh_clone_answers_with_citations(tmp_path: Path) -> None:
    """With its own environment, from nothing but the repository; the time it took is printed."""
    clone = tmp_path / "ragstone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    mine = {
        name: value for name, value in os.environ.items() if not name.startswith(("RAGSTONE_", "VIRTUAL_ENV", "MAKE"))
    }
    mine |= {"RAGSTONE_PORT": str(free_port()), "PYTHONUNBUFFERED": "1"}
    started = time.monotonic()
    process = subprocess.Popen(
        ["make", "run"], cwd=clone, env=mine, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        printed = _read_until(process, "Answered ", started)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    print(f"first cited answer {time.monotonic() - started:.0f} s after `make run` in a fresh clone\n{printed}")  # noqa: T201 -- the figure
    assert "can't stop a DB instance that has a read replica" in printed
    assert "[1]" in printed
    assert "Everything is kept" in rest
    assert (clone / ".ragstone" / "table.sqlite").exists()


def _read_until(process: subprocess.Popen[str], mark: str, started: float) -> str:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith(mark):
            return "".join(lines)
        assert time.monotonic() - started < PATIENCE_S, "".join(lines)
    raise AssertionError("".join(lines))
