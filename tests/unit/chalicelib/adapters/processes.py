"""Runs a script in processes of their own, as a second Ragstone would."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[4]


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    """Start Python on *script*; its output is a pipe."""
    command = [sys.executable, "-W", "error", "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def lines(process: subprocess.Popen[str]) -> list[str]:
    """Wait for the end of *process*, which must be a good one, and give what it printed."""
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    return output.splitlines()


def killed(process: subprocess.Popen[str], *, after_lines: int) -> list[str]:
    """Kill -9 *process* once it printed so many lines; give all that it printed."""
    assert process.stdout is not None
    printed = [process.stdout.readline() for _ in range(after_lines)]
    process.kill()
    # Not `communicate`: it would miss the lines that `readline` has read ahead.
    printed.extend(process.stdout.readlines())
    process.communicate()
    return [line.rstrip() for line in printed]


def together(script: str, *arguments: object, count: int = 3) -> list[list[str]]:
    """Run *script* in *count* processes that read a line and begin at once; give what each printed."""
    processes = [start(script, number, *arguments) for number in range(count)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return [lines(process) for process in processes]
