"""Errors as problem+json: the services' one place for it (the API edge has the other)."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from chalicelib.errors import InvalidRequest, NotFound, RagError, RateLimited, from_problem
from chalicelib.observability.logs import get_logger
from chalicelib.observability.spans import current_trace_id

MEDIA_TYPE = "application/problem+json"

_MAX_ERRORS = 20
_MAX_CHARACTERS = 200

log = get_logger(__name__)


def install(app: FastAPI) -> None:
    """Let *app* answer errors as problems. What nobody foresaw is the rim's (see `rim.Rim`)."""
    for kind, convert in _CONVERSIONS.items():
        app.add_exception_handler(kind, _answering(convert))


def problem_response(error: RagError, /, **members: Any) -> Response:
    """Give the response that says *error*, with ``Retry-After`` where waiting helps, and *members* in front."""
    headers = {"Cache-Control": "no-store"}
    if isinstance(error, RateLimited):
        headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    body = {**members, **error.problem(current_trace_id())}
    return JSONResponse(body, error.status, headers, media_type=MEDIA_TYPE)


def log_failure(error: RagError) -> None:
    """Put what was not served for a reason of ours into the log."""
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("request_not_served", code=error.code, detail=error.detail)


def as_known(request: Request, error: Exception) -> RagError | None:
    """Give the error that *error* is answered as, or None for one that nobody foresaw."""
    for kind, convert in _CONVERSIONS.items():
        if isinstance(error, kind):
            return convert(request, error)
    return None


def _answering(convert: Callable[[Request, Any], RagError]) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(request: Request, error: Exception) -> Response:
        known = convert(request, error)
        log_failure(known)
        return problem_response(known)

    return answer


def _itself(_: Request, error: RagError) -> RagError:
    return error


def _of_validation(_: Request, error: RequestValidationError) -> RagError:
    faults = [_fault(each) for each in error.errors()[:_MAX_ERRORS]]
    first = f"{'.'.join(map(str, faults[0]['loc'])) or 'the request'}: {faults[0]['msg']}"
    return InvalidRequest(f"The request is not valid. {first}", faults)


def _fault(detail: Mapping[str, Any]) -> dict[str, Any]:
    """Say place and reason as the API edge does: without ``body`` before the place, and never the value."""
    place = [part[:_MAX_CHARACTERS] if isinstance(part, str) else part for part in detail["loc"]]
    return {"loc": place[place[:1] == ["body"] :], "msg": detail["msg"].removeprefix("Value error, ")[:_MAX_CHARACTERS]}


def _of_framework(request: Request, error: HTTPException) -> RagError:
    if error.status_code in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}:
        return NotFound(f"There is no operation {request.method} {request.url.path}.")
    return from_problem({"detail": error.detail}, error.status_code)


_CONVERSIONS: Mapping[type[Exception], Callable[[Request, Any], RagError]] = {
    RagError: _itself,
    RequestValidationError: _of_validation,
    HTTPException: _of_framework,
}
