"""The outermost layer of a service: the trace, the access line, and the last resort for errors nobody foresaw."""

from __future__ import annotations

import time
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chalicelib.contracts.cross_origin import TRACE_ID_HEADER
from chalicelib.errors import RagError
from chalicelib.observability.logs import bind, get_logger
from chalicelib.observability.metrics import Metrics
from chalicelib.observability.spans import TRACE_HEADER, current_trace_id, span, start_trace
from fargate.http.problems import problem_response

log = get_logger(__name__)


@dataclass(slots=True)
class _Exchange:
    """One request and what became of it; *status* is 0 until the response has begun."""

    method: str
    path: str
    started: float
    status: int = 0


class Rim:
    """Goes on with the caller's trace, names it on every response, and answers unforeseen errors with a bare 500."""

    def __init__(self, app: ASGIApp, service: str, metrics: Metrics) -> None:
        self._app = app
        self._service = service
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        trace_id = start_trace(Headers(scope=scope).get(TRACE_HEADER))
        bind(service=self._service)
        exchange = _Exchange(scope["method"], scope["path"], time.perf_counter())

        async def send_traced(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                MutableHeaders(raw=message.setdefault("headers", []))[TRACE_ID_HEADER] = trace_id
            await send(message)

        try:
            with span(f"{self._service}.request", method=exchange.method, path=exchange.path):
                await self._serve(scope, receive, send_traced, exchange)
        finally:
            self._report(scope, exchange)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, exchange: _Exchange) -> None:
        try:
            await self._app(scope, receive, send)
        except Exception:  # whatever happens in a service, its caller gets an answer and the log the place
            log.exception("request_failed", method=exchange.method, path=exchange.path)
            if exchange.status:
                raise  # too late for another answer; the server breaks the connection off
            failure = RagError(f"Something went wrong here; the log says more about trace {current_trace_id()}.")
            await problem_response(failure)(scope, receive, send)

    def _report(self, scope: Scope, exchange: _Exchange) -> None:
        if exchange.path.endswith("/health"):
            return  # asked every few seconds by the load balancer
        duration_ms = (time.perf_counter() - exchange.started) * 1_000
        log.info(
            "request_served",
            method=exchange.method,
            path=exchange.path,
            status=exchange.status,
            duration_ms=round(duration_ms, 2),
        )
        route = getattr(scope.get("route"), "path", "unknown")
        dimensions = {"Service": self._service, "Route": f"{exchange.method} {route}"}
        self._metrics.time_ms("Duration", duration_ms, **dimensions)
        self._metrics.count("Requests", 1, **dimensions, Outcome=f"{exchange.status // 100}xx")
        self._metrics.flush()
