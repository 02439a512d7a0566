"""What a tenant decides for itself, through the API."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.domain.access import Role
from chalicelib.domain.identifiers import RunId
from tests.fakes.edge_world import ACME, RIVAL, World

CHAT = "https://chat.example"


def test_a_tenant_is_served_as_configured_until_it_decides(world: World, admin: str) -> None:
    """Each field by itself; null goes back."""
    before = world.ask("GET", "/tenants/acme", admin)
    assert (before.body["version"], before.body["link_hosts"], before.headers["etag"]) == (0, ["docs.example"], '"0"')
    changed = world.ask("PATCH", "/tenants/acme", admin, {"link_hosts": [], "feedback_origins": [CHAT]})
    assert (changed.body["link_hosts"], changed.body["feedback_origins"], changed.body["version"]) == ([], [CHAT], 1)
    assert changed.body["updated_by"] == world.ask("GET", "/me", admin).body["subject"]
    back = world.ask("PATCH", "/tenants/acme", admin, {"link_hosts": None})
    assert (back.body["link_hosts"], back.body["feedback_origins"]) == (["docs.example"], [CHAT])
    assert world.ask("GET", "/tenants", admin).body["items"] == [back.body]
    rival = world.ask("GET", "/tenants", world.key(Role.ADMIN, tenant=RIVAL)).body["items"]
    assert [(one["tenant"], one["version"]) for one in rival] == [("rival", 0)]


def test_a_change_that_was_overtaken_is_refused(world: World, admin: str) -> None:
    """The revision is the one that was read; the first change of all is no exception."""
    path, days = "/tenants/acme", {"run_retention_days": 60}
    assert world.ask("PATCH", path, admin, days, headers={"If-Match": '"0"'}).headers["etag"] == '"1"'
    assert world.ask("PATCH", path, admin, days, headers={"If-Match": '"0"'}).problem == (409, "conflict")
    assert world.ask("PATCH", path, admin, days, headers={"If-Match": '"1"'}).status == 200


def test_runs_are_kept_as_long_as_their_tenant_says(world: World, admin: str) -> None:
    """From the next run on."""
    world.make_document(admin, world.make_index(admin))
    question = {"question": "Leave?", "index": "handbook"}
    short = world.ask("POST", "/query", admin, question).body["run_id"]
    world.ask("PATCH", "/tenants/acme", admin, {"run_retention_days": 60})
    long = world.ask("POST", "/query", admin, question).body["run_id"]
    world.clock.advance(45 * 86_400)
    assert world.ask("GET", f"/runs/{short}", admin).status == 404
    assert world.edge.runs.get(ACME, RunId(long)).run_id == long


@pytest.mark.parametrize(
    "change",
    [
        {"feedback_origins": ["chat.example"]},
        {"feedback_origins": ["https://chat.example/"]},
        {"feedback_origins": ["https://Chat.example"]},
        {"feedback_origins": ["https://*.example"]},
        {"feedback_origins": ["null"]},
        {"feedback_origins": CHAT},
        {"link_hosts": ["https://docs.example"]},
        {"link_hosts": ["*"]},
        {"run_retention_days": 0},
        {"feedback_retention_days": 3_651},
        {"feedback_daily_cap": -1},
        {"tenant": "rival"},
    ],
)
def test_what_makes_no_sense_is_refused(world: World, admin: str, change: dict[str, Any]) -> None:
    """Nothing that no browser would send as its origin, and no host that is an address."""
    assert world.ask("PATCH", "/tenants/acme", admin, change).problem == (400, "invalid_request")
