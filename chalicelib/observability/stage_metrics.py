"""Spans as metrics: how long each stage takes, and how often it fails, without a trace being looked at."""

from __future__ import annotations

from chalicelib.observability.metrics import Metrics
from chalicelib.observability.spans import Span, SpanBackend


class StageMetrics:
    """
    Counts each span by its name, and hands it on to *then*, if there is one.

    The names of spans are constants, so that there are no more metrics than stages.
    """

    def __init__(self, metrics: Metrics, then: SpanBackend | None) -> None:
        self._metrics = metrics
        self._then = then

    def record(self, span: Span) -> None:
        """See `SpanBackend.record`."""
        self._metrics.time_ms("StageDuration", span.duration_ms, Stage=span.name)
        if span.error is not None:
            self._metrics.count("StageErrors", 1, Stage=span.name)
        if self._then is not None:
            self._then.record(span)
