"""Routes as OpenAI's clients know them: their errors are problems with the member ``error`` in front."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, cast

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from chalicelib.contracts.gateway_events import openai_error
from chalicelib.domain.access import Principal
from chalicelib.errors import InvalidRequest, RagError
from chalicelib.observability.logs import get_logger
from chalicelib.observability.spans import current_trace_id
from fargate.http.express import ExpressRoute
from fargate.http.identity import Authenticate
from fargate.http.problems import as_known, log_failure, problem_response

log = get_logger(__name__)


def openai_route(authenticate: Authenticate) -> type[OpenAiRoute]:
    """Give the class of routes whose callers *authenticate* tells."""

    class Route(OpenAiRoute):
        identify = staticmethod(cast("Callable[[Request], Awaitable[Principal]]", authenticate))

    return Route


class OpenAiRoute(ExpressRoute):
    """
    A route whose errors have both shapes.

    Its endpoint takes the model of the body, if it has one, the request, and the principal, in this order.
    """

    identify: Callable[[Request], Awaitable[Principal]]

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See `APIRoute.get_route_handler`."""
        return self.answered

    async def answered(self, request: Request) -> Response:
        """See `ExpressRoute.answered`."""
        field = self.body_field
        try:
            principal = await self.identify(request)
            body = [await _read(request, cast("type[BaseModel]", field.field_info.annotation))] if field else []
            answer: Response = await self.endpoint(*body, request, principal)
        except Exception as error:  # a rim: what nobody foresaw has the shape of the others
            known = as_known(request, error)
            if known is None:
                log.exception("request_failed", method=request.method, path=request.url.path)
                known = RagError(f"Something went wrong here; the log says more about trace {current_trace_id()}.")
        else:
            return answer
        log_failure(known)
        return problem_response(known, error=openai_error(known.problem(current_trace_id())))


async def _read(request: Request, model: type[BaseModel]) -> BaseModel:
    """Give the body, checked as it is parsed."""
    if "json" not in request.headers.get("content-type", ""):
        raise InvalidRequest("The request has no JSON; send it with 'Content-Type: application/json'.")
    body = await request.body()
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
    raise RequestValidationError([{**fault, "loc": ("body", *fault["loc"])} for fault in faults])
