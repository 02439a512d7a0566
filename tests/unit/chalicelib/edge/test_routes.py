"""Gateway routes through the API."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.contracts.routes import configured_routes
from chalicelib.domain.access import Role
from chalicelib.errors import Unavailable
from chalicelib.repositories.routes import Routes
from tests.fakes.edge_world import World

CHAT = {
    "name": "gpt-4.1",
    "kind": "chat",
    "deployments": [
        {"model": "openai/gpt-4.1", "params": {"temperature": 0.2}, "weight": 3, "rpm": 60},
        {"model": "openai/gpt-4.1-mini", "weight": 0},
    ],
    "timeout_s": 20,
    "retries": 1,
}


@pytest.fixture
def engineer(world: World) -> str:
    return world.key(Role.ENGINEER)


def _chat(**changed: Any) -> dict[str, Any]:
    return {**CHAT, **changed}


def test_a_route_is_kept_as_it_was_given(world: World, engineer: str) -> None:
    """With every default written out, and who made it when."""
    made = world.ask("POST", "/routes", engineer, CHAT)
    read = world.ask("GET", "/routes/gpt-4.1", engineer)
    assert (made.status, read.body) == (201, made.body)
    assert read.headers["etag"] == '"1"'
    assert read.body["deployments"][0] == {
        "model": "openai/gpt-4.1", "params": {"temperature": 0.2}, "rpm": 60, "tpm": None, "weight": 3,
    }  # fmt: skip
    assert (read.body["fallbacks"], read.body["version"]) == ([], 1)
    assert read.body["updated_by"].startswith("key_")


def test_a_change_is_a_new_version_and_the_old_ones_stay(world: World, engineer: str) -> None:
    """What is left out stays; also when the route was deleted in between, numbers go on."""
    world.ask("POST", "/routes", engineer, CHAT)
    changed = world.ask("PATCH", "/routes/gpt-4.1", engineer, {"timeout_s": 45}, headers={"If-Match": '"1"'})
    assert (changed.body["timeout_s"], changed.body["retries"], changed.headers["etag"]) == (45, 1, '"2"')
    late = world.ask("DELETE", "/routes/gpt-4.1", engineer, headers={"If-Match": '"1"'})
    assert late.problem == (409, "conflict")
    assert world.ask("DELETE", "/routes/gpt-4.1", engineer, headers={"If-Match": '"2"'}).status == 200
    assert world.ask("GET", "/routes/gpt-4.1", engineer).status == 404
    world.ask("POST", "/routes", engineer, CHAT)
    versions = world.ask("GET", "/routes/gpt-4.1/versions", engineer).body["items"]
    assert [(one["version"], one["timeout_s"]) for one in versions] == [(3, 20), (2, 45), (1, 20)]


def test_a_change_of_another_version_is_a_conflict(world: World, engineer: str) -> None:
    """Nobody overwrites what he has not seen."""
    world.ask("POST", "/routes", engineer, CHAT)
    world.ask("PATCH", "/routes/gpt-4.1", engineer, {"retries": 0})
    late = world.ask("PATCH", "/routes/gpt-4.1", engineer, {"retries": 2}, headers={"If-Match": '"1"'})
    assert late.problem == (409, "conflict")
    assert world.ask("POST", "/routes", engineer, CHAT).problem == (409, "conflict")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"deployments": []}, ["deployments"]),
        ({"deployments": [{"model": "gpt-4.1"}]}, ["deployments", 0, "model"]),
        ({"deployments": [{"model": "elsewhere/gpt-4.1"}]}, ["deployments", 0, "model"]),
        ({"deployments": [{"model": "openai/a"}, {"model": "openai/a"}]}, []),
        ({"deployments": [{"model": "openai/a", "params": {"api_base": "http://x"}}]}, None),
        ({"deployments": [{"model": "openai/a", "params": {"api_key": "sk-1"}}]}, None),
        ({"deployments": [{"model": "openai/a", "params": {"extra_headers": {}}}]}, None),
        ({"deployments": [{"model": "openai/a", "base_url": "http://x"}]}, None),
        ({"deployments": [{"model": "openai/a", "weight": -1}]}, ["deployments", 0, "weight"]),
        ({"fallbacks": ["nowhere"]}, ["fallbacks", 0]),
        ({"fallbacks": ["gpt-4.1"]}, []),
        ({"timeout_s": 0}, ["timeout_s"]),
        ({"retries": 3}, ["retries"]),
        ({"kind": "image"}, ["kind"]),
        ({"name": "Chat"}, ["name"]),
    ],
)
def test_what_cannot_work_is_refused(
    world: World, engineer: str, change: dict[str, Any], place: list[object] | None
) -> None:
    """With its place; addresses, keys and headers have none to stand in."""
    reply = world.ask("POST", "/routes", engineer, _chat(**change))
    assert reply.problem == (400, "invalid_request")
    if place is not None:
        assert reply.body["errors"][0]["loc"] == place
    assert world.ask("GET", "/routes", engineer).body["items"] == []


def test_a_route_that_others_fall_back_to_stays(world: World, engineer: str) -> None:
    """Until they no longer do; and only routes of one kind stand in for each other."""
    world.ask("POST", "/routes", engineer, CHAT)
    other = _chat(name="fast", fallbacks=["gpt-4.1"])
    assert world.ask("POST", "/routes", engineer, other).status == 201
    assert world.ask("POST", "/routes", engineer, {**other, "name": "e", "kind": "embedding"}).status == 400
    assert world.ask("DELETE", "/routes/gpt-4.1", engineer).problem == (409, "conflict")
    world.ask("PATCH", "/routes/fast", engineer, {"fallbacks": []})
    assert world.ask("DELETE", "/routes/gpt-4.1", engineer).status == 200


def test_routes_of_the_environment_are_there_and_can_be_replaced(world: World, engineer: str) -> None:
    """They cannot be changed in place: the environment would not know."""
    configured = configured_routes('[{"name": "chat", "kind": "chat", "deployments": [{"model": "openai/a"}]}]')
    object.__setattr__(world.edge, "routes", Routes(world.table, configured))
    listed = world.ask("GET", "/routes", engineer).body["items"]
    assert [(one["name"], one["version"]) for one in listed] == [("chat", 0), ("minilm", 0)]
    assert world.ask("PATCH", "/routes/chat", engineer, {"retries": 0}).problem == (409, "conflict")
    assert world.ask("DELETE", "/routes/chat", engineer).problem == (409, "conflict")
    assert world.ask("POST", "/routes", engineer, _chat(name="chat")).body["version"] == 1


def test_a_gateway_that_does_not_answer_lets_nothing_be_made(world: World, engineer: str) -> None:
    """What it might call cannot be checked then; the request can be sent again."""
    world.store.trouble.error = Unavailable("The gateway does not answer.")
    assert world.ask("POST", "/routes", engineer, CHAT).problem == (503, "unavailable")
    assert world.ask("POST", "/routes", engineer, CHAT).status == 201


def test_a_route_is_tried_and_providers_are_listed(world: World, engineer: str) -> None:
    """By the gateway; what it says of keys is whether they are there."""
    world.ask("POST", "/routes", engineer, CHAT)
    tried = world.ask("POST", "/routes/gpt-4.1/test", engineer)
    assert [one["model"] for one in tried.body["deployments"]] == ["openai/gpt-4.1", "openai/gpt-4.1-mini"]
    (provider,) = world.ask("GET", "/providers", engineer).body["items"]
    assert set(provider) == {"name", "kind", "base_url", "key_present", "ready"}
