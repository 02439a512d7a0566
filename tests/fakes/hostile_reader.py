"""A reader for the sandbox's tests: what the file says is what it does to the process that reads it."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

from chalicelib.domain.documents import Block, BlockKind, ParsedDocument
from fargate.ingestion.parsers.source import Source

_ANSWER = 4


def rehearse() -> None:
    """There is nothing to load."""


def sniff(data: bytes, name: str, declared: str | None) -> str:
    """Take anything."""
    return "application/x-hostile"


def parse(source: Source) -> ParsedDocument:
    """Do what the file says, and give what that came to as the text."""
    text = _DEEDS[source.data.decode()]()
    return ParsedDocument(text, (Block(BlockKind.TEXT, 0, len(text)),), "A title", source.media_type)


def _hog() -> str:
    held = []
    while True:
        held.append(bytearray(16 << 20))


def _loop() -> str:
    while True:
        pass


def _hang() -> str:
    while True:
        time.sleep(1)


def _exit() -> str:
    os._exit(0)


def _crash() -> str:
    return ctypes.string_at(0).decode()


def _flood() -> str:
    while True:
        os.write(_ANSWER, b"+" * 65536)


def _say(answer: bytes) -> Callable[[], str]:
    def deed() -> str:
        os.write(_ANSWER, answer)
        os._exit(0)

    return deed


def _close_and_hang() -> str:
    os.close(_ANSWER)
    return _hang()


def _recurse() -> str:
    return _recurse()


def _break_out() -> str:
    """Try one thing after the other, and name what was not refused."""
    tries: dict[str, Callable[[], object]] = {
        "fork": os.fork,
        "exec": lambda: os.execv("/bin/true", ["true"]),
        "socket": socket.socket,
        "socketpair": socket.socketpair,
        "pipe": os.pipe,
        "read": lambda: Path("/etc/hostname").read_bytes(),
        "write": lambda: Path("/tmp/hostile").write_bytes(b"x"),
        "list": lambda: list(Path("/").iterdir()),
        "folder": lambda: Path("/tmp/hostile").mkdir(),
        "signal": lambda: os.kill(os.getpid() - 1, signal.SIGKILL),
        "parent": lambda: os.kill(os.getppid(), 0),
        "priority": lambda: os.setpriority(os.PRIO_PROCESS, 0, -5),
        "user": lambda: os.setuid(65534),
    }
    return " ".join(["tried", *(name for name, deed in tries.items() if _succeeds(deed))])


def _succeeds(deed: Callable[[], object]) -> bool:
    try:
        deed()
    except OSError:
        return False
    return True


def _environment() -> str:
    return " ".join(sorted(os.environ))


def _descriptors() -> str:
    return " ".join(str(number) for number in range(64) if _is_open(number))


def _is_open(number: int) -> bool:
    try:
        os.lseek(number, 0, os.SEEK_CUR)
    except OSError as error:
        return error.errno != errno.EBADF  # a pipe is open, though one cannot move in it
    return True


_DEEDS: dict[str, Callable[[], str]] = {
    "behave": lambda: "a text",
    "hog": _hog,
    "loop": _loop,
    "hang": _hang,
    "exit": _exit,
    "crash": _crash,
    "flood": _flood,
    "recurse": _recurse,
    "close and hang": _close_and_hang,
    "babble": _say(b"nonsense"),
    "invent a code": _say(b'-["haha", "a detail"]'),
    "break the offsets": _say(
        b'+{"text":"a","blocks":[{"kind":"text","start":0,"end":9}],"title":"a","media_type":"text/plain"}'
    ),
    "break out": _break_out,
    "environment": _environment,
    "descriptors": _descriptors,
}
