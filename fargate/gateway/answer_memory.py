"""Answers that were given before, for routes that give the same request the same answer again."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.contracts.common import ResponseModel
from chalicelib.ports.clock import Clock
from fargate.gateway.attempts import Asked

MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Entry:
    answer: Sequence[ResponseModel]
    until: float
    size: int


class AnswerMemory:
    """
    What this task answered, by what was asked: whole answers, and all chunks of streams that came to their end.

    At most *max_bytes* are kept; what was asked for longest ago goes first.
    """

    def __init__(self, clock: Clock, max_bytes: int = MAX_BYTES) -> None:
        self._clock = clock
        self._max_bytes = max_bytes
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._size = 0

    def get(self, key: str) -> Sequence[ResponseModel] | None:
        """Give the answer, None where there is none or its time is over."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.until <= self._clock.monotonic():
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return entry.answer

    def put(self, key: str, answer: Sequence[ResponseModel], ttl_s: float) -> None:
        """Keep *answer* for *ttl_s*."""
        size = sum(len(part.model_dump_json()) for part in answer)
        self._drop(key)
        self._entries[key] = _Entry(tuple(answer), self._clock.monotonic() + ttl_s, size)
        self._size += size
        while self._size > self._max_bytes:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._size -= entry.size


def same_request(asked: Asked, request: str) -> str:
    """
    Name a request: tenants share nothing, and a route that was changed begins anew.

    *request* is the request's JSON without what makes no difference to its answer.
    """
    route = asked.route
    named = [asked.principal.tenant.tenant_id, route.name, str(route.version), str(route.created_at), request]
    return hashlib.sha256("\0".join(named).encode(errors="surrogatepass")).hexdigest()
