"""The X-Ray daemon, as far as it matters: takes segment documents over UDP and puts them to X-Ray."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

HEADER = {"format": "json", "version": 1}
MAX_DATAGRAM = 65_536


class XrayDaemon:
    """Keeps the documents that came, and puts each to *xray* if there is one."""

    def __init__(self, xray: Any = None) -> None:
        self.documents: list[dict[str, Any]] = []
        self._xray = xray
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))

    @property
    def address(self) -> str:
        """Where it listens, as `AWS_XRAY_DAEMON_ADDRESS` has it."""
        host, port = self._socket.getsockname()
        return f"{host}:{port}"

    def serve(self) -> None:
        """Take documents until an empty datagram comes."""
        while datagram := self._socket.recv(MAX_DATAGRAM):
            header, _, document = datagram.decode().partition("\n")
            assert json.loads(header) == HEADER
            if self._xray is not None:
                answer = self._xray.put_trace_segments(TraceSegmentDocuments=[document])
                assert answer["UnprocessedTraceSegments"] == []
            self.documents.append(json.loads(document))

    def stop(self) -> None:
        """Let `serve` end."""
        self._socket.sendto(b"", self._socket.getsockname())


@contextmanager
def xray_daemon(xray: Any = None) -> Iterator[XrayDaemon]:
    """Run a daemon for the length of a test."""
    daemon = XrayDaemon(xray)
    thread = threading.Thread(target=daemon.serve)
    thread.start()
    try:
        yield daemon
    finally:
        daemon.stop()
        thread.join(10)
        daemon._socket.close()
