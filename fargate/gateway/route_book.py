"""The routes of each tenant, remembered for moments: a change is live on every task within seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from chalicelib.domain.access import Tenant
from chalicelib.domain.routes import Route, RouteKind
from chalicelib.errors import NotFound
from chalicelib.ports.clock import Clock
from chalicelib.repositories.routes import Routes, missing

TTL_S = 2.0
MAX_TENANTS = 10_000


class RouteBook:
    """Gives routes without asking the store for each call."""

    def __init__(self, routes: Routes, clock: Clock) -> None:
        self._routes = routes
        self._clock = clock
        self._known: dict[Tenant, tuple[float, Mapping[str, Route]]] = {}

    async def all(self, tenant: Tenant) -> Mapping[str, Route]:
        """Give every route of *tenant* by name, as it was at most `TTL_S` ago."""
        now = self._clock.monotonic()
        known = self._known.get(tenant)
        if known is None or now >= known[0]:
            if known is not None:
                self._known[tenant] = now + TTL_S, known[1]  # one asks; who calls meanwhile goes by what was
            elif len(self._known) >= MAX_TENANTS:
                self._known.clear()
            known = self._known[tenant] = now + TTL_S, await asyncio.to_thread(self._routes.all, tenant)
        return known[1]

    async def get(self, tenant: Tenant, name: str, kind: RouteKind) -> Route:
        """Give the route. Raises `NotFound`, for one of another kind as well."""
        routes = await self.all(tenant)
        route = routes.get(name)
        if route is None:
            raise missing(name)
        if route.kind is not kind:
            fitting = ", ".join(one.name for one in routes.values() if one.kind is kind) or "none yet"
            raise NotFound(f"Route {name!r} is for {route.kind}, not for {kind}; routes for {kind}: {fitting}.")
        return route
