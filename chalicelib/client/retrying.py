"""When a call may be repeated, and how long to wait before."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from chalicelib.transport import Call, Reply, Transport

IDEMPOTENCY_KEY = "Idempotency-Key"
MAX_ATTEMPTS = 4
MAX_WAIT_S = 30.0

_FIRST_WAIT_S = 0.25
_WAITABLE = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


def send(transport: Transport, call: Call, sleep: Callable[[float], None]) -> Reply:
    """
    Send *call*; when the answer is 429 or 503 and repeating is safe, wait as it says and send again.

    Safe are GET, and whatever carries an idempotency key. At most `MAX_ATTEMPTS` in all; an answer that asks for more
    than `MAX_WAIT_S` is given back at once.
    """
    for attempt in range(1, MAX_ATTEMPTS):
        reply = transport.call(call)
        if reply.status not in _WAITABLE or not _repeatable(call):
            return reply
        wait_s = _wait_s(reply, attempt)
        if wait_s > MAX_WAIT_S:
            return reply
        sleep(wait_s)
    return transport.call(call)


def _repeatable(call: Call) -> bool:
    return call.method == "GET" or IDEMPOTENCY_KEY in call.headers


def _wait_s(reply: Reply, attempt: int) -> float:
    said = reply.headers.get("Retry-After", "")
    return float(said) if said.isdigit() else _FIRST_WAIT_S * 2 ** (attempt - 1)
