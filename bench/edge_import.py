"""Start-up cost of the edge against the same operations on FastAPI with Mangum: whole processes, above bare Python."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

from bench import report

RUNS = 15

_BARE = "pass"
_EDGE = "import chalicelib.edge.app; chalicelib.edge.app.create_app"
_FASTAPI = """
from fastapi import FastAPI
from mangum import Mangum
import chalicelib.contracts.asking, chalicelib.contracts.documents, chalicelib.contracts.indexes
import chalicelib.contracts.components, chalicelib.contracts.identities, chalicelib.contracts.health
import jwt, cryptography.hazmat.primitives.asymmetric.ed25519
handler = Mangum(FastAPI(), lifespan="off")
"""


def main() -> None:
    """Print the medians and their ratio."""
    bare, edge, fastapi = _medians_s(_BARE, _EDGE, _FASTAPI)
    report.row(
        "edge_import",
        n=RUNS,
        bare_python_ms=round(1_000 * bare, 1),
        edge_ms=round(1_000 * (edge - bare), 1),
        fastapi_mangum_ms=round(1_000 * (fastapi - bare), 1),
        ratio=round((edge - bare) / (fastapi - bare), 2),
    )


def _medians_s(*programs: str) -> list[float]:
    """Run the programs in turn, so that a drift of the machine meets all of them alike."""
    taken: list[list[float]] = [[] for _ in programs]
    for _ in range(RUNS + 1):
        for place, program in enumerate(programs):
            taken[place].append(_run_s(program))
    return [statistics.median(times[1:]) for times in taken]


def _run_s(program: str) -> float:
    environment = os.environ | {"PYTHONPATH": "."}
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
