"""The local platform as its users start it: `ragstone up` in its own process, on a free port and a given folder."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chalicelib.client.api import Client
from chalicelib.errors import RagError

START_S = 120.0
STOP_S = 60.0
POLL_S = 0.02

_HERTZ = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Platform:
    """A platform that answers; *health_s* is how long it took to."""

    process: subprocess.Popen[str]
    client: Client
    port: int
    api_key: str
    started: float
    health_s: float

    @property
    def processes(self) -> list[int]:
        """The platform's process and all below it."""
        return _tree(self.process.pid)

    def cpu_s(self) -> float:
        """Say how much processor time its processes, ended ones too, have used."""
        return sum(_cpu_s(pid) for pid in self.processes)

    def resident_mib(self) -> dict[str, float]:
        """Say how much memory its processes hold: pages counted once (PSS), and once for each process (RSS)."""
        held = [_memory_kib(pid) for pid in self.processes]
        return {name: round(sum(each.get(name, 0) for each in held) / 1024, 1) for name in ("Pss", "Rss")}


@contextmanager
def running(folder: Path, *, sample: bool = False, environment: Mapping[str, str] | None = None) -> Iterator[Platform]:
    """Start the platform on the data in *folder*, wait until it answers, and stop it in the end."""
    port = free_port()
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", "from fargate.cli import main; main()", "up"],
        env={**_environment(folder, port, sample=sample), **(environment or {})},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        health_s = _until_healthy(process, port) - started
        api_key = (folder / "admin.key").read_text(encoding="ascii").strip()
        with Client(f"http://127.0.0.1:{port}", api_key, timeout_s=120) as client:
            yield Platform(process, client, port, api_key, started, health_s)
    finally:
        process.terminate()
        process.communicate(timeout=STOP_S)


def _environment(folder: Path, port: int, *, sample: bool) -> dict[str, str]:
    ours = {"DATA_DIR": str(folder), "PORT": str(port), "SAMPLE": str(int(sample))}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RAGSTONE_")}
    return inherited | {f"RAGSTONE_{name}": value for name, value in ours.items()} | {"PYTHONUNBUFFERED": "1"}


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _until_healthy(process: subprocess.Popen[str], port: int) -> float:
    until = time.perf_counter() + START_S
    with Client(f"http://127.0.0.1:{port}", None) as client:
        while time.perf_counter() < until and process.poll() is None:
            try:
                client.health()
            except RagError:
                time.sleep(POLL_S)
            else:
                return time.perf_counter()
    raise RuntimeError(f"the platform did not answer within {START_S:g} s (exit status {process.returncode})")


def _tree(pid: int) -> list[int]:
    below = Path(f"/proc/{pid}/task").glob("*/children")
    return [pid, *(found for child in below for each in child.read_text().split() for found in _tree(int(each)))]


def _cpu_s(pid: int) -> float:
    # After the name in parentheses, from the third field on; see proc(5): utime, stime, cutime, cstime.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _HERTZ


def _memory_kib(pid: int) -> dict[str, int]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(value.split()[0]) for name, _, value in (line.partition(":") for line in lines)}
