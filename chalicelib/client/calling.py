"""How calls go to the API: who asks, what is repeated, and what comes back; the calls themselves stand beside."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Self, TypeVar
from urllib.parse import quote, urlencode

from pydantic import BaseModel

from chalicelib.client import retrying
from chalicelib.contracts.common import ListOf
from chalicelib.contracts.queries import MAX_PAGE_ITEMS, QueryModel
from chalicelib.observability.spans import TRACE_HEADER, trace_header
from chalicelib.transport import Call, Transport

ModelT = TypeVar("ModelT", bound=BaseModel)


class Caller:
    """Calls one platform in the name of one API key (or user token); see `api.Client`."""

    def __init__(
        self,
        base_url: str,
        api_key: str | None,
        *,
        timeout_s: float = 30.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take the platform's address, with or without ``/v1``. Without a key only `health` answers."""
        self._transport = Transport(base_url.rstrip("/").removesuffix("/v1"))
        self._authorization = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._timeout_s = timeout_s
        self._sleep = sleep

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def _get(self, path: str, kind: type[ModelT], query: QueryModel | None = None) -> ModelT:
        asked = f"?{urlencode(given(query))}" if query else ""
        return self._send(self._call("GET", path + asked), kind)

    def _all(self, path: str, kind: type[ModelT]) -> list[ModelT]:
        return self._get(path, ListOf[kind]).items  # type: ignore[valid-type]

    def _act(self, path: str, kind: type[ModelT]) -> ModelT:
        return self._send(self._call("POST", path), kind)

    def _delete(self, path: str, kind: type[ModelT], if_version: int | None = None) -> ModelT:
        return self._send(_for_version(self._call("DELETE", path), if_version), kind)

    def _post(self, path: str, request: BaseModel, kind: type[ModelT]) -> ModelT:
        return self._send(self._call("POST", path, request), kind)

    def _create(self, path: str, request: BaseModel, kind: type[ModelT], key: str | None) -> ModelT:
        return self._send(self._call("POST", path, request, idempotency_key=key or secrets.token_hex(16)), kind)

    def _change(self, path: str, request: BaseModel, kind: type[ModelT], if_version: int | None) -> ModelT:
        return self._send(_for_version(self._call("PATCH", path, request), if_version), kind)

    def _items(
        self, path: str, kind: type[ModelT], query: QueryModel | None = None, **filters: str | None
    ) -> Iterator[ModelT]:
        asked = {"limit": str(MAX_PAGE_ITEMS)} | (given(query) if query else {})
        asked |= {name: value for name, value in filters.items() if value is not None}
        while True:
            page = self._get(f"{path}?{urlencode(asked)}", ListOf[kind])  # type: ignore[valid-type]
            yield from page.items
            if page.next_cursor is None:
                return
            asked["cursor"] = page.next_cursor

    def _call(
        self, method: str, path: str, body: BaseModel | None = None, *, idempotency_key: str | None = None
    ) -> Call:
        headers = dict(self._authorization)
        if idempotency_key is not None:
            headers[retrying.IDEMPOTENCY_KEY] = idempotency_key
        if (trace := trace_header()) is not None:
            headers[TRACE_HEADER] = trace
        return Call(method, "/v1" + path, body, headers, self._timeout_s)

    def _send(self, call: Call, kind: type[ModelT]) -> ModelT:
        reply = retrying.send(self._transport, call, self._sleep)
        if reply.failed:
            raise reply.error()
        return reply.model(kind)


def _for_version(call: Call, if_version: int | None) -> Call:
    """Give *call*, for that version alone where one is named."""
    if if_version is None:
        return call
    return replace(call, headers={**call.headers, "If-Match": f'"{if_version}"'})


def quoted(part: str) -> str:
    """Give *part* of a path so that it cannot lead elsewhere."""
    return quote(part, safe="")


def given(query: QueryModel) -> dict[str, str]:
    """Give the parameters that *query* was made with, as they are sent."""
    said = query.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in said.items()}
