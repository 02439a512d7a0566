"""
Which pages of other origins may call the API.

Preflights are answered here and not by the gateway: its template would hold one origin, fixed when the app is packaged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from chalice.app import HeadersType, Response

from chalicelib.edge.repeats import KEY_HEADER, REPLAYED_HEADER
from chalicelib.observability.spans import TRACE_HEADER

TRACE_ID_HEADER = "X-Trace-Id"
PAGES_PREFIXES = ("/public/", "/widget/")
_ANY = "*"
_MAX_AGE_S = 600


def preflight(methods: Sequence[str]) -> Callable[..., Response]:
    """Give the view that answers ``OPTIONS`` of a path that has *methods*."""
    allow = ", ".join([*sorted(methods), "OPTIONS"])

    def options(**_path: str) -> Response:
        headers: HeadersType = {
            "Allow": allow,
            "Access-Control-Allow-Methods": allow,
            "Access-Control-Allow-Headers": f"Authorization, Content-Type, If-Match, {KEY_HEADER}, {TRACE_HEADER}",
            "Access-Control-Max-Age": str(_MAX_AGE_S),
        }
        return Response("", headers, 204)

    return options


def origins_for(path: str, allowed_origins: Sequence[str]) -> Sequence[str]:
    """
    Give the origins whose pages may read what *path*, below the stage, answers: for some it is all of them.

    Such a path takes no credential that a browser would send by itself, and asks the token for its origins instead.
    """
    return (_ANY,) if path.startswith(PAGES_PREFIXES) else allowed_origins


def headers_for(request: Mapping[str, str], allowed_origins: Sequence[str]) -> dict[str, str]:
    """
    Give the headers that let the page of an allowed origin read the response; none without allowed origins.

    *request* is the request's headers, whose names are found whatever their case.
    """
    if not allowed_origins:
        return {}
    if _ANY in allowed_origins:
        return _readable_by(_ANY)
    origin = request.get("origin", "")
    return {"Vary": "Origin"} | (_readable_by(origin) if origin in allowed_origins else {})


def _readable_by(origin: str) -> dict[str, str]:
    exposed = f"{TRACE_ID_HEADER}, {REPLAYED_HEADER}, ETag, Retry-After"
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": exposed}
