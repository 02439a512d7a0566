"""What stands for the load balancer between processes: a proxy by the first part of the path, streams included."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import aiohttp
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "host"})


class PathRouter:
    """An ASGI app that hands each request on to the address of its prefix; "" stands for all others."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._addresses = dict(addresses)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        base = self._addresses.get(request.url.path.split("/")[1], self._addresses.get(""))
        if base is None:
            await Response(status_code=404)(scope, receive, send)
            return
        target = base + request.url.path + (f"?{request.url.query}" if request.url.query else "")
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(
                request.method, target, headers=_kept(request.headers), data=await request.body(), allow_redirects=False
            ) as answer,
        ):
            response = StreamingResponse(_pieces(answer), answer.status, _kept(answer.headers))
            await response(scope, receive, send)


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _HOP_BY_HOP}


async def _pieces(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async for piece in answer.content.iter_any():
        yield piece
