"""What pages of other origins may read of an answer, whoever gives it: the edge, or a service that streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

TRACE_ID_HEADER = "X-Trace-Id"
REPLAYED_HEADER = "Idempotent-Replayed"
ANY = "*"


def headers_for(request: Mapping[str, str], allowed_origins: Sequence[str]) -> dict[str, str]:
    """
    Give the headers that let the page of an allowed origin read the response; none without allowed origins.

    *request* is the request's headers, whose names are found whatever their case.
    """
    if not allowed_origins:
        return {}
    if ANY in allowed_origins:
        return _readable_by(ANY)
    origin = request.get("origin", "")
    return {"Vary": "Origin"} | (_readable_by(origin) if origin in allowed_origins else {})


def _readable_by(origin: str) -> dict[str, str]:
    exposed = f"{TRACE_ID_HEADER}, {REPLAYED_HEADER}, ETag, Retry-After"
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": exposed}
