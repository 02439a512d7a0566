"""The audit log through the API."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.domain.access import Permission, Role
from chalicelib.edge.catalogue import RESOURCES
from chalicelib.edge.operations import Method
from chalicelib.errors import ConditionFailed
from chalicelib.ports.table import Put
from tests.fakes.edge_world import RIVAL, World

CHAT = {"name": "chat", "kind": "chat", "deployments": [{"model": "openai/gpt-4.1"}]}
TEAM = {"name": "team", "scope": "tenant", "period": "month", "limit_usd_micros": 1_000}
CONFIGURATION = {
    Permission.ROUTES_MANAGE,
    Permission.BUDGETS_MANAGE,
    Permission.KEYS_MANAGE,
    Permission.TENANTS_MANAGE,
}
CHANGES_NOTHING = {"test_route"}


def events(world: World, credential: str, **query: str) -> list[dict[str, Any]]:
    """Give what the log has, newest first."""
    items: list[dict[str, Any]] = world.ask("GET", "/audit", credential, query=query).body["items"]
    return items


def test_every_change_of_the_configuration_is_told(world: World, admin: str) -> None:
    """By whom, of what, and what stood there before and after."""
    bot = {"name": "bot", "roles": ["reader"]}
    done: list[Any] = [
        ("POST", "/routes", CHAT),
        ("PATCH", "/routes/chat", {"timeout_s": 45}),
        ("DELETE", "/routes/chat", None),
        ("POST", "/budgets", TEAM),
        ("PATCH", "/budgets/team", {"limit_usd_micros": 2_000}),
        ("DELETE", "/budgets/team", None),
        ("PATCH", "/tenants/acme", {"run_retention_days": 60}),
        ("POST", "/api-keys", bot),
    ]
    for method, path, body in done:
        made = world.ask(method, path, admin, body).body
        world.clock.advance(1)
    key_id = made["key"]["key_id"]
    world.ask("DELETE", f"/api-keys/{key_id}", admin)
    found = events(world, admin)
    told = {operation.name for one in RESOURCES for operation in one.operations if operation.permission in CONFIGURATION
            and operation.method is not Method.GET} - CHANGES_NOTHING  # fmt: skip
    assert len(told) == len(found) == 9
    assert [(one["action"], one["resource"]) for one in reversed(found)] == [
        *(("route." + did, "routes/chat") for did in ("create", "change", "delete")),
        *(("budget." + did, "budgets/team") for did in ("create", "change", "delete")),
        ("tenant.change", "tenants/acme"),
        *(("api_key." + did, f"api-keys/{key_id}") for did in ("create", "revoke")),
    ]
    assert {one["subject"] for one in found} == {world.ask("GET", "/me", admin).body["subject"]}
    assert found[-2]["changes"] == {"timeout_s": {"before": 60.0, "after": 45.0}}
    assert found[4]["changes"] == {"limit_usd_micros": {"before": 1_000, "after": 2_000}}


def test_a_secret_is_not_told(world: World, admin: str) -> None:
    """Nor what could be tried against one."""
    world.ask("POST", "/api-keys", admin, {"name": "bot", "roles": ["reader"]})
    (event,) = events(world, admin)
    assert event["changes"]["name"] == {"before": None, "after": "bot"}
    assert not {"digest", "secret"} & event["changes"].keys()


def test_what_was_refused_is_not_told(world: World, admin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The event stands in the transaction of its change: both are written, or neither is."""
    world.ask("POST", "/routes", admin, CHAT)
    assert world.ask("POST", "/routes", admin, CHAT).status == 409
    assert world.ask("PATCH", "/routes/chat", admin, {"fallbacks": ["nowhere"]}).status == 400
    whole: Any = type(world.table).write

    def lost(table: object, *operations: object) -> None:
        if any(isinstance(one, Put) and one.item.key.partition.endswith("#audit") for one in operations):
            raise ConditionFailed("lost")
        whole(table, *operations)

    monkeypatch.setattr(type(world.table), "write", lost)
    assert world.ask("PATCH", "/routes/chat", admin, {"timeout_s": 45}).status == 409
    monkeypatch.undo()
    assert world.ask("GET", "/routes/chat", admin).body["timeout_s"] == 60
    assert [one["action"] for one in events(world, admin)] == ["route.create"]


def test_the_log_is_read_by_thing_by_time_and_by_page(world: World, admin: str) -> None:
    """Each tenant its own."""
    world.ask("POST", "/routes", admin, CHAT)
    world.clock.advance(60)
    noon = world.clock.now().isoformat()
    world.ask("POST", "/budgets", admin, TEAM)
    world.clock.advance(60)
    world.ask("PATCH", "/routes/chat", admin, {"retries": 0})

    def actions(**query: str) -> list[str]:
        return [one["action"] for one in events(world, admin, **query)]

    assert actions(resource="routes/chat") == ["route.change", "route.create"]
    assert actions(**{"from": noon}) == ["route.change", "budget.create"]
    assert actions(to=noon) == ["route.create"]
    assert actions(resource="routes/chat", **{"from": noon}) == ["route.change"]
    first = world.ask("GET", "/audit", admin, query={"limit": "2"}).body
    second = world.ask("GET", "/audit", admin, query={"limit": "2", "cursor": first["next_cursor"]}).body
    assert [one["action"] for one in first["items"] + second["items"]] == actions()
    assert events(world, world.key(Role.ADMIN, tenant=RIVAL)) == []
    refused = world.ask("GET", "/audit", admin, query={"from": noon, "to": noon})
    assert refused.problem == (400, "invalid_request")
