"""Pages of other origins read what a service streams to them past the edge, which answers their preflights."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chalicelib.contracts.cross_origin import headers_for


class Readable:
    """Says on every response which pages may read it; nothing is kept from whoever calls without one."""

    def __init__(self, app: ASGIApp, allowed_origins: Sequence[str]) -> None:
        self._app = app
        self._allowed_origins = allowed_origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        readable = headers_for(Headers(scope=scope), self._allowed_origins)

        async def send_readable(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(raw=message.setdefault("headers", [])).update(readable)
            await send(message)

        await self._app(scope, receive, send_readable)
