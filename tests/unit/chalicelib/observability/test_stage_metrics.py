"""Spans as metrics."""

from __future__ import annotations

import asyncio
import io
import json

import pytest

from chalicelib.observability import spans
from chalicelib.observability.metrics import Metrics
from chalicelib.observability.spans import LocalSpans, span
from chalicelib.observability.stage_metrics import StageMetrics


def test_every_stage_is_timed_and_its_failures_counted() -> None:
    """By the stage's name alone; the spans themselves go on to where they are kept."""
    stream, kept = io.StringIO(), LocalSpans()
    metrics = Metrics("Ragstone", stream, lambda: 0.0)

    async def work() -> str:
        trace_id = spans.start_trace()
        for _ in range(2):
            with span("retrieval.search", top_k=5):
                pass
        with pytest.raises(ValueError, match="x"), span("generation.write"):
            raise ValueError("x")
        return trace_id

    spans.configure(StageMetrics(metrics, kept))
    try:
        trace_id = asyncio.run(work())
    finally:
        spans.configure(None)
    metrics.flush()
    lines = {line["Stage"]: line for line in map(json.loads, stream.getvalue().splitlines())}
    assert len(lines["retrieval.search"]["StageDuration"]) == 2
    assert "StageErrors" not in lines["retrieval.search"]
    assert lines["generation.write"]["StageErrors"] == 1
    assert [one.name for one in kept.trace(trace_id)] == ["retrieval.search", "retrieval.search", "generation.write"]
