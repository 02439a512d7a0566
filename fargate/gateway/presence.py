"""Work that stops when its client goes away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from starlette.requests import Request

ResultT = TypeVar("ResultT")


async def while_connected(request: Request, work: Awaitable[ResultT]) -> ResultT | None:
    """Give what *work* gives; it is cancelled when the client of *request*, whose body was read, disconnects: None."""
    here = asyncio.current_task()
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone = True
        if here is not None:
            here.cancel()

    watching = asyncio.create_task(watch())
    try:
        return await work
    except asyncio.CancelledError:
        if not gone or here is None or here.uncancel():
            raise
        return None
    finally:
        watching.cancel()
