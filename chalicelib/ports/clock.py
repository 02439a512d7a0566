"""Time and chance, handed in so that tests can hold them still."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> datetime:
        """Give the time, in UTC, aware of it."""
        ...

    def monotonic(self) -> float:
        """Give seconds that never run backwards; only differences mean something."""
        ...
