"""Workers that are killed again and again lose nothing, double nothing and leave nothing behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).parents[2]


def drill(folder: Path, *, documents: int, kills: int, seed: int) -> dict[str, Any]:
    """Run a drill in processes of its own; give its report."""
    folder.mkdir()
    call = [sys.executable, "-m", "tests.e2e.kill_drill", str(folder), "--documents", str(documents)]
    run = subprocess.run(
        [*call, "--kills", str(kills), "--seed", str(seed)], cwd=_ROOT, capture_output=True, text=True, check=False
    )
    print(run.stdout, run.stderr[-2_000:])  # noqa: T201 - the seed and what came of it, for whoever replays it
    assert run.returncode == 0
    report: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return report


def assert_nothing_wrong(report: dict[str, Any]) -> None:
    wrong = {key: report[key] for key in ("lost", "wrong", "undead", "orphans", "open_jobs", "mixed", "doubled")}
    assert wrong == dict.fromkeys(wrong, 0)
    assert report["settled"]
    assert report["reads"] > 0


def test_a_dozen_kills_lose_nothing(tmp_path: Path) -> None:
    """Twelve kills over eighty documents."""
    assert_nothing_wrong(drill(tmp_path / "data", documents=80, kills=12, seed=5))


@pytest.mark.drill
def test_three_hundred_kills_lose_nothing(tmp_path: Path) -> None:
    """Three hundred kills over two thousand documents, with updates and deletions."""
    assert_nothing_wrong(drill(tmp_path / "data", documents=2_000, kills=300, seed=1))
