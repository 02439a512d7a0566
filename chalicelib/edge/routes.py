"""Gateway routes: public model names, and the providers behind them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from chalicelib.contracts.common import ListOf
from chalicelib.contracts.gateway import ProviderViews, RouteState, RouteTest
from chalicelib.contracts.queries import NoQuery, PageQuery
from chalicelib.contracts.routes import RouteCreate, RoutePatch, RouteView
from chalicelib.domain.access import Permission, Tenant
from chalicelib.domain.routes import Deployment, Route
from chalicelib.edge.dependencies import Edge
from chalicelib.edge.operations import SAME_ANSWER, Call, Resource
from chalicelib.errors import Conflict, InvalidRequest

routes = Resource("routes", "Public model names, and the deployments that answer for them")


@routes.post(
    "/routes",
    permission=Permission.ROUTES_MANAGE,
    body=RouteCreate,
    returns=RouteView,
    status=201,
    repeat=SAME_ANSWER,
    raises=(Conflict,),
    summary="Make a route",
)
def create_route(call: Call[RouteCreate]) -> RouteView:
    """
    It can be called as `model` within seconds. A route of the environment is replaced by one of the same name.

    Keys and addresses of providers are configured by administrators, in the environment or as secrets.
    """
    now, route = call.edge.clock.now(), call.input.entity()
    _check(call.edge, call.principal.tenant, route)
    made = replace(route, created_at=now, updated_at=now, updated_by=call.principal.subject)
    note = call.note("route.create", f"routes/{route.name}")
    return RouteView.model_validate(call.edge.routes.create(call.principal.tenant, made, note))


@routes.get(
    "/routes",
    permission=Permission.ROUTES_MANAGE,
    query=NoQuery,
    returns=ListOf[RouteView],
    summary="List the routes",
)
def list_routes(call: Call[NoQuery]) -> ListOf[RouteView]:
    """All of them, by name; those with the version 0 are configured by the environment."""
    found = call.edge.routes.all(call.principal.tenant).values()
    return ListOf[RouteView](items=[RouteView.model_validate(route) for route in found])


@routes.get(
    "/routes/{route}",
    permission=Permission.ROUTES_MANAGE,
    query=NoQuery,
    returns=RouteView,
    revision=lambda view: view.version,
    summary="Read a route",
)
def get_route(call: Call[NoQuery]) -> RouteView:
    """The `ETag` names its version."""
    return RouteView.model_validate(call.edge.routes.get(call.principal.tenant, call.path["route"]))


@routes.get(
    "/routes/{route}/versions",
    permission=Permission.ROUTES_MANAGE,
    query=PageQuery,
    returns=ListOf[RouteView],
    summary="List the versions of a route",
)
def list_route_versions(call: Call[PageQuery]) -> ListOf[RouteView]:
    """Newest first, with who made each; a route of the environment has none."""
    tenant, page = call.principal.tenant, call.input
    found, cursor = call.edge.routes.versions(tenant, call.path["route"], limit=page.limit, cursor=page.cursor)
    return ListOf[RouteView](items=[RouteView.model_validate(route) for route in found], next_cursor=cursor)


@routes.patch(
    "/routes/{route}",
    permission=Permission.ROUTES_MANAGE,
    body=RoutePatch,
    returns=RouteView,
    revision=lambda view: view.version,
    summary="Change a route",
)
def change_route(call: Call[RoutePatch]) -> RouteView:
    """What is given replaces what stood there as a whole, and what is left out stays. Live within seconds."""
    tenant, now = call.principal.tenant, call.edge.clock.now()

    def change(route: Route) -> Route:
        call.check_version(f"Route {route.name!r}", route.version)
        changed = _changed(route, call.input)
        _check(call.edge, tenant, changed)
        return replace(changed, updated_at=now, updated_by=call.principal.subject)

    name = call.path["route"]
    return RouteView.model_validate(
        call.edge.routes.update(tenant, name, change, call.note("route.change", f"routes/{name}"))
    )


@routes.delete(
    "/routes/{route}",
    permission=Permission.ROUTES_MANAGE,
    returns=RouteView,
    one_revision=True,
    summary="Delete a route",
)
def delete_route(call: Call[NoQuery]) -> RouteView:
    """Its versions are kept. Fails with 409 while another route falls back or degrades to it."""
    tenant, name = call.principal.tenant, call.path["route"]
    route = call.edge.routes.get(tenant, name)
    call.check_version(f"Route {name!r}", route.version)
    users = [one.name for one in call.edge.routes.all(tenant).values() if name in (*one.fallbacks, one.degrade_to)]
    if users:
        raise Conflict(f"Routes {', '.join(users)} fall back or degrade to {name!r}; change them first.")
    return RouteView.model_validate(call.edge.routes.delete(tenant, route, call.note("route.delete", f"routes/{name}")))


@routes.act(
    "/routes/{route}/test",
    permission=Permission.ROUTES_MANAGE,
    returns=RouteTest,
    status=200,
    summary="Try every deployment of a route",
)
def test_route(call: Call[NoQuery]) -> RouteTest:
    """Each once, with a small call that is charged as any other; says what answered, how fast, and what failed why."""
    return call.edge.wait(call.edge.gateway.test(call.principal, call.path["route"]))


@routes.get(
    "/routes/{route}/health",
    permission=Permission.ROUTES_MANAGE,
    query=NoQuery,
    returns=RouteState,
    summary="See how a route's deployments are",
)
def get_route_health(call: Call[NoQuery]) -> RouteState:
    """What the task of the gateway that answers saw of each lately; nothing is called for it."""
    return call.edge.wait(call.edge.gateway.health(call.principal, call.path["route"]))


@routes.get(
    "/providers",
    permission=Permission.ROUTES_MANAGE,
    query=NoQuery,
    returns=ProviderViews,
    summary="List the model providers",
)
def list_providers(call: Call[NoQuery]) -> ProviderViews:
    """Those that deployments may name, and whether a key is configured for each; never the key."""
    return call.edge.wait(call.edge.gateway.providers())


def _changed(route: Route, patch: RoutePatch) -> Route:
    given = patch.model_dump(exclude_none=True, exclude={"deployments"})
    if patch.deployments is not None:
        given["deployments"] = [one.entity() for one in patch.deployments]
    if "degrade_to" in patch.model_fields_set:
        given["degrade_to"] = patch.degrade_to
    return replace(route, **given)


def _check(edge: Edge, tenant: Tenant, route: Route) -> None:
    """Raise `InvalidRequest` for a provider, or a route to fall back or degrade to, that is not there."""
    known = {provider.name for provider in edge.wait(edge.gateway.providers()).items}
    faults = [*_unknown_providers(route.deployments, known), *_bad_routes(route, edge.routes.all(tenant))]
    if faults:
        raise InvalidRequest(f"The route is not valid. {faults[0]['msg']}", faults)


def _unknown_providers(deployments: Iterable[Deployment], known: set[str]) -> list[dict[str, object]]:
    there = ", ".join(sorted(known))
    return [
        {"loc": ["deployments", number, "model"], "msg": f"No provider {one.provider!r} is configured, only {there}"}
        for number, one in enumerate(deployments)
        if one.provider not in known
    ]


def _bad_routes(route: Route, others: dict[str, Route]) -> list[dict[str, object]]:
    named: list[tuple[list[object], str]] = [
        (["fallbacks", number], name) for number, name in enumerate(route.fallbacks)
    ]
    if route.degrade_to is not None:
        named.append((["degrade_to"], route.degrade_to))
    usable = {one.name for one in others.values() if one.kind is route.kind} - {route.name}
    return [
        {"loc": place, "msg": f"There is no other {route.kind.value} route {name!r}"}
        for place, name in named
        if name not in usable
    ]
