"""
A stand-in for Amazon API Gateway: it hosts the real Chalice app, authorizer included, under the stage `v1`.

The question stream does not pass through Chalice: as on AWS, the authorizer is asked and the request then goes straight
to the generation service.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

from chalice.app import Chalice
from chalice.config import Config
from chalice.local import LocalGateway, LocalGatewayException, NotAuthorizedError
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from chalicelib.contracts.identity import HEADER
from chalicelib.errors import NotFound, PayloadTooLarge, RagError, Unauthenticated

STAGE = "/v1"
STREAM = "/query/stream"
STREAM_TARGET = "/generation/query/stream"
MAX_BODY_BYTES = 6 * 1024 * 1024
THREADS = 32


class ApiGateway:
    """An ASGI app for everything below the stage."""

    def __init__(self, app: Chalice, streaming: ASGIApp) -> None:
        """Serve *app*, whose views must be safe from any thread; *streaming* is the generation service."""
        self._gateway = _Gateway(app, Config())
        self._streaming = streaming
        self._threads = ThreadPoolExecutor(THREADS, "api-gateway")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        if request.url.path == STAGE + STREAM and request.method == "POST":
            await self._stream(request, scope, receive, send)
            return
        response = await self._respond(request)
        await response(scope, receive, send)

    def identity(self, headers: Mapping[str, str]) -> str:
        """Give the identity token that the authorizer makes of *headers*. Raises `Unauthenticated`."""
        event = self._gateway.event("POST", STREAM, headers)
        return str(event["requestContext"]["authorizer"]["identity"])

    def close(self) -> None:
        """Wait for what is being answered, then let the threads go."""
        self._threads.shutdown()

    async def _respond(self, request: Request) -> Response:
        try:
            body = await _read(request)
        except PayloadTooLarge as error:
            return _problem(error)
        target = request.url.path.removeprefix(STAGE) or "/"
        if request.url.query:
            target += "?" + request.url.query
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._threads, self._answer, request.method, target, dict(request.headers), body
        )

    def _answer(self, method: str, target: str, headers: dict[str, str], body: bytes | None) -> Response:
        try:
            answer = self._gateway.handle_request(method, target, headers, body)
        except LocalGatewayException as error:
            return _problem(_as_on_aws(error, method, target))
        if answer["statusCode"] == HTTPStatus.METHOD_NOT_ALLOWED:
            return _problem(_no_operation(method, target.partition("?")[0]))
        plain = {name: value for name, value in answer["headers"].items() if name.lower() != "content-length"}
        return Response(answer["body"] or b"", answer["statusCode"], plain)

    async def _stream(self, request: Request, scope: Scope, receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()
        try:
            token = await loop.run_in_executor(self._threads, self.identity, dict(request.headers))
        except RagError as error:
            await _problem(error)(scope, receive, send)
            return
        headers = MutableHeaders(raw=list(Headers(scope=scope).raw))
        del headers["authorization"]
        headers[HEADER] = token
        target = {**scope, "path": STREAM_TARGET, "raw_path": STREAM_TARGET.encode(), "headers": headers.raw}
        await self._streaming(target, receive, send)


class _Gateway(LocalGateway):
    """Chalice's own stand-in, which can also be asked for the authorizer's answer alone."""

    def event(self, method: str, path: str, headers: Mapping[str, str]) -> dict[str, Any]:
        """Give the Lambda event after the authorizer has seen it. Raises `Unauthenticated`."""
        event = self._generate_lambda_event(method, path, dict(headers), None)
        try:
            authorized, _ = self._authorizer.authorize(path, event, self._generate_lambda_context())
        except LocalGatewayException as error:
            raise _as_on_aws(error, method, path) from error
        return dict(authorized)


async def _read(request: Request) -> bytes | None:
    """Give the body, or None where there is none. Raises `PayloadTooLarge` without reading on."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise PayloadTooLarge(f"The body is over {MAX_BODY_BYTES} bytes; send large files with POST /v1/uploads.")
    return bytes(body) or None


def _as_on_aws(error: LocalGatewayException, method: str, target: str) -> RagError:
    """Give the problem that the gateway responses of the deployed API are configured to answer."""
    path = target.partition("?")[0]
    if isinstance(error, NotAuthorizedError):
        return Unauthenticated("Send an API key or a token: 'Authorization: Bearer …'.")
    if error.headers.get("x-amzn-ErrorType") == "AccessDeniedException":
        return Unauthenticated("The API key or token is wrong, expired or revoked.")
    return _no_operation(method, path)


def _no_operation(method: str, path: str) -> NotFound:
    return NotFound(f"There is no operation {method} {STAGE}{path}; GET {STAGE}/openapi.json lists them.")


def _problem(error: RagError) -> Response:
    return JSONResponse(error.problem(), error.status, media_type="application/problem+json")
