"""The Chalice app, built from the declared operations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chalice.app import AuthRequest, AuthResponse, Blueprint, Chalice, Request, Response

from chalicelib.contracts.cross_origin import TRACE_ID_HEADER, headers_for
from chalicelib.edge import auth, problems
from chalicelib.edge.catalogue import RESOURCES
from chalicelib.edge.cross_origin import origins_for, preflight
from chalicelib.edge.dependencies import Edge
from chalicelib.edge.operations import Resource
from chalicelib.edge.typed import current_request, view_of
from chalicelib.edge.widget import register_widget
from chalicelib.observability.logs import get_logger
from chalicelib.observability.spans import TRACE_HEADER, from_outside, start_trace

log = get_logger(__name__)


def create_app(edge: Edge) -> Chalice:
    """
    Build the API on what *edge* holds. Its authorizer is ``app.handler_map[auth.AUTHORIZER]``.

    The app holds no request, so one app may answer on many threads.
    """
    # An environment of its own, since Chalice writes into the one it gets.
    app = Chalice("ragstone", configure_logs=False, env={})
    app.register_middleware(_around(edge), "http")
    authorizer = app.authorizer(ttl_seconds=auth.TTL_S, name=auth.AUTHORIZER)(_authorizer(edge))
    for resource in RESOURCES:
        app.register_blueprint(_blueprint(resource, edge, authorizer))
    register_widget(app)
    _register_preflights(app)
    return app


def _authorizer(edge: Edge) -> Callable[[AuthRequest], AuthResponse]:
    # Chalice makes the name of the Lambda's handler, `app.authorize`, of this function's own name.
    def authorize(request: AuthRequest) -> AuthResponse:
        return auth.authorize(edge, request)

    return authorize


def _blueprint(resource: Resource, edge: Edge, authorizer: Any) -> Blueprint:
    blueprint = Blueprint(resource.tag)
    for operation in resource.operations:
        route = blueprint.route(
            operation.path,
            methods=[operation.method.value],
            name=operation.name,
            authorizer=authorizer if operation.permission else None,
            content_types=[],  # checked where a body is read, so that the refusal is a problem like every other
        )
        route(view_of(operation, edge))
    return blueprint


def _register_preflights(app: Chalice) -> None:
    for path, entries in list(app.routes.items()):
        name = f"preflight{path.translate(_NAME)}"
        app.route(path, methods=["OPTIONS"], name=name, content_types=[])(preflight(path, list(entries)))


_NAME = str.maketrans({"/": "_", "-": "_", "{": None, "}": None, ".": "_"})


def _around(edge: Edge) -> Callable[[Request, Callable[[Request], Response]], Response]:
    """Give the middleware that every request passes: its trace, its log line, and what every response carries."""

    def around(request: Request, respond: Callable[[Request], Response]) -> Response:
        trace_id = start_trace(edge.trace_of_host() or from_outside(request.headers.get(TRACE_HEADER)))
        started = edge.clock.monotonic()
        token = current_request.set(request)
        try:
            response = respond(request)
        finally:
            current_request.reset(token)
        if not _ours(response):
            response = problems.response(problems.of_framework(response.status_code), trace_id, request.path)
        origins = origins_for(request.path, edge.allowed_origins)
        response.headers.update({TRACE_ID_HEADER: trace_id, **headers_for(request.headers, origins)})
        duration_ms = round((edge.clock.monotonic() - started) * 1_000, 1)
        log.info("request", method=request.method, path=request.path, status=response.status_code, ms=duration_ms)
        return response

    return around


def _ours(response: Response) -> bool:
    """Say whether a view made *response*; what Chalice answers by itself names no media type."""
    names: Sequence[str] = [name.lower() for name in response.headers]
    return "content-type" in names or response.status_code == 204
