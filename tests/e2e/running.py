"""A platform that really runs: `ragstone up` in a process of its own, on a folder and port of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from chalicelib.client.api import Client
from chalicelib.errors import DependencyError

START_S = 90.0
STOP_S = 60.0
RAGSTONE = str(Path(sys.executable).with_name("ragstone"))


@dataclass
class RunningPlatform:
    """One data folder, and the process that serves it at the moment, if one does."""

    folder: Path
    port: int
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def key(self) -> str:
        """The bootstrap admin's key."""
        return (self.folder / "admin.key").read_text().strip()

    @contextlib.contextmanager
    def client(self, key: str | None = None) -> Iterator[Client]:
        """Give a client, of the admin unless another *key* is given."""
        with contextlib.closing(Client(self.url, key or self.key, timeout_s=60)) as client:
            yield client

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the `ragstone` command against it."""
        call = [RAGSTONE, *arguments]
        return subprocess.run(call, env=self._environment(), capture_output=True, text=True, timeout=120, check=False)

    def start(self) -> None:
        """Start it and wait until it answers."""
        call = [RAGSTONE, "up"]
        self.process = subprocess.Popen(
            call, env=self._environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        ends = time.monotonic() + START_S
        with contextlib.closing(Client(self.url, None, timeout_s=5)) as client:
            while True:
                with contextlib.suppress(DependencyError):
                    client.health()
                    return
                if self.process.poll() is not None or time.monotonic() > ends:
                    raise AssertionError(f"the platform did not start:\n{self.kill()}")
                time.sleep(0.05)

    def stop(self) -> str:
        """Press Ctrl-C and wait; give what it printed. It must end by itself and without an error."""
        process = self._running()
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=STOP_S)
        self.process = None
        assert process.returncode == 0, printed
        return printed

    def kill(self) -> str:
        """End it as a power cut would; give what it printed."""
        process = self._running()
        process.kill()
        printed, _ = process.communicate(timeout=STOP_S)
        self.process = None
        return printed

    def _running(self) -> subprocess.Popen[str]:
        assert self.process is not None, "the platform is not running"
        return self.process

    def _environment(self) -> dict[str, str]:
        mine = {name: value for name, value in os.environ.items() if not name.startswith("RAGSTONE_")}
        ours = {"RAGSTONE_DATA_DIR": str(self.folder), "RAGSTONE_PORT": str(self.port), "COLUMNS": "200"}
        return mine | ours | self.environment


@contextlib.contextmanager
def running_platform(folder: Path, **environment: str) -> Iterator[RunningPlatform]:
    """Give a platform that was started on *folder*; it is killed in the end if it still runs."""
    platform = RunningPlatform(folder, free_port(), environment)
    platform.start()
    try:
        yield platform
    finally:
        if platform.process is not None:
            platform.kill()


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
