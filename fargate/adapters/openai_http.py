"""Providers that speak OpenAI's protocol, called directly: one request, no translation, no client library between."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp
from pydantic_core import from_json, to_json

from chalicelib.ports.model_providers import Access, FailureKind, ProviderCall, ProviderFailure
from fargate.adapters.provider_refusals import failure_of

MAX_REFUSAL_BYTES = 64 * 1024
CONNECT_S = 5.0
KEPT_ALIVE_S = 30.0

_JSON = "application/json"
_EVENTS = "text/event-stream"
_DONE = b"[DONE]"
_NOT_OPENAI = frozenset({"input_type"})


@dataclass(frozen=True, slots=True)
class AnswerLimits:
    """How much of an answer is read; an *event* is one chunk of a stream."""

    whole_bytes: int = 64 * 1024 * 1024
    event_bytes: int = 4 * 1024 * 1024


class OpenAiProvider:
    """
    See `ModelProvider`. Connections are kept, for the event loop that made them; `close` it there in the end.

    Redirects are not followed, since they would carry the key elsewhere, and no proxy is taken from the environment.
    """

    def __init__(self, limits: AnswerLimits = AnswerLimits()) -> None:
        self._limits = limits
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def prepare(self) -> None:
        """See `ModelProvider.prepare`; there is nothing."""

    async def chat(self, call: ProviderCall) -> Mapping[str, Any]:
        """See `ModelProvider.chat`."""
        return await self._whole("/chat/completions", call, {})

    async def embed(self, call: ProviderCall) -> Mapping[str, Any]:
        """See `ModelProvider.embed`."""
        return await self._whole("/embeddings", call, {})

    async def rerank(self, call: ProviderCall) -> Mapping[str, Any]:
        """See `ModelProvider.rerank`; as Cohere's API has it, which vLLM, Jina and others serve beside OpenAI's."""
        return await self._whole("/rerank", call, {})

    async def chat_stream(self, call: ProviderCall) -> AsyncGenerator[Mapping[str, Any], None]:
        """See `ModelProvider.chat_stream`."""
        options = {"stream": True, "stream_options": {"include_usage": True}}
        finished = False
        async with self._answer("/chat/completions", call, options) as response:
            _check_type(response, _EVENTS)
            async for data in _events(response, self._limits.event_bytes):
                if data == _DONE:
                    return
                chunk = _object(data)
                if "error" in chunk:
                    raise failure_of(_status_in(chunk), chunk, None)
                finished = finished or _is_finished(chunk)
                yield chunk
        if not finished:
            raise ProviderFailure(FailureKind.BROKEN_OFF)

    async def close(self) -> None:
        """Let the connections go."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _whole(self, path: str, call: ProviderCall, options: Mapping[str, Any]) -> Mapping[str, Any]:
        async with self._answer(path, call, options) as response:
            _check_type(response, _JSON)
            return _object(await _read(response, self._limits.whole_bytes))

    @contextlib.asynccontextmanager
    async def _answer(
        self, path: str, call: ProviderCall, options: Mapping[str, Any]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send the request, and give the response if it is a good one; every way to fail becomes `ProviderFailure`."""
        body = {name: value for name, value in call.body.items() if name not in _NOT_OPENAI}
        data = to_json({"model": call.model, **body, **options})
        url = (call.access.base_url or "").rstrip("/") + path
        try:
            async with self._connections().post(
                url, data=data, headers=_headers(call.access), allow_redirects=False
            ) as response:
                if response.status != HTTPStatus.OK:
                    raise await _refusal(response)
                yield response
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL, ssl.SSLError):
            raise ProviderFailure(FailureKind.UNAVAILABLE) from None
        except (aiohttp.ClientError, ConnectionError):
            raise ProviderFailure(FailureKind.BROKEN_OFF) from None
        except TimeoutError:
            # The connection's; the whole call's ends it by cancelling.
            raise ProviderFailure(FailureKind.UNAVAILABLE) from None

    def _connections(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._session is None or self._loop is not loop:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEPT_ALIVE_S)
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S)
            self._session, self._loop = aiohttp.ClientSession(connector=connector, timeout=timeout), loop
        return self._session


def _headers(access: Access) -> dict[str, str]:
    headers = {"Content-Type": _JSON, "User-Agent": "ragstone-gateway"}
    if access.api_key is not None:
        headers["Authorization"] = f"Bearer {access.api_key.get_secret_value()}"
    return headers


async def _refusal(response: aiohttp.ClientResponse) -> ProviderFailure:
    body: Mapping[str, Any] = {}
    with contextlib.suppress(ProviderFailure):  # its status says enough
        body = _object(await _read(response, MAX_REFUSAL_BYTES))
    return failure_of(response.status, body, response.headers.get("Retry-After"))


def _check_type(response: aiohttp.ClientResponse, wanted: str) -> None:
    if response.content_type != wanted:
        raise ProviderFailure(FailureKind.BAD_ANSWER, upstream_status=response.status)


async def _read(response: aiohttp.ClientResponse, limit_bytes: int) -> bytes:
    if (response.content_length or 0) > limit_bytes:
        raise ProviderFailure(FailureKind.BAD_ANSWER, upstream_status=response.status)
    pieces, size = [], 0
    async for piece in response.content.iter_any():
        size += len(piece)
        if size > limit_bytes:
            raise ProviderFailure(FailureKind.BAD_ANSWER, upstream_status=response.status)
        pieces.append(piece)
    return b"".join(pieces)


async def _events(response: aiohttp.ClientResponse, limit_bytes: int) -> AsyncIterator[bytes]:
    """Give the data of each server-sent event; one line each, as all who speak this protocol send them."""
    rest = b""
    async for piece in response.content.iter_any():
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield line[5:].strip()
        if len(rest) > limit_bytes:
            raise ProviderFailure(FailureKind.BAD_ANSWER)


def _object(data: bytes) -> Mapping[str, Any]:
    try:
        value = from_json(data)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ProviderFailure(FailureKind.BAD_ANSWER)
    return value


def _is_finished(chunk: Mapping[str, Any]) -> bool:
    choices = chunk.get("choices")
    return isinstance(choices, list) and any(isinstance(one, dict) and one.get("finish_reason") for one in choices)


def _status_in(chunk: Mapping[str, Any]) -> int:
    error = chunk.get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) else HTTPStatus.INTERNAL_SERVER_ERROR
