"""Routes by name, each with every version it had."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from chalicelib.domain.access import Tenant
from chalicelib.domain.routes import Route
from chalicelib.errors import ConditionFailed, Conflict, NotFound
from chalicelib.ports.table import Delete, Item, Put, Query, Table
from chalicelib.repositories import keys
from chalicelib.repositories.audit import Note, told
from chalicelib.repositories.codec import Codec
from chalicelib.repositories.versioned import all_beside, last_version

MAX_ROUTES = 200

_routes = Codec(Route)


class Routes:
    """
    The routes of all tenants, one tenant at a time.

    *configured* are those of the environment: every tenant has them, but for a route of its own of the same name.
    """

    def __init__(self, table: Table, configured: Mapping[str, Route]) -> None:
        self._table = table
        self._configured = dict(configured)

    def all(self, tenant: Tenant) -> dict[str, Route]:
        """Give every route by name, sorted."""
        stored = {route.name: route for route in self._stored(tenant)}
        return dict(sorted((self._configured | stored).items()))

    def get(self, tenant: Tenant, name: str) -> Route:
        """Give the route. Raises `NotFound`."""
        item = self._table.get(keys.route(tenant, name))
        if item is not None:
            return _routes.load(item)
        if name in self._configured:
            return self._configured[name]
        raise missing(name)

    def create(self, tenant: Tenant, route: Route, note: Note | None = None) -> Route:
        """
        Store a new route, and with it what *note* tells.

        Raises `Conflict` when the tenant has one of that name, or as many as it can have.
        """
        if len(self.all(tenant)) >= MAX_ROUTES:
            raise Conflict(f"There are {MAX_ROUTES} routes, which is as many as there can be; delete one first.")
        last = self._latest_version(tenant, route.name)
        stored = replace(route, version=last + 1)
        puts = Put(_item(tenant, stored), if_absent=True), Put(_past(tenant, stored), if_absent=True)
        try:
            self._table.write(*puts, *told(note, None, _routes.dump(stored)))
        except ConditionFailed as lost:
            raise Conflict(f"A route {route.name!r} exists already; change it, or choose another name.") from lost
        return stored

    def update(self, tenant: Tenant, name: str, change: Callable[[Route], Route], note: Note | None = None) -> Route:
        """
        Store what *change* makes of the route as its next version. Raises `NotFound`, or `Conflict` if it changed.

        Raises `Conflict` for one of the environment as well, which only a route of its own can take the place of.
        """
        current = self.get(tenant, name)
        if not current.version:
            raise Conflict(f"Route {name!r} is configured by the environment; create one of that name to replace it.")
        changed = replace(change(current), version=current.version + 1)
        operations = Put(_item(tenant, changed), if_version=current.version), Put(_past(tenant, changed))
        self._write(name, *operations, *told(note, _routes.dump(current), _routes.dump(changed)))
        return changed

    def delete(self, tenant: Tenant, route: Route, note: Note | None = None) -> Route:
        """Take *route* away and give it; its versions stay. Raises `Conflict` if it has another version by now."""
        if not route.version:
            raise Conflict(f"Route {route.name!r} is configured by the environment, where it must be taken away.")
        gone = Delete(keys.route(tenant, route.name), if_version=route.version)
        self._write(route.name, gone, *told(note, _routes.dump(route), None))
        return route

    def versions(self, tenant: Tenant, name: str, *, limit: int, cursor: str | None) -> tuple[list[Route], str | None]:
        """Give at most *limit* versions of the route, newest first, and the cursor of the next page."""
        self.get(tenant, name)
        key = keys.route_version(tenant, name, 0)
        page = self._table.query(Query(key.table, key.partition, descending=True, limit=limit, cursor=cursor))
        return [_routes.load(item) for item in page.items], page.cursor

    def _stored(self, tenant: Tenant) -> Iterator[Route]:
        return map(_routes.load, all_beside(self._table, keys.route(tenant, "*"), MAX_ROUTES))

    def _latest_version(self, tenant: Tenant, name: str) -> int:
        """Give the last version there was: a route that is made anew goes on counting."""
        return last_version(self._table, keys.route_version(tenant, name, 0))

    def _write(self, name: str, *operations: Put | Delete) -> None:
        try:
            self._table.write(*operations)
        except ConditionFailed as lost:
            raise Conflict(f"Route {name!r} was changed by somebody else; read it again.") from lost


def missing(name: str) -> NotFound:
    """Give what is raised for a route that does not exist."""
    return NotFound(f"There is no route {name!r}. GET /gateway/v1/models lists those there are.")


def _item(tenant: Tenant, route: Route) -> Item:
    return Item(keys.route(tenant, route.name), _routes.dump(route), version=route.version)


def _past(tenant: Tenant, route: Route) -> Item:
    return Item(keys.route_version(tenant, route.name, route.version), _routes.dump(route), version=route.version)
