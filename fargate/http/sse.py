"""Events to the client as they come, for exactly as long as both sides live."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from chalicelib.contracts.asking import AnswerEvent, ErrorEvent
from chalicelib.contracts.events import HEARTBEAT, HEARTBEAT_S, MEDIA_TYPE, encode, is_last
from chalicelib.errors import RagError
from chalicelib.observability.logs import get_logger
from chalicelib.observability.spans import current_trace_id

_AHEAD = 16
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

EventT = TypeVar("EventT")

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Wire(Generic[EventT]):
    """How events become bytes, which one is the last, and which tells of a problem, as the last."""

    encode: Callable[[EventT], bytes]
    is_last: Callable[[EventT], bool]
    failed: Callable[[Mapping[str, Any]], EventT]


ANSWER_EVENTS: Wire[AnswerEvent] = Wire(encode, is_last, lambda problem: ErrorEvent(problem=dict(problem)))


async def event_stream(
    source: AsyncIterator[EventT], wire: Wire[EventT], *, heartbeat_s: float = HEARTBEAT_S
) -> StreamingResponse:
    """
    Give the response that sends *source*'s events, with a comment whenever *heartbeat_s* pass without one.

    It waits as long for the first event, so that errors before it are answered with their own status. However the
    source ends, the client gets exactly one last event. When the client goes away, the source is cancelled where it
    stands.
    """
    pump = _Pump(source, heartbeat_s)
    try:
        first = await pump.next()
    except BaseException:
        await pump.close()
        raise
    if isinstance(first, Exception):
        await pump.close()
        raise first
    return _EventStream(pump, _body(pump, first, wire))


class _Silence:
    """What came for as long as a client should wait without a sign of life: nothing."""


class _Pump(Generic[EventT]):
    """
    Runs a source in a task of its own, from beginning to end, so that its spans and log fields stay in one context.

    It gives events, then None, or the exception the source ended with; and between them, silences.
    """

    def __init__(self, source: AsyncIterator[EventT], patience_s: float) -> None:
        self._source = source
        self._patience_s = patience_s
        self._ready: asyncio.Queue[EventT | Exception | None] = asyncio.Queue(_AHEAD)
        self._task = asyncio.create_task(self._run())

    async def next(self) -> EventT | Exception | _Silence | None:
        """Wait for what comes next."""
        try:
            async with asyncio.timeout(self._patience_s):
                return await self._ready.get()
        except TimeoutError:
            return _Silence()

    async def close(self) -> None:
        """Cancel the source, and wait until it has cleaned up."""
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            async for event in self._source:
                await self._ready.put(event)
            await self._ready.put(None)
        except Exception as error:  # noqa: BLE001  handed to the reader, who answers it
            await self._ready.put(error)
        finally:
            if (close := getattr(self._source, "aclose", None)) is not None:
                await close()


class _EventStream(StreamingResponse):
    def __init__(self, pump: _Pump[EventT], body: AsyncIterator[bytes]) -> None:
        super().__init__(body, headers=_HEADERS, media_type=MEDIA_TYPE)
        self._pump = pump

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._pump.close()


async def _body(pump: _Pump[EventT], first: EventT | _Silence | None, wire: Wire[EventT]) -> AsyncIterator[bytes]:
    item: EventT | Exception | _Silence | None = first
    ended = False
    while not (item is None or isinstance(item, Exception)):
        if isinstance(item, _Silence):
            yield HEARTBEAT
        elif not ended:
            yield wire.encode(item)
            ended = wire.is_last(item)
        item = await pump.next()
    if isinstance(item, Exception):
        log.error("stream_failed", error=type(item).__name__)
    if not ended:
        yield wire.encode(wire.failed(_problem(item)))


def _problem(error: Exception | None) -> dict[str, object]:
    known = error if isinstance(error, RagError) else RagError("The answer broke off; ask again.")
    return known.problem(current_trace_id())
