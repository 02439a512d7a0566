"""Back-pressure: how many may be inside at once; the others wait outside, first come, first served."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager


class Admission:
    """A room with *places*; unlike `asyncio.Semaphore` it counts, and serves tasks of several event loops."""

    def __init__(self, places: int) -> None:
        self.places = places
        self._free = places
        self._line: deque[tuple[Future[None], int]] = deque()
        self._inside: set[Future[None]] = set()
        self._lock = threading.Lock()

    @asynccontextmanager
    async def room(self, count: int) -> AsyncIterator[None]:
        """Hold *count* places, once they are free; more than there are counts as all of them."""
        count = min(count, self.places)
        turn = self._queue_up(count)
        try:
            await asyncio.wrap_future(turn)
            yield
        finally:
            self._leave(turn, count)

    def _queue_up(self, count: int) -> Future[None]:
        turn: Future[None] = Future()
        with self._lock:
            self._line.append((turn, count))
            self._let_in()
        return turn

    def _leave(self, turn: Future[None], count: int) -> None:
        with self._lock:
            if turn in self._inside:
                self._inside.remove(turn)
                self._free += count
            self._let_in()

    def _let_in(self) -> None:
        # Whoever gave up waiting (a cancelled turn) is passed over.
        while self._line and (self._line[0][0].cancelled() or self._free >= self._line[0][1]):
            turn, count = self._line.popleft()
            if turn.set_running_or_notify_cancel():
                self._free -= count
                self._inside.add(turn)
                turn.set_result(None)
