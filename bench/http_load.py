"""Calls of a chat model over HTTP, so many at once: one connection each, written by hand so that they cost little."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import urlsplit

PATIENCE_S = 60.0

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_CLOSE = re.compile(rb"connection: *close", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Target:
    """Who is called: *url* up to `/chat/completions`, the *model* to name, and the bearer's *key*."""

    url: str
    model: str
    key: str = "none"

    def request(self, number: int) -> bytes:
        """Give the request whose answer has *number* in it."""
        parts = urlsplit(self.url)
        body = (
            f'{{"model":"{self.model}","max_tokens":64,"messages":[{{"role":"system","content":"You are helpful."}},'
            f'{{"role":"user","content":"Tell me about number {number} in one short sentence, please."}}]}}'
        )
        return (
            f"POST {parts.path}/chat/completions HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            f"Authorization: Bearer {self.key}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()


@dataclass(slots=True)
class Spent:
    """How long each good answer took, how many were *wrong*, and how long all took together."""

    seconds: list[float] = field(default_factory=list)
    wrong: int = 0
    elapsed_s: float = 0.0

    def add(self, other: Spent) -> None:
        """Take another round along."""
        self.seconds += other.seconds
        self.wrong += other.wrong
        self.elapsed_s += other.elapsed_s

    @property
    def per_s(self) -> float:
        """Good answers a second."""
        return len(self.seconds) / self.elapsed_s if self.elapsed_s else 0.0


async def drive(target: Target, at_once: int, *, seconds: float = float("inf"), calls: float = float("inf")) -> Spent:
    """Call *target*, *at_once* at a time, until *seconds* have passed or *calls* were made."""
    spent, numbers = Spent(), count(1)
    began = time.perf_counter()

    def wanted() -> Iterator[int]:
        for number in numbers:
            if number > calls or time.perf_counter() - began > seconds:
                return
            yield number

    await asyncio.gather(*(_calls(target, wanted(), spent) for _ in range(at_once)))
    spent.elapsed_s = time.perf_counter() - began
    return spent


async def _calls(target: Target, numbers: Iterator[int], spent: Spent) -> None:
    loop, parts = asyncio.get_running_loop(), urlsplit(target.url)
    host, port = parts.hostname or "", parts.port or 80
    connection: _Connection | None = None
    for number in numbers:
        if connection is None or connection.closed:
            _, connection = await loop.create_connection(_Connection, host, port)
        request, began = target.request(number), time.perf_counter()
        try:
            status, body = await asyncio.wait_for(connection.ask(request), PATIENCE_S)
        except (ConnectionError, TimeoutError):
            spent.wrong += 1
            connection.close()
            connection = None
            continue
        if status == 200 and b"umber %d it is" % number in body:
            spent.seconds.append(time.perf_counter() - began)
        else:
            spent.wrong += 1
    if connection is not None:
        connection.close()


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._received = b""
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._transport: Any = None
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - as asyncio calls it
        self.closed = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError("the connection ended before the answer"))

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not blank or length is None or len(body) < int(length[1]) or self._answer is None:
            return
        self._received = b""
        self.closed = self.closed or _CLOSE.search(head) is not None
        if not self._answer.done():
            self._answer.set_result((int(head[9:12]), body))

    def ask(self, request: bytes) -> asyncio.Future[tuple[int, bytes]]:
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer

    def close(self) -> None:
        self._transport.close()
