"""
What the local platform costs its machine with the sample loaded: time to start, and memory at rest.

`python -m bench footprint`. Two first starts after one another, each on an empty folder; the second finds every file in
the operating system's cache. Memory is that of all the platform's processes: PSS counts shared pages once.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from bench import platform, report
from chalicelib.contracts.asking import QueryRequest
from chalicelib.domain.documents import DocumentStatus
from fargate.standalone.first_start import SAMPLE_FIRST, SAMPLE_INDEX, SAMPLE_QUESTION

STARTS = ("first", "warm")
REST_S = 10.0
POLL_S = 0.1
_ANSWERED = "Answered "
_LOADED = "All "


def main() -> None:
    """Print a row for each start."""
    for start in STARTS:
        with tempfile.TemporaryDirectory() as folder, platform.running(Path(folder), sample=True) as running:
            _measure(running, start)


def _measure(running: platform.Platform, start: str) -> None:
    asked_s = _first_cited_answer(running)
    said = _until_loaded(running)
    time.sleep(REST_S)
    report.row(
        "footprint",
        start=start,
        health_s=round(running.health_s, 2),
        first_cited_answer_s=asked_s,
        sample_searchable_s=_time_of(said, _LOADED),
        terminal_answer_s=_time_of(said, _ANSWERED),
        processes=len(running.processes),
        idle_mib=running.resident_mib(),
        load_1min=round(os.getloadavg()[0], 2),
    )


def _first_cited_answer(running: platform.Platform) -> float:
    """Ask the sample's first question as soon as the document that answers it is ready."""
    client = running.client
    while not any(client.documents(index=SAMPLE_INDEX, external_id=SAMPLE_FIRST, status=DocumentStatus.READY)):
        time.sleep(POLL_S)
    answer = client.query(QueryRequest(question=SAMPLE_QUESTION))
    assert answer.citations, answer
    return round(time.perf_counter() - running.started, 2)


def _until_loaded(running: platform.Platform) -> dict[str, float]:
    """Read what the platform says until its sample is loaded; give when it began each line."""
    assert running.process.stdout is not None
    said: dict[str, float] = {}
    for line in running.process.stdout:
        said[line] = round(time.perf_counter() - running.started, 2)
        if line.startswith(_LOADED):
            break
    return said


def _time_of(said: dict[str, float], beginning: str) -> float | None:
    return next((seconds for line, seconds in said.items() if line.startswith(beginning)), None)


if __name__ == "__main__":
    report.row("machine", **report.machine())
    main()
