"""AWS X-Ray: spans go to the daemon beside the task, as segment documents over UDP."""

from __future__ import annotations

import os
from typing import Any

from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.core.emitters.udp_emitter import DEFAULT_DAEMON_ADDRESS, UDPEmitter
from aws_xray_sdk.core.models.segment import Segment
from aws_xray_sdk.core.models.subsegment import Subsegment

from chalicelib.observability.spans import Span

PREFIX = "ragstone-"
_ANNOTATED = (str, int, float, bool)


class XraySpans:
    """
    See `SpanBackend`.

    The SDK makes the documents and sends them without waiting; it is not its context that says what belongs to what,
    which mixes up concurrent tasks, but the spans' own ids. Each document is sent as its span ends, so that nothing is
    held back. The first span of a process is a segment named for the service, those below it are subsegments.
    """

    def __init__(self, address: str | None = None) -> None:
        self._emitter = UDPEmitter(address or os.environ.get("AWS_XRAY_DAEMON_ADDRESS", DEFAULT_DAEMON_ADDRESS))

    def record(self, span: Span) -> None:
        """See `SpanBackend.record`."""
        if span.sampled:
            self._emitter.send_entity(_segment(span) if span.entry else _subsegment(span))

    def close(self) -> None:
        """Let go of the socket."""
        _close(self._emitter)


def _segment(span: Span) -> Segment:
    made = Segment(_service(span), entityid=span.span_id, traceid=span.trace_id, parent_id=span.parent_id)
    made.put_annotation("stage", span.name)
    return _ended(made, span)


def _subsegment(span: Span) -> Subsegment:
    # The SDK asks for a segment only to name the trace.
    made = Subsegment(span.name, "local", Segment(_service(span), traceid=span.trace_id))
    made.id, made.parent_id = span.span_id, span.parent_id
    return _ended(made, span)


def _ended(made: Any, span: Span) -> Any:
    made.start_time = span.started_at
    for name, value in span.facts.items():
        if isinstance(value, _ANNOTATED):
            made.put_annotation(name, value)
        else:
            made.put_metadata(name, value, "ragstone")
    if span.error is not None:
        made.put_annotation("error_class", span.error)
        made.add_fault_flag()
    made.close(span.started_at + span.duration_ms / 1_000)
    return made


def _service(span: Span) -> str:
    return PREFIX + span.name.partition(".")[0]


def _close(emitter: UDPEmitter) -> None:
    emitter._socket.close()  # noqa: SLF001  the SDK has no word for it


_close(xray_recorder.emitter)  # the SDK opens one when it is imported, which nobody uses here
