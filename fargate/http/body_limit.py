"""No request body grows beyond its limit, whatever its headers say."""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chalicelib.contracts.gateway_events import openai_error
from chalicelib.errors import PayloadTooLarge
from chalicelib.observability.spans import current_trace_id
from fargate.http.problems import problem_response

DEFAULT_LIMIT_BYTES = 8 * 1024 * 1024
"""An inline document of 4 MiB fits, in base 64 and with escapes."""


class BodyLimit:
    """Answers 413 to a longer body: at once where its length is declared, else as soon as it is over the limit."""

    def __init__(self, app: ASGIApp, limit_bytes: int, openai_paths: Collection[str] = ()) -> None:
        """Refuse to *app* what is over the limit; at *openai_paths* in both shapes, as everything there is refused."""
        self._app = app
        self._limit_bytes = limit_bytes
        self._openai_paths = openai_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        if not declared.isdigit() or int(declared) > self._limit_bytes:
            await self._refusal(scope["path"])(scope, receive, send)
            return
        received = 0

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit_bytes:
                # FastAPI turns any other exception met while it reads a body into a 400.
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, self._complaint())
            return message

        await self._app(scope, receive_counted, send)

    def _refusal(self, path: str) -> Response:
        error = PayloadTooLarge(self._complaint())
        if path in self._openai_paths:
            return problem_response(error, error=openai_error(error.problem(current_trace_id())))
        return problem_response(error)

    def _complaint(self) -> str:
        return f"The body is over {self._limit_bytes} bytes; send large files with POST /v1/uploads."
