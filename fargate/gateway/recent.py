"""How the last calls of each deployment went, as this task saw it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from statistics import median

KEPT = 100
MAX_MODELS = 5_000


@dataclass(frozen=True, slots=True)
class Lately:
    """The last calls of one deployment, at most `KEPT`; *p50_ms* is of those that were answered, None without any."""

    calls: int = 0
    failed: int = 0
    p50_ms: float | None = None


class RecentCalls:
    """The last calls of all deployments, by their models' names."""

    def __init__(self) -> None:
        self._calls: dict[str, deque[tuple[bool, float]]] = {}

    def note(self, model: str, latency_ms: float, *, answered: bool) -> None:
        """Keep how a call went."""
        if len(self._calls) >= MAX_MODELS:
            self._calls.clear()
        self._calls.setdefault(model, deque(maxlen=KEPT)).append((answered, latency_ms))

    def of(self, model: str) -> Lately:
        """Give how the last ones went."""
        calls = list(self._calls.get(model, ()))
        answered = [latency_ms for good, latency_ms in calls if good]
        return Lately(len(calls), len(calls) - len(answered), round(median(answered), 3) if answered else None)
