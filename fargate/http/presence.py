"""Work that stops when its client goes away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

ResultT = TypeVar("ResultT")

AT_REST_S = 0.02
"""How long work may take before its client is watched: most calls are over sooner than a watch has begun."""
CLIENT_CLOSED = 499
"""What nobody reads any more; nginx's number for it stands in the log."""


async def while_connected(request: Request, work: Awaitable[ResultT]) -> ResultT | None:
    """Give what *work* gives; it is cancelled when the client of *request*, whose body was read, disconnects: None."""
    watch = _Watch(request)
    watching = asyncio.get_running_loop().call_later(AT_REST_S, watch.begin)
    try:
        return await work
    except asyncio.CancelledError:
        if not watch.gone or watch.worker is None or watch.worker.uncancel():
            raise
        return None
    finally:
        watching.cancel()
        watch.end()


def json_or_left(answered: BaseModel | None) -> Response:
    """Give the response that says *answered*, what `while_connected` gave."""
    if answered is None:
        return Response(status_code=CLIENT_CLOSED)
    return Response(answered.model_dump_json(), media_type="application/json")


class _Watch:
    """Waits for a client to go away, and then cancels the task that was there when the watch was made."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._waiting: asyncio.Task[None] | None = None
        self.worker = asyncio.current_task()
        self.gone = False

    def begin(self) -> None:
        self._waiting = asyncio.create_task(self._wait())

    def end(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()

    async def _wait(self) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        if self.worker is not None:
            self.worker.cancel()
