"""Traces: which request this is, and how long each stage of it took."""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol

from chalicelib.observability.guard import clean

TRACE_HEADER = "X-Amzn-Trace-Id"

_ROOT = re.compile(r"^1-[0-9a-f]{8}-[0-9a-f]{24}$")
_STAGE = re.compile(r"^[a-z]+\.[a-z_]+$")
_SPAN = re.compile(r"^[0-9a-f]{16}$")


@dataclass(frozen=True, slots=True)
class Span:
    """
    A stage that ended; *error* is the class of the exception that ended it. Ids are X-Ray's.

    *entry* marks the first stage of a process: what came before it, if anything, happened in another one. Who began the
    trace decided whether it is *sampled*: whether it goes where traces are paid for.
    """

    name: str
    trace_id: str
    span_id: str
    parent_id: str | None
    started_at: float
    duration_ms: float
    facts: dict[str, Any]
    error: str | None = None
    entry: bool = False
    sampled: bool = True


class SpanBackend(Protocol):
    """Where spans go when they end; called from any thread, and must neither block nor raise."""

    def record(self, span: Span) -> None:
        """Take one span."""
        ...


class LocalSpans:
    """Keeps the last *capacity* spans in memory, and hands each on to *sink* if there is one."""

    def __init__(self, capacity: int = 4_096, sink: Callable[[Span], None] | None = None) -> None:
        self._spans: deque[Span] = deque(maxlen=capacity)
        self._sink = sink
        self._lock = threading.Lock()

    def record(self, span: Span) -> None:
        """See `SpanBackend.record`."""
        with self._lock:
            self._spans.append(span)
        if self._sink is not None:
            self._sink(span)

    def trace(self, trace_id: str) -> list[Span]:
        """Give what is still remembered of a trace, by time of starting."""
        with self._lock:
            found = [span for span in self._spans if span.trace_id == trace_id]
        return sorted(found, key=lambda span: span.started_at)


class OpenSpan(Protocol):
    """What ``with span(…) as stage`` gives."""

    def note(self, **facts: Any) -> None:
        """Add what is known only now."""
        ...

    def __enter__(self) -> OpenSpan: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, place: TracebackType | None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class _Position:
    trace_id: str
    span_id: str | None
    sampled: bool
    elsewhere: bool = False


_backend: SpanBackend | None = None
_position: ContextVar[_Position | None] = ContextVar("ragstone_trace", default=None)


def configure(backend: SpanBackend | None) -> None:
    """Send spans to *backend* from now on; None records nothing. Called by the composition roots only."""
    global _backend
    _backend = backend


def span(name: str, **facts: Any) -> OpenSpan:
    """
    Open a stage, to be used in a ``with``; *name* is ``service.stage``, *facts* are as in a log line.

    Its parent is the stage around it in the same task, or in the one that started this task (or `asyncio.to_thread`).
    Costs under 2 µs while no backend is configured.
    """
    if _backend is None:
        return _NOTHING
    return _Recording(name, facts, _backend)


def start_trace(header: str | None = None) -> str:
    """
    Begin a trace for what this task does from now on, and give its id.

    *header* is an ``X-Amzn-Trace-Id``; the trace it names goes on. Without one, or with a malformed one, a new trace
    begins. In Lambda the header stands in the environment, as ``_X_AMZN_TRACE_ID``.
    """
    position = _parse(header) or _Position(_new_trace_id(), None, sampled=True, elsewhere=True)
    _position.set(position)
    return position.trace_id


def current_trace_id() -> str | None:
    """Give the id of the trace this task works for, ``1-8hex-24hex``, or None outside of one."""
    position = _position.get()
    return None if position is None else position.trace_id


def current_span_id() -> str | None:
    """Give the id of the stage this task is in, or None outside of one."""
    position = _position.get()
    return None if position is None else position.span_id


def from_outside(header: str | None) -> str:
    """
    Give the header of a request from outside as it goes on: its trace, or a new one, and nobody's stage above it.

    Whoever calls may choose which trace a request belongs to, but not that it is a part of another's request.
    """
    position = _parse(header)
    trace_id, sampled = (position.trace_id, position.sampled) if position else (_new_trace_id(), True)
    return f"Root={trace_id};Sampled={int(sampled)}"


def tree_around(spans: Sequence[Span], span_id: str | None) -> list[Span]:
    """
    Give those *spans*, in their order, that belong to the one request in which the span *span_id* was.

    A trace may hold requests of several callers, who chose the same one. What others than our services recorded, such
    as Lambda, belongs to none.
    """
    ours = {one.span_id: one for one in spans if _STAGE.match(one.name)}
    if span_id not in ours:
        return []
    top: str | None = span_id
    while top in ours and ours[top].parent_id in ours:
        top = ours[top].parent_id
    found, growing = {top}, True
    while growing:
        below = {one.span_id for one in ours.values() if one.parent_id in found} - found
        found, growing = found | below, bool(below)
    return [one for one in spans if one.span_id in found and one.span_id in ours]


def trace_header() -> str | None:
    """Give the ``X-Amzn-Trace-Id`` that lets another service go on with this trace, or None outside of one."""
    position = _position.get()
    if position is None:
        return None
    parent = f";Parent={position.span_id}" if position.span_id else ""
    return f"Root={position.trace_id}{parent};Sampled={int(position.sampled)}"


def _parse(header: str | None) -> _Position | None:
    parts = dict(part.strip().partition("=")[::2] for part in (header or "").split(";"))
    root, parent = parts.get("Root", ""), parts.get("Parent", "")
    if not _ROOT.match(root):
        return None
    span_id = parent if _SPAN.match(parent) else None
    return _Position(root, span_id, sampled=parts.get("Sampled") != "0", elsewhere=True)


def _new_trace_id() -> str:
    return f"1-{int(time.time()):08x}-{secrets.token_hex(12)}"


class _Nothing:
    __slots__ = ()

    def note(self, **facts: Any) -> None:
        pass

    def __enter__(self) -> _Nothing:
        return self

    def __exit__(self, *_: object) -> None:
        pass


_NOTHING = _Nothing()


@dataclass(slots=True)
class _Recording:
    name: str
    facts: dict[str, Any]
    backend: SpanBackend
    before: _Position | None = None
    here: _Position = field(default_factory=lambda: _Position("", None, sampled=True))
    started_at: float = 0.0
    started: float = 0.0

    def note(self, **facts: Any) -> None:
        self.facts |= facts

    def __enter__(self) -> _Recording:
        self.before = _position.get()
        trace_id, sampled = (self.before.trace_id, self.before.sampled) if self.before else (_new_trace_id(), True)
        self.here = _Position(trace_id, secrets.token_hex(8), sampled)
        _position.set(self.here)
        self.started_at, self.started = time.time(), time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, place: TracebackType | None
    ) -> None:
        # Set back rather than reset by token: an async generator may be closed in another context than it began in.
        _position.set(self.before)
        self.backend.record(
            Span(
                name=self.name,
                trace_id=self.here.trace_id,
                span_id=self.here.span_id or "",
                parent_id=self.before.span_id if self.before else None,
                started_at=self.started_at,
                duration_ms=(time.perf_counter() - self.started) * 1_000,
                facts=clean(self.facts),
                error=kind.__name__ if kind else None,
                entry=self.before is None or self.before.elsewhere,
                sampled=self.here.sampled,
            )
        )
