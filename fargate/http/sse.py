"""Answer events to the client as they come, for exactly as long as both sides live."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from chalicelib.contracts.asking import AnswerEvent, ErrorEvent
from chalicelib.contracts.events import HEARTBEAT, HEARTBEAT_S, MEDIA_TYPE, encode, is_last
from chalicelib.errors import RagError
from chalicelib.observability.logs import get_logger
from chalicelib.observability.spans import current_trace_id

_AHEAD = 16
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

log = get_logger(__name__)


async def event_stream(source: AsyncIterator[AnswerEvent], *, heartbeat_s: float = HEARTBEAT_S) -> StreamingResponse:
    """
    Give the response that sends *source*'s events, with a comment whenever *heartbeat_s* pass without one.

    It waits for the first event, so that errors before it are answered with their own status. However the source ends,
    the client gets exactly one last event. When the client goes away, the source is cancelled where it stands.
    """
    pump = _Pump(source)
    try:
        first = await pump.next(None)
    except BaseException:
        await pump.close()
        raise
    if isinstance(first, Exception):
        await pump.close()
        raise first
    return _EventStream(pump, first, heartbeat_s)


class _Pump:
    """
    Runs a source in a task of its own, from beginning to end, so that its spans and log fields stay in one context.

    It gives events, then None, or the exception the source ended with.
    """

    def __init__(self, source: AsyncIterator[AnswerEvent]) -> None:
        self._source = source
        self._ready: asyncio.Queue[AnswerEvent | Exception | None] = asyncio.Queue(_AHEAD)
        self._task = asyncio.create_task(self._run())

    async def next(self, timeout_s: float | None) -> AnswerEvent | Exception | None:
        """Wait for what comes next. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            return await self._ready.get()

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
    def __init__(self, pump: _Pump, first: AnswerEvent | None, heartbeat_s: float) -> None:
        super().__init__(_body(pump, first, heartbeat_s), headers=_HEADERS, media_type=MEDIA_TYPE)
        self._pump = pump

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._pump.close()


async def _body(pump: _Pump, first: AnswerEvent | None, heartbeat_s: float) -> AsyncIterator[bytes]:
    item: AnswerEvent | Exception | None = first
    ended = False
    while not (item is None or isinstance(item, Exception)):
        if not ended:
            yield encode(item)
        ended = ended or is_last(item)
        while True:
            try:
                item = await pump.next(heartbeat_s)
                break
            except TimeoutError:
                yield HEARTBEAT
    if isinstance(item, Exception):
        log.error("stream_failed", error=type(item).__name__)
    if not ended:
        yield encode(ErrorEvent(problem=_problem(item)))


def _problem(error: Exception | None) -> dict[str, object]:
    known = error if isinstance(error, RagError) else RagError("The answer broke off; ask again.")
    return known.problem(current_trace_id())
