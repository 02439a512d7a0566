"""AWS X-Ray: what the services' spans were, read back from its segment documents."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chalicelib.adapters.aws_clients import aws_errors, client
from chalicelib.observability.spans import Span

WHAT = "X-Ray"
MAX_PAGES = 100
"""No trace has as many; it keeps a service that never comes to an end from being read for ever."""


class XrayTraces:
    """
    See `Traces`. Each call is one to X-Ray for each of a trace's pages, of which `MAX_PAGES` are read; a trace shows
    there some seconds after its end.

    Segments of others (API Gateway, Lambda) are among the spans, under their own names.
    """

    def __init__(self, xray: Any = None) -> None:
        self._given = xray

    def trace(self, trace_id: str) -> Sequence[Span]:
        """See `Traces.trace`."""
        documents = (json.loads(one["Document"]) for one in self._segments(trace_id))
        spans = [span for document in documents for span in _spans(document, trace_id, document.get("parent_id"))]
        return sorted(spans, key=lambda span: span.started_at)

    def _segments(self, trace_id: str) -> Iterator[Mapping[str, Any]]:
        xray: Any = self._given or client("xray")
        more: dict[str, str] = {}
        for _ in range(MAX_PAGES):
            with aws_errors(WHAT):
                found = xray.batch_get_traces(TraceIds=[trace_id], **more)
            yield from (one for trace in found["Traces"] for one in trace["Segments"])
            if not found.get("NextToken"):
                return
            more = {"NextToken": found["NextToken"]}


def _spans(document: Mapping[str, Any], trace_id: str, parent_id: str | None) -> Iterator[Span]:
    """Give the span of a document and those within it; one that has not ended is left out."""
    annotations: dict[str, Any] = dict(document.get("annotations", {}))
    metadata: Mapping[str, Any] = document.get("metadata", {}).get("ragstone", {})
    if "end_time" in document:
        yield Span(
            name=annotations.pop("stage", document["name"]),
            trace_id=trace_id,
            span_id=document["id"],
            parent_id=parent_id,
            started_at=document["start_time"],
            duration_ms=(document["end_time"] - document["start_time"]) * 1_000,
            error=annotations.pop("error_class", "fault" if document.get("fault") else None),
            facts={**annotations, **metadata},
            entry="type" not in document,
        )
    for inner in document.get("subsegments", ()):
        yield from _spans(inner, trace_id, document["id"])
