"""The sandbox: reads hostile files in forked, sealed children, and says in words why one could not be read."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from chalicelib.domain.documents import ParsedDocument
from chalicelib.errors import DocumentRejected, Unavailable
from fargate.ingestion.sandbox_wire import Request, SandboxLimits, nonsense, verdict
from fargate.ingestion.sandbox_zygote import HEADER_BYTES

__all__ = ["Sandbox", "SandboxLimits"]

_log = logging.getLogger(__name__)
_ROOT = Path(__file__).resolve().parents[2]
_READER = "fargate.ingestion.parsers.registry"
_START_S = 60.0
_REAP_S = 5.0
_CHUNK = 1 << 20
_NEARLY_ALL = 0.75
"""A child that crashed with this share of its memory in use is taken to have died of want of memory."""


class Sandbox:
    """
    Reads files, *workers* at a time; each costs a fork and at most what *limits* allow.

    *reader* names the module whose ``sniff`` and ``parse`` the children call. The process that forks them is started
    at the first file, and anew if it dies. May be used from any event loop.
    """

    def __init__(self, limits: SandboxLimits, workers: int = 2, *, reader: str = _READER) -> None:
        self._limits = limits
        self._reader = reader
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="sandbox")
        self._lock = threading.Lock()
        self._zygote: _Zygote | None = None
        self._closed = False

    async def parse(
        self, path: Path, *, name: str, media_type: str | None, language: str, password: str | None = None
    ) -> ParsedDocument:
        """
        Read the file at *path*; *name* and *media_type* are its owner's words for it, and only hints.

        Raises `DocumentRejected` with what is wrong with the file, and `Unavailable` when the sandbox itself fails.
        """
        request = Request(name, media_type, language, password, self._limits)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._parse, path, request)

    def close(self) -> None:
        """Kill what is running and end the zygote."""
        with self._lock:
            self._closed = True
            if self._zygote is not None:
                self._zygote.stop()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _parse(self, path: Path, request: Request) -> ParsedDocument:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > self._limits.file_bytes:
                limit = self._limits.file_bytes >> 20
                raise DocumentRejected("too_large", f"{request.name} has {size >> 20} MiB; {limit} MiB are taken.")
            for _ in range(2):  # A zygote that died meanwhile is none of the file's doing.
                with contextlib.suppress(_ZygoteDied):
                    file.seek(0)
                    return _read(self._running().fork(file.fileno(), request), request)
        raise Unavailable("The sandbox that reads files could not be started. Look for its error in the log.")

    def _running(self) -> _Zygote:
        with self._lock:
            if self._closed:
                raise Unavailable("The sandbox that reads files is closed.")
            if self._zygote is not None and not self._zygote.alive():
                _log.warning("sandbox_restarted")
                self._zygote.stop()
                self._zygote = None
            if self._zygote is None:
                self._zygote = _Zygote(self._reader)
            return self._zygote


class _ZygoteDied(Exception):
    """The zygote ended while it was needed."""


class _Zygote:
    """The process of `sandbox_zygote`, seen from the service."""

    def __init__(self, reader: str) -> None:
        self._control, theirs = socket.socketpair()
        self._lock = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own module, by our own interpreter
                [sys.executable, "-m", "fargate.ingestion.sandbox_zygote", reader, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env={"PYTHONPATH": str(_ROOT), "PATH": os.defpath, "LC_ALL": "C.UTF-8"},  # and none of our secrets
                start_new_session=True,  # Ctrl-C is for the service, which then ends the zygote
            )
        self._control.settimeout(_START_S)
        try:
            ready = self._control.recv(1)
        except OSError:
            ready = b""
        self._control.settimeout(None)
        if not ready:
            self.stop()
            raise Unavailable("The sandbox that reads files could not be started. Look for its error in the log.")
        if ready == b"0":
            _log.warning("sandbox_without_seccomp")

    def alive(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        self._control.close()
        self._process.kill()
        self._process.wait()

    def fork(self, file: int, request: Request) -> _Child:
        """Have a child forked for *file*; it runs when this returns, or soon will."""
        body = request.encode()
        leash, their_leash = socket.socketpair()
        answer, their_answer = os.pipe()
        try:
            with self._lock:
                header = len(body).to_bytes(HEADER_BYTES)
                socket.send_fds(self._control, [header], [file, their_answer, their_leash.fileno()])
                self._control.sendall(body)
        except OSError as error:
            os.close(answer)
            leash.close()
            raise _ZygoteDied from error
        finally:
            os.close(their_answer)
            their_leash.close()
        return _Child(answer, leash)


@dataclass(frozen=True, slots=True)
class _Child:
    """A running child: *answer* is the pipe it writes to, *leash* the zygote's word on it."""

    answer: int
    leash: socket.socket

    def kill(self) -> None:
        with contextlib.suppress(OSError):
            self.leash.shutdown(socket.SHUT_WR)

    def ended(self, deadline: float) -> tuple[int, int]:
        """Wait for its end, forced at the *deadline*; give its wait status and the most memory it used, in bytes."""
        if not _readable(self.leash.fileno(), deadline):
            self.kill()
        self.leash.settimeout(_REAP_S)
        try:
            told = self.leash.recv(64).split()
        except OSError:
            told = []
        if len(told) != 2:
            raise _ZygoteDied
        return int(told[0]), int(told[1]) * (1 if sys.platform == "darwin" else 1024)

    def close(self) -> None:
        os.close(self.answer)
        self.leash.close()


def _read(child: _Child, request: Request) -> ParsedDocument:
    deadline = time.monotonic() + request.limits.wall_s
    try:
        answer = _collect(child, deadline, request.limits.answer_bytes)
        if answer is None:
            child.kill()
        status, memory = child.ended(deadline)
    finally:
        child.close()
    if answer is None:
        raise DocumentRejected("too_large", f"{request.name} holds more text than is taken. Split it into parts.")
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0 and answer:
        return verdict(answer)
    raise _why(status, memory, time.monotonic() >= deadline, request)


def _collect(child: _Child, deadline: float, limit: int) -> bytearray | None:
    """Gather what a child writes until it closes the pipe or its time is up; None when it writes too much."""
    parts = bytearray()
    while _readable(child.answer, deadline):
        part = os.read(child.answer, _CHUNK)
        if not part:
            break
        parts += part
        if len(parts) > limit:
            return None
    return parts


def _readable(descriptor: int, deadline: float) -> bool:
    """Wait until there is something to read, an end included; False once the *deadline* is past."""
    watch = select.poll()
    watch.register(descriptor, select.POLLIN)
    return bool(watch.poll(max(0.0, deadline - time.monotonic()) * 1000))


def _why(status: int, memory: int, late: bool, request: Request) -> DocumentRejected:
    """Tell from how a child ended what was wrong with its file."""
    ended_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if late or ended_by == signal.SIGXCPU:
        return DocumentRejected("timeout", f"{request.name} took too long to read. Split it, or save it as plain PDF.")
    starved = memory > _NEARLY_ALL * request.limits.memory_bytes
    if ended_by == signal.SIGKILL or (ended_by and starved):
        return DocumentRejected("memory_limit", f"{request.name} needs more memory than reading a document may take.")
    return nonsense()
