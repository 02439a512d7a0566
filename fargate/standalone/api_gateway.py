"""
A stand-in for Amazon API Gateway: it hosts the real Chalice app, authorizer included, under the stage `v1`.

What may be a stream does not pass through Chalice: as on AWS, the authorizer is asked and the request then goes
straight to the generation service. What the gateway itself refuses is answered as its gateway responses are configured
on AWS.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

from chalice.app import Chalice
from chalice.config import Config
from chalice.local import LocalGateway, LocalGatewayException, NotAuthorizedError
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from chalicelib.contracts.cross_origin import TRACE_ID_HEADER, headers_for
from chalicelib.contracts.identity import HEADER
from chalicelib.edge import problems
from chalicelib.edge.cross_origin import origins_for
from chalicelib.edge.streams import STREAMS
from chalicelib.errors import NotFound, PayloadTooLarge, RagError, Unauthenticated
from chalicelib.observability.spans import TRACE_HEADER, from_outside, start_trace

STAGE = "/v1"
MAX_BODY_BYTES = 6 * 1024 * 1024
THREADS = 32


class ApiGateway:
    """An ASGI app for everything below the stage."""

    def __init__(self, app: Chalice, streaming: ASGIApp, allowed_origins: Sequence[str] = ()) -> None:
        """Serve *app*, whose views must be safe from any thread; *streaming* is the generation service."""
        self._gateway = _Gateway(app, Config())
        self._streaming = streaming
        self._allowed_origins = allowed_origins
        self._threads = ThreadPoolExecutor(THREADS, "api-gateway")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        target = _target(scope)
        try:
            upstream = STREAMS.get(target.partition("?")[0]) if request.method == "POST" else None
            if upstream is not None:
                await self._stream(request, upstream, scope, receive, send)
                return
            response = await self._answer(request.method, target, request)
        except RagError as error:
            response = self._refusal(error, target, request.headers)
        await response(scope, receive, send)

    def identity(self, headers: Mapping[str, str]) -> str:
        """Give the identity token that the authorizer makes of *headers*. Raises `Unauthenticated`."""
        event = self._gateway.authorized("POST", next(iter(STREAMS)), headers)
        return str(event["requestContext"]["authorizer"]["identity"])

    def close(self) -> None:
        """Wait for what is being answered, then let the threads go."""
        self._threads.shutdown()

    async def _answer(self, method: str, target: str, request: Request) -> Response:
        body = await _read(request)
        loop = asyncio.get_running_loop()
        headers = _plain(request.headers)
        answer = await loop.run_in_executor(self._threads, self._gateway.answer, method, target, headers, body)
        kept = {name: value for name, value in answer["headers"].items() if name.lower() != "content-length"}
        return Response(answer["body"] or b"", answer["statusCode"], kept)

    async def _stream(self, request: Request, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()
        token = await loop.run_in_executor(self._threads, self.identity, _plain(request.headers))
        headers = MutableHeaders(raw=[pair for pair in scope["headers"] if pair[0] != b"authorization"])
        headers[HEADER] = token
        headers[TRACE_HEADER] = from_outside(request.headers.get(TRACE_HEADER))
        target = {**scope, "path": path, "raw_path": path.encode(), "headers": headers.raw}
        await self._streaming(target, receive, send)

    def _refusal(self, error: RagError, target: str, headers: Mapping[str, str]) -> Response:
        trace_id = start_trace(headers.get(TRACE_HEADER))
        answer = problems.response(error, trace_id, target.partition("?")[0])
        given = {name: str(value) for name, value in answer.headers.items()}
        more = {TRACE_ID_HEADER: trace_id, **headers_for(headers, origins_for(target, self._allowed_origins))}
        return Response(answer.body, answer.status_code, given | more)


class _Gateway(LocalGateway):
    """Chalice's own stand-in, whose refusals are errors of ours."""

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> dict[str, Any]:
        """Give the app's response to a request. Raises what the gateway refuses, or what failed in the authorizer."""
        try:
            answer: dict[str, Any] = self.handle_request(method, target, dict(headers), body)
        except LocalGatewayException as error:
            raise _as_on_aws(error, method, target) from error
        if answer["statusCode"] == HTTPStatus.METHOD_NOT_ALLOWED:
            raise _no_operation(method, target)
        return answer

    def authorized(self, method: str, path: str, headers: Mapping[str, str]) -> dict[str, Any]:
        """Give the Lambda event after the authorizer has seen it; raises as `answer` does."""
        event = self._generate_lambda_event(method, path, dict(headers), None)
        try:
            seen, _ = self._authorizer.authorize(path, event, self._generate_lambda_context())
        except LocalGatewayException as error:
            raise _as_on_aws(error, method, path) from error
        return dict(seen)


def _target(scope: Scope) -> str:
    """Give path and query below the stage, still encoded, so that no encoded character changes the route."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    path = raw.partition(b"?")[0].decode("latin-1").removeprefix(STAGE) or "/"
    query: bytes = scope.get("query_string", b"")
    return f"{path}?{query.decode('latin-1')}" if query else path


def _plain(headers: Mapping[str, str]) -> dict[str, str]:
    """Give the headers as Chalice takes them: it cannot hold an `Authorization` beyond ASCII, which no key is."""
    return {name: value for name, value in headers.items() if name != "authorization" or value.isascii()}


async def _read(request: Request) -> bytes | None:
    """Give the body, or None where there is none. Raises `PayloadTooLarge` without reading on."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise PayloadTooLarge(f"The body is over {MAX_BODY_BYTES} bytes; send large files with POST /v1/uploads.")
    return bytes(body) or None


def _as_on_aws(error: LocalGatewayException, method: str, target: str) -> RagError:
    if isinstance(error, NotAuthorizedError):
        return Unauthenticated("Send an API key or a token: 'Authorization: Bearer …'.")
    if error.headers.get("x-amzn-ErrorType") == "AccessDeniedException":
        return Unauthenticated("The API key or token is wrong, expired or revoked.")
    return _no_operation(method, target)


def _no_operation(method: str, target: str) -> NotFound:
    path = target.partition("?")[0]
    return NotFound(f"There is no operation {method} {STAGE}{path}; GET {STAGE}/openapi.json lists them.")
