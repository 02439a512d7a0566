"""Routes that are called so often that the way to them counts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send


class ExpressRoute(APIRoute):
    """A route at a fixed path that reads and answers its requests itself, errors that it foresees included."""

    @abstractmethod
    async def answered(self, request: Request) -> Response:
        """Give the response to *request*."""


class Express:
    """Brings requests straight to such routes, past the framework's search, dependencies and layers of its own."""

    def __init__(self, app: ASGIApp, routes: Sequence[ExpressRoute]) -> None:
        self._app = app
        self._routes = {(method, route.path): route for route in routes for method in route.methods or ()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        route = self._routes.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route
        response = await route.answered(Request(scope, receive, send))
        await response(scope, receive, send)
