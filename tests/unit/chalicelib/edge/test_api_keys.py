"""API keys through the API."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.domain.access import Role
from chalicelib.domain.identifiers import KeyId
from tests.fakes.edge_world import ACME, World

READER = {"name": "ci", "roles": ["reader"]}


def test_the_secret_is_shown_once(world: World, admin: str) -> None:
    """It works, and stands in no later answer; what is stored is its digest."""
    made = world.ask("POST", "/api-keys", admin, READER | {"groups": ["hr"], "indexes": ["handbook"]})
    assert made.status == 201
    secret, key_id = made.body["secret"], made.body["key"]["key_id"]
    me = world.ask("GET", "/me", secret).body
    assert (me["subject"], me["roles"], me["groups"], me["indexes"]) == (key_id, ["reader"], ["hr"], ["handbook"])
    assert secret.rpartition("_")[2] not in world.ask("GET", "/api-keys", admin).raw.decode()
    stored = world.edge.api_keys.find(KeyId(key_id))
    assert stored is not None
    assert stored.digest not in world.ask("GET", "/api-keys", admin).raw.decode()


def test_keys_are_listed_newest_first(world: World, admin: str) -> None:
    """A page at a time, with who made them."""
    for name in ("one", "two", "three"):
        world.clock.advance(1)
        world.ask("POST", "/api-keys", admin, READER | {"name": name})
    first = world.ask("GET", "/api-keys", admin, query={"limit": 2}).body
    rest = world.ask("GET", "/api-keys", admin, query={"limit": 2, "cursor": first["next_cursor"]}).body
    assert [key["name"] for key in first["items"] + rest["items"]] == ["three", "two", "one", "test"]
    assert {key["created_by"] for key in first["items"]} == {admin.removeprefix("rgs_")[:30]}
    assert rest["next_cursor"] is None


def test_revoking_is_for_ever_and_keeps_its_first_time(world: World, admin: str) -> None:
    """Twice is as good as once; the key stays in the list, so that it can be seen what became of it."""
    key_id = world.ask("POST", "/api-keys", admin, READER).body["key"]["key_id"]
    first = world.ask("DELETE", f"/api-keys/{key_id}", admin)
    world.clock.advance(60)
    second = world.ask("DELETE", f"/api-keys/{key_id}", admin)
    assert first.body["revoked_at"] == second.body["revoked_at"] is not None
    assert key_id in world.ask("GET", "/api-keys", admin).raw.decode()


def test_the_service_role_is_not_to_be_had(world: World, admin: str) -> None:
    """It may do what no administrator may, and belongs to the platform's own services."""
    reply = world.ask("POST", "/api-keys", admin, {"name": "x", "roles": ["reader", "service"]})
    assert reply.problem == (403, "forbidden")


@pytest.mark.parametrize("indexes", [None, ["handbook", "salaries"], ["salaries"]])
def test_a_narrowed_administrator_cannot_make_a_wider_key(world: World, indexes: Any) -> None:
    """A key's reach lies within its maker's."""
    narrowed = world.key(Role.ADMIN, indexes=["handbook"])
    assert world.ask("POST", "/api-keys", narrowed, READER | {"indexes": indexes}).problem == (403, "forbidden")
    assert world.ask("POST", "/api-keys", narrowed, READER | {"indexes": ["handbook"]}).status == 201


def test_a_narrowed_administrator_sees_and_revokes_no_wider_key(world: World, admin: str) -> None:
    """Nor one beside its own reach."""
    narrowed = world.key(Role.ADMIN, indexes=["handbook"])
    wider = world.ask("POST", "/api-keys", admin, READER).body["key"]["key_id"]
    beside = world.ask("POST", "/api-keys", admin, READER | {"indexes": ["salaries"]}).body["key"]["key_id"]
    listed = [key["key_id"] for key in world.ask("GET", "/api-keys", narrowed).body["items"]]
    assert listed == [narrowed.removeprefix("rgs_")[:30]]
    for key_id in (wider, beside):
        assert world.ask("DELETE", f"/api-keys/{key_id}", narrowed).problem == (404, "not_found")
        key = world.edge.api_keys.get(ACME, KeyId(key_id))
        assert key.revoked_at is None


def test_any_group_may_be_given(world: World, admin: str) -> None:
    """Administrators say who belongs to which group; being in it themselves is not needed."""
    made = world.ask("POST", "/api-keys", admin, READER | {"groups": ["board"]}).body
    assert world.ask("GET", "/me", made["secret"]).body["groups"] == ["board"]
    assert world.ask("GET", "/me", admin).body["groups"] == []
