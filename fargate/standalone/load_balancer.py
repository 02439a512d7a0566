"""A stand-in for the load balancer: requests go to services by the first part of their path."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

from chalicelib.errors import NotFound
from fargate.http.problems import problem_response


class LoadBalancer:
    """An ASGI app that hands each request, as it is, to the app registered for its prefix."""

    def __init__(self, apps: Mapping[str, ASGIApp]) -> None:
        """Take the apps by prefix, such as ``retrieval`` for ``/retrieval/…``."""
        self._apps = dict(apps)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path: str = scope.get("path", "/")
        app = self._apps.get(path.split("/")[1])
        if app is None:
            missing = NotFound(f"Nothing answers at {path}; the API is below /v1, described at /v1/openapi.json.")
            app = problem_response(missing)
        await app(scope, receive, send)
