"""A chat's chunks to the client as they come, then exactly one end, for as long as both sides live."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from chalicelib.contracts.events import HEARTBEAT, HEARTBEAT_S, MEDIA_TYPE
from chalicelib.contracts.gateway import ChatChunk
from chalicelib.contracts.gateway_events import DONE, encode_chunk, encode_error
from chalicelib.errors import RagError
from chalicelib.observability.logs import get_logger
from chalicelib.observability.spans import current_trace_id

_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

log = get_logger(__name__)


async def chunk_stream(
    source: AsyncIterator[ChatChunk], *, with_usage: bool, heartbeat_s: float = HEARTBEAT_S
) -> StreamingResponse:
    """
    Give the response that sends *source*'s chunks, with a comment whenever *heartbeat_s* pass without one.

    It waits for the first chunk, so that errors before it are answered with their own status. The source is closed
    when the client goes away.
    """
    try:
        first = await anext(source)
    except BaseException:
        await _close(source)
        raise
    return _ChunkStream(source, _body(source, first, with_usage=with_usage, heartbeat_s=heartbeat_s))


class _ChunkStream(StreamingResponse):
    def __init__(self, source: AsyncIterator[ChatChunk], body: AsyncIterator[bytes]) -> None:
        super().__init__(body, headers=_HEADERS, media_type=MEDIA_TYPE)
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await _close(self._source)  # its body's own end closes it too, if that ever began


async def _body(
    source: AsyncIterator[ChatChunk], first: ChatChunk, *, with_usage: bool, heartbeat_s: float
) -> AsyncIterator[bytes]:
    chunk: ChatChunk | None = first
    try:
        while chunk is not None:
            if chunk.usage is None or with_usage:
                yield encode_chunk(chunk)
            waiting: asyncio.Future[ChatChunk | None] = asyncio.ensure_future(_next(source))
            try:
                while not (await asyncio.wait([waiting], timeout=heartbeat_s))[0]:
                    yield HEARTBEAT
            finally:
                await _ended(waiting)
            chunk = waiting.result()
        yield DONE
    except RagError as error:
        log.warning("stream_failed", code=error.code, detail=error.detail)
        yield encode_error(error.problem(current_trace_id()))
    except Exception:  # a rim: whatever failed, the stream ends with its one end
        log.exception("stream_crashed")
        yield encode_error(RagError("The answer broke off; ask again.").problem(current_trace_id()))


async def _next(source: AsyncIterator[ChatChunk]) -> ChatChunk | None:
    return await anext(source, None)


async def _close(source: AsyncIterator[ChatChunk]) -> None:
    if (close := getattr(source, "aclose", None)) is not None:
        await close()


async def _ended(waiting: asyncio.Future[ChatChunk | None]) -> None:
    """Cancel what nobody waits for any more, and let it clean up."""
    if not waiting.done():
        waiting.cancel()
        await asyncio.wait([waiting])
