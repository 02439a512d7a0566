"""
Which pages of other origins may call the API.

Preflights are answered here and not by the gateway: its template would hold one origin, fixed when the app is packaged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chalice.app import HeadersType, Response

from chalicelib.contracts.cross_origin import ANY
from chalicelib.edge.problems import OPENAI_PATHS
from chalicelib.edge.repeats import KEY_HEADER
from chalicelib.observability.spans import TRACE_HEADER

PAGES_PREFIXES = ("/public/", "/widget/")
_MAX_AGE_S = 600
_TAKEN = f"Authorization, Content-Type, If-Match, {KEY_HEADER}, {TRACE_HEADER}"


def preflight(path: str, methods: Sequence[str]) -> Callable[..., Response]:
    """Give the view that answers ``OPTIONS`` of *path*, which has *methods*."""
    allow = ", ".join([*sorted(methods), "OPTIONS"])
    # OpenAI's client in a browser sends a dozen headers of its own; the star does not stand for the credential.
    taken = "Authorization, *" if OPENAI_PATHS.fullmatch(path) else _TAKEN

    def options(**_path: str) -> Response:
        headers: HeadersType = {
            "Allow": allow,
            "Access-Control-Allow-Methods": allow,
            "Access-Control-Allow-Headers": taken,
            "Access-Control-Max-Age": str(_MAX_AGE_S),
        }
        return Response("", headers, 204)

    return options


def origins_for(path: str, allowed_origins: Sequence[str]) -> Sequence[str]:
    """
    Give the origins whose pages may read what *path*, below the stage, answers: for some it is all of them.

    Such a path takes no credential that a browser would send by itself, and asks the token for its origins instead.
    """
    return (ANY,) if path.startswith(PAGES_PREFIXES) else allowed_origins
