"""The stages of one request: each is a span, and its time goes into the response."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from chalicelib.observability.spans import OpenSpan, span


class Stages:
    """Times what one request of *service* goes through, by *monotonic* seconds; a stage entered again adds up."""

    def __init__(self, service: str, monotonic: Callable[[], float]) -> None:
        self._service = service
        self._monotonic = monotonic
        self._began = monotonic()
        self._spent_s: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, **facts: Any) -> Iterator[OpenSpan]:
        """Open the stage *name*, to be used in a ``with``; its time counts also when it fails."""
        began = self._monotonic()
        try:
            with span(f"{self._service}.{name}", **facts) as opened:
                yield opened
        finally:
            self._spent_s[name] = self._spent_s.get(name, 0.0) + self._monotonic() - began

    def timings_ms(self) -> dict[str, float]:
        """Give the milliseconds of each stage so far, and ``total`` since the request began."""
        spent = self._spent_s | {"total": self._monotonic() - self._began}
        return {name: round(seconds * 1_000, 3) for name, seconds in spent.items()}
