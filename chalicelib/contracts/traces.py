"""The stages a question went through, as spans."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import Field, JsonValue

from chalicelib.contracts.common import ResponseModel, Timestamp
from chalicelib.observability.spans import Span


class SpanView(ResponseModel):
    """A stage; *facts* are counts and names, never texts."""

    span_id: str
    parent_id: str | None = Field(description="The stage around it; null, or one that is not here, for the first")
    name: str
    started_at: Timestamp
    duration_ms: float
    error: str | None = Field(description="The class of what ended it, where something failed")
    facts: dict[str, JsonValue]


class TraceView(ResponseModel):
    """
    A trace by time of starting; no spans where it is forgotten, or was not sampled.

    The platform on one machine remembers the latest traces since its start; on AWS, X-Ray keeps them for 30 days.
    """

    trace_id: str
    spans: list[SpanView]


def span_view(span: Span) -> SpanView:
    """Show a stage."""
    return SpanView(
        span_id=span.span_id,
        parent_id=span.parent_id,
        name=span.name,
        started_at=datetime.fromtimestamp(span.started_at, UTC),
        duration_ms=round(span.duration_ms, 3),
        error=span.error,
        facts=span.facts,
    )
