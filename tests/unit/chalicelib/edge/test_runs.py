"""Questions and the runs that record them; a run never shows what its reader may not read today."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.domain.access import Role
from chalicelib.observability.spans import Span
from tests.fakes.edge_world import ACME, Reply, World

QUESTION = {"question": "How many days?", "index": "handbook"}


@pytest.fixture
def document_id(world: World, admin: str) -> str:
    return world.make_document(admin, world.make_index(admin), text="Everybody has 30 days.")


@pytest.mark.usefixtures("document_id")
def test_an_answer_cites_and_is_recorded(world: World, admin: str) -> None:
    """The run holds what the answer held."""
    answer = world.ask("POST", "/query", admin, QUESTION).body
    run = world.ask("GET", f"/runs/{answer['run_id']}", admin).body
    for field in ("answer", "citations", "claims", "usage", "release", "model", "timings_ms"):
        assert run[field] == answer[field]
    assert run["passages"][0]["text"] == "Everybody has 30 days."
    assert run["request"]["question"] == QUESTION["question"]


@pytest.mark.usefixtures("document_id")
def test_a_retrieval_run_has_its_texts_filled_in(world: World, admin: str) -> None:
    """They are not stored with the run, but read again."""
    found = world.ask("POST", "/retrieve", admin, QUESTION | {"explain": True}).body
    run = world.ask("GET", f"/runs/{found['run_id']}", admin).body
    assert run["passages"] == found["passages"]
    assert (run["kind"], run["answer"]) == ("retrieve", None)


def test_a_readers_own_run_is_open_to_it_alone(world: World, admin: str, document_id: str) -> None:
    """Others need `runs:read`; to a reader another's run is missing."""
    asker, neighbour, engineer = world.key(Role.READER), world.key(Role.READER), world.key(Role.ENGINEER)
    run_id = world.ask("POST", "/query", asker, QUESTION).body["run_id"]
    statuses = [world.ask("GET", f"/runs/{run_id}", one).status for one in (asker, neighbour, engineer)]
    assert statuses == [200, 404, 200]


def test_a_deleted_document_takes_its_answers_with_it(world: World, admin: str, document_id: str) -> None:
    """From the run and from the list of runs: answer, citations, claims and passages."""
    run_id = world.ask("POST", "/query", admin, QUESTION).body["run_id"]
    world.ask("DELETE", f"/documents/{document_id}", admin)
    run = world.ask("GET", f"/runs/{run_id}", admin)
    assert _evidence(run) == (None, [], [], [])
    assert run.body["question"] == QUESTION["question"]
    assert "30 days" not in run.raw.decode()
    assert "30 days" not in world.ask("GET", "/runs", admin).raw.decode()


def test_a_reader_of_runs_sees_no_more_than_its_groups_may(world: World, admin: str) -> None:
    """Reading runs is a permission; reading a document is a matter of groups, here as everywhere."""
    world.make_index(admin)
    world.make_document(admin, text="The board earns much.", acl=["board"])
    world.clock.advance(1)
    board = world.key(Role.READER, groups=["board"])
    engineer, insider = world.key(Role.ENGINEER), world.key(Role.ENGINEER, groups=["board"])
    run_id = world.ask("POST", "/query", board, QUESTION).body["run_id"]
    assert _evidence(world.ask("GET", f"/runs/{run_id}", engineer)) == (None, [], [], [])
    assert world.ask("GET", f"/runs/{run_id}", insider).body["answer"] == "The board earns much. [1]"
    listed = {who: world.ask("GET", "/runs", who).body["items"][0]["answer"] for who in (engineer, insider)}
    assert listed == {engineer: None, insider: "The board earns much. [1]"}


def test_an_uncited_passage_is_dropped_alone(world: World, admin: str) -> None:
    """The answer stays as long as all that it cites may be read."""
    world.make_index(admin)
    dropped = world.make_document(admin, text="Aside.", name="aside.md")
    world.clock.advance(1)
    world.make_document(admin, text="Everybody has 30 days.")
    answer = world.ask("POST", "/query", admin, QUESTION).body
    assert len(answer["citations"]) == 1
    assert answer["citations"][0]["document_id"] != dropped
    world.ask("DELETE", f"/documents/{dropped}", admin)
    run = world.ask("GET", f"/runs/{answer['run_id']}", admin).body
    assert [passage["name"] for passage in run["passages"]] == ["leave.md"]
    assert (run["answer"], run["citations"]) == (answer["answer"], answer["citations"])


def test_runs_of_a_deleted_index_keep_no_text(world: World, admin: str, document_id: str) -> None:
    """The index is hidden at once, and so is what was answered from it."""
    run_id = world.ask("POST", "/retrieve", admin, QUESTION).body["run_id"]
    world.ask("DELETE", "/indexes/handbook", admin)
    assert world.ask("GET", f"/runs/{run_id}", admin).body["passages"] == []


@pytest.mark.usefixtures("document_id")
def test_runs_are_listed_newest_first(world: World, admin: str) -> None:
    """A page at a time."""
    ids = []
    for _ in range(3):
        world.clock.advance(1)
        ids.append(world.ask("POST", "/query", admin, QUESTION | {"user": "u-1"}).body["run_id"])
    first = world.ask("GET", "/runs", admin, query={"limit": 2}).body
    rest = world.ask("GET", "/runs", admin, query={"limit": 2, "cursor": first["next_cursor"]}).body
    assert [run["run_id"] for run in first["items"] + rest["items"]] == ids[::-1]
    assert {run["user"] for run in first["items"]} == {"u-1"}


def test_the_stream_is_elsewhere(world: World, admin: str) -> None:
    """Where a gateway leads the stream to the Lambda after all, the answer says what to do."""
    reply = world.ask("POST", "/query/stream", admin, QUESTION)
    assert reply.problem == (503, "unavailable")
    assert "POST /query" in reply.body["detail"]


def _evidence(reply: Reply) -> tuple[Any, ...]:
    assert reply.status == 200
    return tuple(reply.body[field] for field in ("answer", "citations", "claims", "passages"))


def test_a_run_shows_its_stages(world: World) -> None:
    """Those of its trace, with how long each took; of a forgotten trace none."""
    engineer = world.key(Role.ENGINEER)
    world.make_index(engineer)
    run_id = world.ask("POST", "/query", engineer, {"question": "Leave?", "index": "handbook"}).body["run_id"]
    trace_id = world.edge.runs.get(ACME, run_id).trace_id
    started = datetime(2026, 11, 23, tzinfo=UTC).timestamp()
    world.spans.record(Span("edge.request", trace_id, "a" * 16, None, started, 12.3456, {"status": 200}, entry=True))
    world.spans.record(
        Span("generation.write", trace_id, "b" * 16, "a" * 16, started + 1, 1.0, {}, error="Unavailable")
    )
    world.spans.record(Span("edge.request", trace_id, "c" * 16, None, started, 1.0, {"status": 403}, entry=True))
    trace = world.ask("GET", f"/runs/{run_id}/trace", engineer).body
    assert len(trace["spans"]) == 2  # who chose the same trace has another request
    assert trace["trace_id"] == trace_id
    assert trace["spans"][0] == {
        "span_id": "a" * 16, "parent_id": None, "name": "edge.request", "started_at": "2026-11-23T00:00:00Z",
        "duration_ms": 12.346, "error": None, "facts": {"status": 200},
    }  # fmt: skip
    assert (trace["spans"][1]["parent_id"], trace["spans"][1]["error"]) == ("a" * 16, "Unavailable")
    assert world.ask("GET", f"/runs/{run_id}/trace", world.key(Role.READER)).status == 404
