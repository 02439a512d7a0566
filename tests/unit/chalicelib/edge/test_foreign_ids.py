"""A foreign, a missing and a malformed id answer alike, to the byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.domain.access import Role
from chalicelib.edge.catalogue import RESOURCES
from chalicelib.edge.examples import EXAMPLES
from chalicelib.edge.operations import Operation
from tests.fakes.edge_world import RIVAL, Reply, World

NAMING = [one for resource in RESOURCES for one in resource.operations if one.path_parameters]
MISSING = "doc_00000000000000000000000000"
MALFORMED = ["a" * 65, "doc.1", "doc%201", "doc%0A", "%2e%2e", "doc%2Fother", "%ff", "%00", "dôc", "*"]


class Everything:
    """One of each thing that can be named in a path, of tenant acme."""

    def __init__(self, world: World, admin: str) -> None:
        document_id = world.make_document(admin, world.make_index(admin))
        job = world.ask("DELETE", f"/documents/{world.make_document(admin)}", admin).body["job"]
        run = world.ask("POST", "/query", admin, {"question": "Leave?", "index": "handbook"}).body
        key = world.ask("POST", "/api-keys", admin, {"name": "one", "roles": ["reader"]}).body["key"]
        route = {"name": "chat", "kind": "chat", "deployments": [{"model": "openai/gpt-5-mini"}]}
        budget = {"name": "all", "scope": "tenant", "period": "day", "limit_usd_micros": 1}
        given = world.ask("POST", "/feedback", admin, {"run_id": run["run_id"], "rating": "up"}).body
        release = world.ask("POST", "/releases", admin, {"index": "handbook"}).body["release"]
        prompt = {"name": "helpdesk", "system": "", "user": "{{passages}} {{question}}"}
        schedule = {"name": "nightly", "kind": "sweep", "index": "handbook", "cron": "0 3 * * *"}
        self.ids = {
            "release": release,
            "model": release,
            "schedule": world.ask("POST", "/schedules", admin, schedule).body["name"],
            "prompt": world.ask("POST", "/prompts", admin, prompt).body["name"],
            "alias": world.ask("POST", "/aliases", admin, {"name": "staging", "release": release}).body["name"],
            "route": world.ask("POST", "/routes", admin, route).body["name"],
            "budget": world.ask("POST", "/budgets", admin, budget).body["name"],
            "index": "handbook",
            "document_id": document_id,
            "job_id": job["job_id"],
            "run_id": run["run_id"],
            "key_id": key["key_id"],
            "tenant": "acme",
            "feedback_id": given["feedback_id"],
        }


@pytest.mark.parametrize("operation", NAMING, ids=lambda one: one.name)
def test_a_foreign_id_answers_like_a_missing_one(world: World, admin: str, operation: Operation) -> None:
    """Nobody can find out by asking whether another tenant, or another index, has something."""
    everything = Everything(world, admin)
    rival = world.key(Role.ADMIN, tenant=RIVAL)
    narrowed = world.key(Role.ADMIN, indexes=["elsewhere"])
    missing = _ask(world, operation, admin, "missing" if "index" in operation.path_parameters else MISSING)
    # Routes, budgets, prompts and the tenant belong to no index, so that nobody's indexes keep him from them.
    beyond_indexes = {"route", "budget", "tenant", "prompt"} & set(operation.path_parameters)
    for stranger in (rival,) if beyond_indexes else (rival, narrowed):
        assert _shape(_ask(world, operation, stranger, everything.ids[operation.path_parameters[0]])) == _shape(missing)
    assert missing.problem == (404, "not_found")


@pytest.mark.parametrize("operation", NAMING, ids=lambda one: one.name)
@pytest.mark.parametrize("malformed", MALFORMED)
def test_a_malformed_id_answers_like_a_missing_one(
    world: World, admin: str, operation: Operation, malformed: str
) -> None:
    """What cannot be an id is nobody's, and is not repeated in the answer."""
    missing = _ask(world, operation, admin, "missing" if "index" in operation.path_parameters else MISSING)
    assert _shape(_ask(world, operation, admin, malformed)) == _shape(missing)


def test_an_escaped_id_is_the_same_id(world: World, admin: str) -> None:
    """Paths may be escaped more than they need to be."""
    document_id = world.make_document(admin, world.make_index(admin))
    reply = world.ask("GET", f"/documents/{document_id.replace('_', '%5F')}", admin)
    assert reply.body["document_id"] == document_id


def test_documents_outside_the_callers_groups_have_no_text(world: World, admin: str) -> None:
    """The record is managed by role; chunks and content answer like those of a missing document."""
    hidden = world.make_document(admin, world.make_index(admin), acl=["board"])
    assert world.ask("GET", f"/documents/{hidden}", admin).body["acl"] == ["board"]
    for part in ("chunks", "content"):
        assert _shape(world.ask("GET", f"/documents/{hidden}/{part}", admin)) == _shape(
            world.ask("GET", f"/documents/{MISSING}/{part}", admin)
        )
    board = world.key(Role.EDITOR, groups=["board"])
    assert world.ask("GET", f"/documents/{hidden}/chunks", board).status == 200


def test_a_preview_of_an_unreadable_document_is_one_of_a_missing_one(world: World, admin: str) -> None:
    """The id stands in the body here, so the answer names it, and nothing else differs."""
    hidden = world.make_document(admin, world.make_index(admin), acl=["board"])
    replies = [
        world.ask("POST", "/chunk-previews", admin, {"document_id": one, "chunker": {"name": "structure"}})
        for one in (hidden, MISSING)
    ]
    assert [reply.status for reply in replies] == [404, 404]
    assert replies[0].body["detail"].replace(hidden, MISSING) == replies[1].body["detail"]


def _ask(world: World, operation: Operation, credential: str, value: str) -> Reply:
    path = operation.path.replace("{" + operation.path_parameters[0] + "}", value)
    body = EXAMPLES[operation.input].model_dump(mode="json", exclude_unset=True) if operation.takes_body else None
    return world.ask(operation.method, path, credential, body)


def _shape(reply: Reply) -> tuple[int, bytes, dict[str, str]]:
    """Everything that came back but for the trace's id, which differs from request to request."""
    trace_id = reply.headers["x-trace-id"]
    headers = {name: value for name, value in reply.headers.items() if name != "x-trace-id"}
    return reply.status, reply.raw.replace(trace_id.encode(), b"-"), headers


def test_two_platforms_do_not_differ(tmp_path: Path) -> None:
    """Even between platforms the answer is the same: nothing of the store shows in it."""
    worlds = [World(tmp_path / name) for name in ("one", "two")]
    shapes = [_shape(one.ask("GET", f"/documents/{MISSING}", one.key(Role.ADMIN))) for one in worlds]
    assert shapes[0] == shapes[1]
    for one in worlds:
        one.close()
