"""How fast one index may be written to, so that a service's limit is kept and not run into."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from chalicelib.ports.clock import Clock

VECTORS_PER_SECOND = 2_500
WRITES_PER_SECOND = 1_000
"""Of S3 Vectors, for one index ("Limitations and restrictions" in the S3 user guide)."""
SHARE = 0.95
"""How much of that is used: requests do not arrive as evenly as they are sent."""


class WritePace:
    """Lets writers wait for their turn, index by index; safe from any thread. Each process has a pace of its own."""

    def __init__(self, clock: Clock, sleep: Callable[[float], None] = time.sleep) -> None:
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._free_at: dict[str, float] = {}

    def wait(self, index: str, vectors: int) -> None:
        """Return when *index* may take so many *vectors* in one write."""
        now = self._clock.monotonic()
        with self._lock:
            if len(self._free_at) > WRITES_PER_SECOND:
                self._free_at = {name: at for name, at in self._free_at.items() if at > now}
            start = max(now, self._free_at.get(index, now))
            self._free_at[index] = start + max(vectors / VECTORS_PER_SECOND, 1 / WRITES_PER_SECOND) / SHARE
        if start > now:
            self._sleep(start - now)
