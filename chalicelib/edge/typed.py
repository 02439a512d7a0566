"""From an operation to the view that Chalice calls: authenticate, authorise, validate, do it, map errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

from chalice.app import HeadersType, Request, Response
from pydantic import BaseModel

from chalicelib.contracts.cross_origin import REPLAYED_HEADER
from chalicelib.domain.access import Permission, Principal, allows
from chalicelib.domain.acting import act_for
from chalicelib.edge import problems, reading
from chalicelib.edge.dependencies import Edge
from chalicelib.edge.feedback_access import feedback_scope
from chalicelib.edge.operations import Call, Operation, PageCall, Visit
from chalicelib.edge.repeats import KEY_HEADER, Reply, once
from chalicelib.errors import Forbidden, NotFound, RagError, Unauthenticated
from chalicelib.observability.logs import bind, get_logger
from chalicelib.observability.spans import current_trace_id, span

log = get_logger(__name__)

current_request: ContextVar[Request] = ContextVar("ragstone_request")
"""The request being answered; a Chalice app remembers one for all threads, which would mix them up."""


def view_of(operation: Operation, edge: Edge) -> Callable[..., Response]:
    """Give the function that answers requests for *operation*; it raises nothing."""

    def view(**path: str) -> Response:
        request = current_request.get()
        with span("edge.request", operation=operation.name) as stage:
            response = _answer(operation, edge, request, path)
            stage.note(status=response.status_code)
        return response

    return view


def _answer(operation: Operation, edge: Edge, request: Request, path: Mapping[str, str]) -> Response:
    trace_id = current_trace_id() or ""
    try:
        if operation.for_pages:
            return _by_token(operation, edge, request, path)
        if operation.permission is None:
            return _visited(operation, edge, request, path)
        return _called(operation, operation.permission, edge, request, path)
    except NotFound as error:
        # With an id in the path, nothing in the answer may tell missing from foreign.
        return problems.response(NotFound(problems.NOTHING_HERE) if path else error, trace_id, operation.path)
    except RagError as error:
        if error.status >= 500:
            log.exception("request_failed", operation=operation.name)
        return problems.response(error, trace_id, operation.path)
    except Exception:
        log.exception("request_crashed", operation=operation.name)
        return problems.response(problems.unexpected(), trace_id, operation.path)


def _visited(operation: Operation, edge: Edge, request: Request, path: Mapping[str, str]) -> Response:
    place = reading.path_of(operation, path)
    sent = reading.validated(operation.input, reading.query_of(request))
    return _response(operation, Reply(operation.view(Visit(edge, sent, place))))


def _by_token(operation: Operation, edge: Edge, request: Request, path: Mapping[str, str]) -> Response:
    scope = feedback_scope(edge, request)
    with act_for(scope.tenant), bind(tenant=scope.tenant.tenant_id, subject=scope.subject):
        place, given = reading.path_of(operation, path), reading.query_of(request)
        if operation.takes_body:
            reading.refuse_query(given)
            given = reading.body_of(request, operation.max_body_bytes)
        call = PageCall(edge, reading.validated(operation.input, given), place, scope)
        return _response(operation, Reply(operation.view(call)))


def _called(
    operation: Operation, permission: Permission, edge: Edge, request: Request, path: Mapping[str, str]
) -> Response:
    principal = _principal(edge, request)
    with act_for(principal.tenant), bind(tenant=principal.tenant.tenant_id, subject=principal.subject):
        if not allows(principal, permission):
            raise _refusal(principal, permission)
        place = reading.path_of(operation, path)
        given = reading.query_of(request)
        if_match = reading.revision_of(operation, request)
        if not operation.takes_body:
            reading.refuse_body(operation, request)
            call = Call(edge, reading.validated(operation.input, given), place, principal, if_match)
            return _response(operation, Reply(operation.view(call)))
        reading.refuse_query(given)
        body = reading.body_of(request)
        call = Call(edge, reading.validated(operation.input, body), place, principal, if_match)
        key = request.headers.get(KEY_HEADER)
        named = reading.digest(operation.name, place, body) if key is not None else ""
        return _response(operation, once(operation, call, key, named))


def _principal(edge: Edge, request: Request) -> Principal:
    """Give whom the authorizer let in. Raises `Unauthenticated` where no authorizer stood before this view."""
    context: Mapping[str, Any] = request.context.get("authorizer") or {}
    identity = context.get("identity")
    if not isinstance(identity, str):
        raise Unauthenticated("Send an API key or a user token: 'Authorization: Bearer …'.")
    return edge.verifier.verify(identity)


def _refusal(principal: Principal, permission: Permission) -> Forbidden:
    roles = ", ".join(sorted(principal.roles)) or "none"
    return Forbidden(f"This needs the permission {permission}, which your roles ({roles}) do not carry.")


def _response(operation: Operation, reply: Reply) -> Response:
    headers: HeadersType = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    if reply.replayed:
        headers[REPLAYED_HEADER] = "true"
    content = reply.content
    if operation.revision is not None:
        headers["ETag"] = f'"{operation.revision(content)}"'
    body = content.model_dump_json() if isinstance(content, BaseModel) else dict(content)
    return Response(body, headers, operation.status)
