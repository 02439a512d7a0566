"""
Start-up of the Lambda's entry against the same operations on FastAPI with Mangum: whole processes, above bare Python.

Both put together the same stores, services and contracts; they differ in the framework that the operations are given
to. `python -m bench edge_import`.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench import report

RUNS = 15
PROGRAMS = {
    "bare_python": "pass",
    "edge": "import app; app.authorize",
    "fastapi_mangum": "import bench.edge_on_fastapi",
}
SERVICES = ("ingestion", "retrieval", "generation", "gateway")


@dataclass(frozen=True, slots=True)
class _Run:
    """What one whole process took."""

    wall_s: float
    cpu_s: float


def main() -> None:
    """Print the medians above bare Python, and their ratio, by the clock and by processor time."""
    with tempfile.TemporaryDirectory() as folder:
        taken = _measured(_environment(folder))
    row: dict[str, float] = {}
    for measure in ("wall", "cpu"):
        of = {name: statistics.median(getattr(run, f"{measure}_s") for run in runs) for name, runs in taken.items()}
        edge, fastapi = (of[name] - of["bare_python"] for name in ("edge", "fastapi_mangum"))
        row |= {f"edge_{measure}_ms": round(1_000 * edge, 1), f"fastapi_mangum_{measure}_ms": round(1_000 * fastapi, 1)}
        row[f"ratio_{measure}"] = round(edge / fastapi, 2)
    report.row("edge_import", n=RUNS, **row, load_1min=round(os.getloadavg()[0], 2))


def _environment(folder: str) -> dict[str, str]:
    """Name what the entry needs: a data folder, services that are never called, and a place for compiled modules."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RAGSTONE_", "PYTHON"))}
    urls = {f"RAGSTONE_{name.upper()}_URL": "http://127.0.0.1:9" for name in SERVICES}
    python = {"PYTHONPATH": os.pathsep.join(["app", "."]), "PYTHONPYCACHEPREFIX": f"{folder}/compiled"}
    return inherited | urls | python | {"RAGSTONE_DATA_DIR": f"{folder}/data"}


def _measured(environment: Mapping[str, str]) -> dict[str, Sequence[_Run]]:
    """Run the programs in turn, so that a drift of the machine meets all of them alike; the first round warms up."""
    rounds = [{name: _run(program, environment) for name, program in PROGRAMS.items()} for _ in range(RUNS + 1)]
    return {name: [each[name] for each in rounds[1:]] for name in PROGRAMS}


def _run(program: str, environment: Mapping[str, str]) -> _Run:
    # From -c, the current folder would stand before app/ and `app` would be a folder; -P leaves it out.
    command = [sys.executable, "-P", "-c", program]
    started, cpu = time.perf_counter(), _children_s()
    subprocess.run(command, check=True, env=environment)
    return _Run(time.perf_counter() - started, _children_s() - cpu)


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    report.row("machine", **report.machine())
    main()
