"""Errors that clients of OpenAI's API read as well as ours: a problem with the member ``error`` in front."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from chalicelib.contracts.gateway_events import openai_error
from chalicelib.observability.spans import current_trace_id
from fargate.http.problems import as_known, log_failure, problem_response


class OpenAiRoute(APIRoute):
    """A route whose errors have both shapes."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See `APIRoute.get_route_handler`."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except Exception as error:  # what nobody foresaw goes on to the rim
                known = as_known(request, error)
                if known is None:
                    raise
            log_failure(known)
            return problem_response(known, error=openai_error(known.problem(current_trace_id())))

        return answer
