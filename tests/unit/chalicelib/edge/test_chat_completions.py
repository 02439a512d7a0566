"""The edge as OpenAI's clients know it: models to name, and errors where they look for them."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.domain.access import Role
from tests.fakes.edge_world import World

CHAT = {"model": "live", "messages": [{"role": "user", "content": "How much leave?"}]}


@pytest.fixture
def engineer(world: World) -> str:
    key = world.key(Role.ENGINEER)
    for index in ("handbook", "wiki"):
        world.make_index(key, index)
    return key


def release(world: World, key: str, index: str) -> str:
    made: str = world.ask("POST", "/releases", key, {"index": index}).body["release"]
    return made


def models(world: World, key: str) -> list[tuple[str, str | None]]:
    """Give each model that *key* is shown, with the release behind it."""
    listed = world.ask("GET", "/models", key).body
    assert listed["object"] == "list"
    return [(one["id"], one["ragstone"]["release"]) for one in listed["data"]]


def test_models_are_the_aliases(world: World, engineer: str) -> None:
    """The one that answers unasked first, and it is there before anything is."""
    assert models(world, engineer) == [("live", None)]
    first, second = release(world, engineer, "handbook"), release(world, engineer, "wiki")
    world.ask("POST", "/aliases", engineer, {"name": "beta", "release": second})
    world.ask("POST", f"/releases/{first}/promote", engineer, {"override_reason": "a test"})
    assert models(world, world.key(Role.READER)) == [("live", first), ("beta", second)]


def test_a_model_out_of_reach_is_not_shown(world: World, engineer: str) -> None:
    """Neither is `live`, where it answers from an index that the key is not for."""
    first, second = release(world, engineer, "handbook"), release(world, engineer, "wiki")
    world.ask("POST", "/aliases", engineer, {"name": "beta", "release": second})
    world.ask("POST", f"/releases/{first}/promote", engineer, {"override_reason": "a test"})
    assert models(world, world.key(Role.READER, indexes=["wiki"])) == [("beta", second)]


def test_a_model_is_read_by_its_name(world: World, engineer: str) -> None:
    """As OpenAI's clients do before they ask: an alias as it is listed, or a release by its id."""
    reader = world.key(Role.READER, indexes=["handbook"])
    assert world.ask("GET", "/models/live", reader).body["ragstone"] == {"release": None}
    first, second = release(world, engineer, "handbook"), release(world, engineer, "wiki")
    world.ask("POST", "/aliases", engineer, {"name": "beta", "release": first})
    listed = {one["id"]: one for one in world.ask("GET", "/models", reader).body["data"]}
    assert world.ask("GET", "/models/beta", reader).body == listed["beta"]
    by_id = world.ask("GET", f"/models/{first}", reader).body
    assert (by_id["id"], by_id["object"], by_id["ragstone"]["release"]) == (first, "model", first)
    for name in (second, "unknown", "gpt-4.1"):
        refused = world.ask("GET", f"/models/{name}", reader)
        assert refused.problem == (404, "not_found")
        assert refused.body["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    ("role", "path", "body", "status", "param"),
    [
        (Role.SERVICE, "/models", None, 403, None),
        (Role.SERVICE, "/chat/completions", CHAT, 403, None),
        (Role.READER, "/models?limit=1", None, 400, "limit"),
        (Role.READER, "/chat/completions", {**CHAT, "n": 2}, 400, "n"),
        (Role.READER, "/chat/completions", CHAT, 503, None),
    ],
)
def test_errors_have_both_shapes(
    world: World, role: Role, path: str, body: Any, status: int, param: str | None
) -> None:
    """That of a problem, and within it that of OpenAI's API; elsewhere there is only the one."""
    reply = world.ask("GET" if body is None else "POST", path, world.key(role), body)
    assert reply.problem[0] == status
    assert reply.body["error"] == {
        "message": reply.body["detail"],
        "type": reply.body["code"],
        "param": param,
        "code": reply.body["code"],
    }
    assert "error" not in world.ask("GET", "/runs?nonsense=1", world.key(Role.READER)).body
