"""Schedules through the API."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.domain.access import Role
from tests.fakes.edge_world import World

NIGHTLY = {
    "name": "nightly", "kind": "sync", "index": "handbook", "cron": "30 2 * * 1-5", "time_zone": "Europe/Berlin",
    "ingestion": {"prefix": "2026/", "acl": ["hr"]},
}  # fmt: skip


@pytest.fixture
def editor(world: World) -> str:
    world.make_index(world.key(Role.ENGINEER))
    return world.key(Role.EDITOR)


def test_a_schedule_says_when_it_is_due(world: World, editor: str) -> None:
    """In UTC, with what it takes in written out."""
    made = world.ask("POST", "/schedules", editor, NIGHTLY)
    assert made.status == 201, made.body
    assert made.body["ingestion"] == {
        "manifest": None, "prefix": "2026/", "language": None, "metadata": {}, "acl": ["hr"],
    }  # fmt: skip
    assert made.body["next_at"] > world.clock.now().isoformat()[:19]
    assert (made.body["last"], made.body["revision"]) == (None, 1)
    assert world.ask("GET", "/schedules/nightly", editor).body == made.body
    assert world.ask("POST", "/schedules", editor, NIGHTLY).problem == (409, "conflict")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"cron": "61 * * * *"}, ["cron"]),
        ({"cron": "nightly"}, ["cron"]),
        ({"time_zone": "Mars/Olympus"}, ["time_zone"]),
        ({"kind": "sweep"}, []),
        ({"ingestion": None}, []),
        ({"ingestion": {"prefix": "a", "manifest": "b"}}, ["ingestion"]),
        ({"ingestion": {"prefix": "../x"}}, ["ingestion", "prefix"]),
        ({"name": "Every night"}, ["name"]),
        ({"kind": "reindex"}, ["kind"]),
    ],
)
def test_what_cannot_be_done_is_refused(world: World, editor: str, change: dict[str, Any], place: list[str]) -> None:
    """With its place."""
    reply = world.ask("POST", "/schedules", editor, NIGHTLY | change)
    assert reply.problem == (400, "invalid_request")
    assert reply.body["errors"][0]["loc"] == place
    assert world.ask("GET", "/schedules", editor).body["items"] == []


def test_a_schedule_can_be_changed_and_rest(world: World, editor: str) -> None:
    """One that is not enabled is never due; enabled again it is."""
    world.ask("POST", "/schedules", editor, NIGHTLY)
    rests = world.ask("PATCH", "/schedules/nightly", editor, {"enabled": False}, headers={"If-Match": '"1"'})
    assert (rests.body["next_at"], rests.headers["etag"]) == (None, '"2"')
    assert world.ask("PATCH", "/schedules/nightly", editor, {"cron": "0 4 * * *"}).body["next_at"] is None
    goes_on = world.ask("PATCH", "/schedules/nightly", editor, {"enabled": True, "time_zone": "UTC"}).body
    assert goes_on["next_at"].endswith("04:00:00Z")
    late = world.ask("PATCH", "/schedules/nightly", editor, {"enabled": False}, headers={"If-Match": '"2"'})
    assert late.problem == (409, "conflict")
    assert world.ask("PATCH", "/schedules/nightly", editor, {"cron": "99 * * * *"}).status == 400
    assert world.ask("DELETE", "/schedules/nightly", editor, headers={"If-Match": '"2"'}).problem == (409, "conflict")
    assert world.ask("DELETE", "/schedules/nightly", editor, headers={"If-Match": '"4"'}).status == 200
    assert world.ask("GET", "/schedules/nightly", editor).status == 404


def test_only_a_sync_takes_something_in(world: World, editor: str) -> None:
    """A sweep has nothing to read."""
    sweep = {"name": "sweep", "kind": "sweep", "index": "handbook", "cron": "0 3 * * *"}
    assert world.ask("POST", "/schedules", editor, sweep).status == 201
    refused = world.ask("PATCH", "/schedules/sweep", editor, {"ingestion": {"prefix": ""}})
    assert refused.problem == (400, "invalid_request")


@pytest.mark.parametrize("kind", ["sync", "sweep"])
def test_a_schedule_can_be_run_now(world: World, editor: str, kind: str) -> None:
    """In the caller's name, as a job; when it is due next stays as it is."""
    body = NIGHTLY | {"kind": kind} | ({} if kind == "sync" else {"ingestion": None})
    due = world.ask("POST", "/schedules", editor, body).body["next_at"]
    ran = world.ask("POST", "/schedules/nightly/run", editor)
    assert ran.status == 202, ran.body
    assert ran.body["job"]["index"] == "handbook"
    assert world.ask("GET", "/schedules/nightly", editor).body["next_at"] == due


def test_who_is_narrowed_sees_no_schedule_of_another_index(world: World, editor: str) -> None:
    """Nor makes one there."""
    world.ask("POST", "/schedules", editor, NIGHTLY)
    narrowed = world.key(Role.EDITOR, indexes=["wiki"])
    assert world.ask("GET", "/schedules", narrowed).body["items"] == []
    assert world.ask("POST", "/schedules", narrowed, NIGHTLY | {"name": "mine"}).status == 404
    for method in ("GET", "DELETE"):
        assert world.ask(method, "/schedules/nightly", narrowed).status == 404
    assert world.ask("POST", "/schedules/nightly/run", narrowed).status == 404


def test_changes_are_in_the_audit_log(world: World, editor: str) -> None:
    """Who let what happen when."""
    world.ask("POST", "/schedules", editor, NIGHTLY)
    world.clock.advance(1)
    world.ask("PATCH", "/schedules/nightly", editor, {"enabled": False})
    events = world.ask("GET", "/audit", world.key(Role.ADMIN), query={"resource": "schedules/nightly"}).body["items"]
    assert [one["action"] for one in events] == ["schedule.change", "schedule.create"]
