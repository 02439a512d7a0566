"""OpenVINO says nothing to anybody."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[4]

SILENT = """
import asyncio, os, sys, threading

FORBIDDEN = {
    "socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.sendmsg", "urllib.Request",
    "subprocess.Popen", "os.system", "os.posix_spawn", "os.fork", "os.forkpty",
}

def guard(event, arguments):
    if event in FORBIDDEN:
        os.write(2, f"{event} {arguments}".encode())
        os._exit(3)

sys.addaudithook(guard)
from chalicelib.ports.models import Purpose
from fargate.adapters.openvino_models import OpenVinoEmbedder
embedder = OpenVinoEmbedder()
assert len(asyncio.run(embedder.embed(["cat"], Purpose.QUERY)).vectors) == 1
embedder.close()
loaded = [name for name, module in sys.modules.items() if name.startswith("openvino_telemetry") and module]
assert not loaded, loaded
print("silent")
"""


def test_nothing_goes_over_the_network(tmp_path: Path) -> None:
    """Loading and running connects to nobody, starts no process, and leaves nothing in the user's home."""
    done = run(SILENT, tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == ("silent\n", "", 0)
    assert list(tmp_path.iterdir()) == []


def test_a_machine_without_openvino_is_told_what_to_do(tmp_path: Path) -> None:
    """The error names the setting that helps."""
    code = (
        "import sys; sys.modules['openvino'] = None\n"
        "from chalicelib.errors import ConfigurationError\n"
        "from fargate.adapters.openvino_models import OpenVinoEmbedder\n"
        "try: OpenVinoEmbedder()\n"
        "except ConfigurationError as error: print(error)"
    )
    assert run(code, tmp_path).stdout.startswith("RAGSTONE_EMBEDDING_URL: OpenVINO is not installed")


def test_openvino_is_imported_in_one_place() -> None:
    """Any other import might come first, and bring the telemetry with it."""
    imports = re.compile(r"^\s*(import|from) openvino\b", re.MULTILINE)
    folders = ("app", "bench", "chalicelib", "fargate", "infra", "tests", "ui")
    files = (file for folder in folders for file in (ROOT / folder).rglob("*.py"))
    assert [file.name for file in files if imports.search(file.read_text())] == ["openvino_runtime.py"]


def run(code: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run *code* in a process of its own, with *home* as the user's home."""
    environ = {**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environ)
