"""Errors as problem+json (RFC 9457): one of the two places where that happens."""

from __future__ import annotations

import json
import math
import re

from chalice.app import HeadersType, Response

from chalicelib.contracts.gateway_events import openai_error
from chalicelib.errors import NotFound, RagError, RateLimited, Unauthenticated, UnsupportedMedia

MEDIA_TYPE = "application/problem+json"
NOTHING_HERE = "There is nothing at this address, or it is not yours."
"""What every missing, foreign or malformed id in a path answers, to the byte."""


OPENAI_PATHS = re.compile(r"/chat/completions|/models(/[^/]+)?")
"""Below the stage: where clients of OpenAI's API look for ``error``."""


def response(error: RagError, trace_id: str, path: str = "") -> Response:
    """Give the response that tells of *error*, met at *path* below the stage."""
    headers: HeadersType = {"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store"}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, RateLimited):
        headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    problem = error.problem(trace_id)
    shown = {"error": openai_error(problem), **problem} if OPENAI_PATHS.fullmatch(path) else problem
    body = json.dumps(shown, ensure_ascii=False, separators=(",", ":"), default=str)
    return Response(body, headers, error.status)


def unexpected() -> RagError:
    """Give the error that stands for one nobody foresaw; what it was is in the log, under the trace's id."""
    return RagError("Something went wrong that should not have. The trace id leads to the log entry.")


def of_framework(status: int) -> RagError:
    """Give the error for a request that Chalice itself refused with *status*."""
    match status:
        case 405:
            return NotFound("There is no such operation; GET /v1/openapi.json lists them.")
        case 415:
            return UnsupportedMedia("Send JSON: 'Content-Type: application/json'.")
        case _:
            return unexpected()
