"""
The sandbox's own process: it has the parsers loaded, and forks a child for each file.

    python -m fargate.ingestion.sandbox_zygote READER DESCRIPTOR

READER is the module whose `sniff` and `parse` the children call, after `rehearse` was called here. DESCRIPTOR is a
Unix stream socket to the service.

It says one byte when it is ready (``1``: children can be sealed, ``0``: this kernel has no filter for system calls).
A request then is four bytes of length, sent with three descriptors, and the request as JSON. The descriptors are the
file, the pipe for the answer, and a leash: a socket on which the zygote says how the child ended, and at whose closing
by the service it kills the child. When the service is gone the zygote ends, and the kernel kills what is left.

It never looks at a file itself, has one thread only, and its environment holds no secret.
"""

from __future__ import annotations

import contextlib
import encodings
import gc
import importlib
import os
import pkgutil
import selectors
import signal
import socket
import sys
from collections.abc import Callable
from types import ModuleType
from typing import NoReturn

from chalicelib.errors import DocumentRejected
from fargate.ingestion import sandbox_seal
from fargate.ingestion.parsers.source import Source
from fargate.ingestion.sandbox_wire import Request, accept, reject

HEADER_BYTES = 4
_DESCRIPTORS = 3
_FILE, _ANSWER = 3, 4
_SIGNALS = 64
_READ_AT_ONCE = 1 << 24


class Zygote:
    """Serves one service until it hangs up."""

    def __init__(self, control: socket.socket, reader: ModuleType) -> None:
        self._control = control
        self._reader = reader
        self._children: dict[int, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._open = True

    def serve(self) -> None:
        """Fork a child for each request, and tell how each ended."""
        wakeup, waker = socket.socketpair()
        wakeup.setblocking(False)
        waker.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        self._watch(wakeup, lambda: self._reap(wakeup))
        self._watch(self._control, self._fork)
        self._control.sendall(b"1" if _can_seal() else b"0")
        while self._open:
            for key, _ in self._selector.select():
                key.data()

    def _watch(self, watched: socket.socket, action: Callable[[], None]) -> None:
        self._selector.register(watched, selectors.EVENT_READ, action)

    def _fork(self) -> None:
        header, descriptors, _, _ = socket.recv_fds(self._control, HEADER_BYTES, _DESCRIPTORS)
        if len(header) < HEADER_BYTES or len(descriptors) < _DESCRIPTORS:
            self._open = False
            return
        data = _exactly(self._control, int.from_bytes(header))
        file, answer, leash = descriptors
        zygote = os.getpid()
        pid = os.fork()
        if pid == 0:
            sandbox_seal.die_with_parent(zygote)
            _child(self._reader, data, file, answer)
        os.close(file)
        os.close(answer)
        held = socket.socket(fileno=leash)
        self._children[pid] = held
        self._watch(held, lambda: self._kill(pid))

    def _kill(self, pid: int) -> None:
        leash = self._children.get(pid)
        if leash is not None:  # not reaped yet, so the number still names our child
            self._selector.unregister(leash)
            os.kill(pid, signal.SIGKILL)

    def _reap(self, wakeup: socket.socket) -> None:
        wakeup.recv(_SIGNALS)
        while self._children:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                return
            leash = self._children.pop(pid)
            if leash in self._selector.get_map():
                self._selector.unregister(leash)
            with contextlib.suppress(OSError):  # the service may have stopped waiting for this one
                leash.sendall(f"{status} {usage.ru_maxrss}".encode())
            leash.close()


def main(reader: str, descriptor: int) -> None:
    """Load everything a child may need, since a sealed child can open no file, and serve."""
    module = importlib.import_module(reader)
    for codec in pkgutil.iter_modules(encodings.__path__, "encodings."):
        if codec.name not in ("encodings.mbcs", "encodings.oem"):  # Windows only
            importlib.import_module(codec.name)
    module.rehearse()
    gc.collect()
    sandbox_seal.prepare()
    gc.freeze()  # keeps the children's collector from touching, and so copying, the pages they share with us
    Zygote(socket.socket(fileno=descriptor), module).serve()


def _child(reader: ModuleType, data: bytes, file: int, answer: int) -> NoReturn:
    status = 1
    try:
        _keep_only(file, answer)
        request = Request.decode(data)
        sandbox_seal.limit(request.limits)
        sandbox_seal.filter_system_calls()
        _send(_answer(reader, request))
        status = 0
    finally:
        os._exit(status)


def _keep_only(file: int, answer: int) -> None:
    """Move the two descriptors a child needs to fixed numbers, silence it, and close all others."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    spare = [os.dup(file), os.dup(answer)]
    silence = os.open(os.devnull, os.O_RDWR)
    for number, kept in enumerate((silence, silence, silence, *spare)):
        os.dup2(kept, number)
    os.closerange(_ANSWER + 1, os.sysconf("SC_OPEN_MAX"))


def _answer(reader: ModuleType, request: Request) -> bytes:
    name, limits = request.name, request.limits
    try:
        data = _contents(limits.file_bytes)
        kind = reader.sniff(data, name, request.media_type)
        source = Source(data, name, kind, request.language, request.password, limits.pages, limits.characters)
        return accept(reader.parse(source))
    except DocumentRejected as rejected:
        return reject(rejected.reason, rejected.detail)
    except MemoryError:
        return reject("memory_limit", f"{name} needs more memory than reading a document may take.")
    except RecursionError:
        return reject("unreadable", f"{name} is nested more deeply than any real document.")
    except Exception:  # noqa: BLE001 - the rim of the sandbox: whatever a file does to a parser is the file's fault
        return reject("unreadable", f"{name} is damaged, or of a kind its reader does not understand.")


def _contents(limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := os.read(_FILE, min(_READ_AT_ONCE, limit + 1 - size)):
        parts.append(part)
        size += len(part)
        if size > limit:
            raise DocumentRejected("too_large", f"The file is larger than {limit >> 20} MiB.")
    return b"".join(parts)


def _send(answer: bytes) -> None:
    rest = memoryview(answer)
    while rest:
        rest = rest[os.write(_ANSWER, rest) :]


def _exactly(stream: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = stream.recv(size - len(parts))
        if not part:
            break
        parts += part
    return bytes(parts)


def _can_seal() -> bool:
    """Try the filter on a child that does nothing else."""
    pid = os.fork()
    if pid == 0:
        os._exit(0 if sandbox_seal.filter_system_calls() else 1)
    return os.waitpid(pid, 0)[1] == 0


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
