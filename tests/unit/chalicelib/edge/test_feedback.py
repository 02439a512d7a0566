"""Feedback from servers, and how it is read and dealt with."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.domain.access import Role
from chalicelib.domain.identifiers import DocumentId
from tests.fakes.edge_world import ACME, RIVAL, World

DAY_S = 86_400


@pytest.fixture
def document_id(world: World, admin: str) -> str:
    return world.make_document(admin, world.make_index(admin))


def asked(world: World, asker: str, index: str = "handbook") -> str:
    run_id: str = world.ask("POST", "/query", asker, {"question": "Leave?", "index": index}).body["run_id"]
    return run_id


def give(world: World, giver: str, run_id: str, **said: Any) -> dict[str, Any]:
    reply = world.ask("POST", "/feedback", giver, {"run_id": run_id, **said})
    assert reply.status == 201, reply.body
    body: dict[str, Any] = reply.body
    return body


@pytest.mark.usefixtures("document_id")
def test_a_server_sends_what_its_users_say(world: World, admin: str) -> None:
    """Each user's last word counts, and a request that is sent twice is done once."""
    run_id = asked(world, admin)
    given = give(world, admin, run_id, score=0.25, comment="Too short.", user="ada")
    assert (given["score"], given["rating"], given["source"], given["revision"]) == (0.25, None, "server", 1)
    body = {"run_id": run_id, "rating": "down", "user": "ada"}
    sent = [world.ask("POST", "/feedback", admin, body, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert sent[0].body == sent[1].body
    assert (sent[1].body["feedback_id"], sent[1].body["revision"]) == (given["feedback_id"], 2)
    assert give(world, admin, run_id, rating="up", user="bob")["feedback_id"] != given["feedback_id"]


@pytest.mark.usefixtures("document_id")
@pytest.mark.parametrize(
    "said",
    [
        {},
        {"user": "ada"},
        {"score": 1.5},
        {"score": True},
        {"citations": [{"chunk_id": "chk_other_00000", "rating": 1}]},
        {"rating": "up", "user": ""},
    ],
)
def test_what_makes_no_sense_is_refused(world: World, admin: str, said: dict[str, Any]) -> None:
    """Nothing said at all is one of it."""
    body = {"run_id": asked(world, admin), **said}
    assert world.ask("POST", "/feedback", admin, body).problem == (400, "invalid_request")


@pytest.mark.usefixtures("document_id")
def test_readers_give_feedback_on_their_own_runs_alone(world: World, admin: str) -> None:
    """Another's run is missing for them, and so is all feedback."""
    reader = world.key(Role.READER)
    own, other = asked(world, reader), asked(world, admin)
    assert give(world, reader, own, rating="up")["rating"] == "up"
    assert world.ask("POST", "/feedback", reader, {"run_id": other, "rating": "up"}).problem == (404, "not_found")
    assert world.ask("GET", "/feedback", reader).problem == (403, "forbidden")


def test_feedback_is_found_by_what_it_says(world: World, admin: str, document_id: str) -> None:
    """Each filter by itself and with others, newest first, a page at a time; nobody else's among it."""
    engineer = world.key(Role.ENGINEER)
    runs = [asked(world, admin) for _ in range(4)]
    given = []
    opinions: list[dict[str, Any]] = [
        {"rating": "up"},
        {"rating": "down", "reasons": ["wrong"]},
        {"rating": "down", "reasons": ["unsafe", "wrong"]},
        {"score": 0.5},
    ]
    for number, said in enumerate(opinions):
        given.append(give(world, admin, runs[number], **said)["feedback_id"])
        world.clock.advance(60)
    world.ask("PATCH", f"/feedback/{given[1]}", engineer, {"status": "resolved"})

    def found(**query: Any) -> list[int]:
        items = world.ask("GET", "/feedback", engineer, query=query).body["items"]
        return [given.index(one["feedback_id"]) for one in items]

    third = world.ask("GET", f"/feedback/{given[2]}", engineer).body
    assert found() == [3, 2, 1, 0]
    assert found(rating="down") == [2, 1]
    assert found(reason="wrong") == [2, 1]
    assert found(reason="unsafe") == [2]
    assert found(status="resolved") == [1]
    assert found(status="new", rating="down") == [2]
    assert found(run=runs[0]) == [0]
    assert found(run=runs[0], rating="down") == []
    assert found(release=third["release"], index="handbook") == [3, 2, 1, 0]
    assert found(index="elsewhere") == []
    assert found(**{"from": third["created_at"]}) == [3, 2]
    assert found(to=third["created_at"], status="new") == [0]
    first = world.ask("GET", "/feedback", engineer, query={"rating": "down", "limit": 1}).body
    rest = world.ask("GET", "/feedback", engineer, query={"rating": "down", "limit": 1, "cursor": first["next_cursor"]})
    assert [one["feedback_id"] for one in first["items"] + rest.body["items"]] == [given[2], given[1]]
    assert world.ask("GET", "/feedback", world.key(Role.ADMIN, tenant=RIVAL)).body["items"] == []
    assert world.ask("GET", "/feedback", world.key(Role.ADMIN, indexes=["elsewhere"])).body["items"] == []


@pytest.mark.usefixtures("document_id")
def test_feedback_is_dealt_with(world: World, admin: str) -> None:
    """By whoever saw its latest state; when its giver says something else, it is new again."""
    run_id = asked(world, admin)
    path = f"/feedback/{give(world, admin, run_id, rating='down')['feedback_id']}"
    etag = world.ask("GET", path, admin).headers["etag"]
    body = {"status": "triaged", "assignee": "ada", "note": "Look at it.", "labels": ["leave", "leave", "hr"]}
    dealt = world.ask("PATCH", path, admin, body, headers={"If-Match": etag})
    assert (dealt.body["status"], dealt.body["assignee"], dealt.body["labels"]) == ("triaged", "ada", ["leave", "hr"])
    assert dealt.body["triaged_by"] == world.ask("GET", "/me", admin).body["subject"]
    late = world.ask("PATCH", path, admin, {"status": "resolved"}, headers={"If-Match": etag})
    assert late.problem == (409, "conflict")
    assert world.ask("PATCH", path, admin, {"assignee": None, "labels": []}).body["assignee"] is None
    give(world, admin, run_id, rating="down")
    assert world.ask("GET", path, admin).body["status"] == "triaged"
    give(world, admin, run_id, rating="down", comment="Still wrong.")
    again = world.ask("GET", path, admin).body
    assert (again["status"], again["note"], len(again["history"])) == ("new", "Look at it.", 2)


@pytest.mark.parametrize("body", [{"status": "lost"}, {"labels": [" x"]}, {"labels": ["x"] * 21}, {"rating": "up"}])
@pytest.mark.usefixtures("document_id")
def test_a_triage_that_makes_no_sense_is_refused(world: World, admin: str, body: Any) -> None:
    """What a person said cannot be changed by others."""
    path = f"/feedback/{give(world, admin, asked(world, admin), rating='up')['feedback_id']}"
    assert world.ask("PATCH", path, admin, body).problem == (400, "invalid_request")


def test_texts_are_for_those_who_may_read_all_that_the_giver_saw(world: World, admin: str) -> None:
    """In the list, by id, after triage and in the history; ratings and reasons are for everybody who triages."""
    world.make_document(admin, world.make_index(admin), text="The board earns much.", acl=["board"])
    insider, outsider = world.key(Role.ENGINEER, groups=["board"]), world.key(Role.ENGINEER)
    said = {"rating": "down", "reasons": ["wrong"], "comment": "They earn 7.", "corrected_answer": "They earn 7."}
    path = f"/feedback/{give(world, insider, asked(world, insider), **said)['feedback_id']}"
    world.ask("PATCH", path, insider, {"note": "Indeed 7."})
    for reply in (
        world.ask("GET", "/feedback", outsider),
        world.ask("GET", path, outsider),
        world.ask("PATCH", path, outsider, {"labels": ["pay"]}),
    ):
        assert reply.status == 200
        assert "7." not in reply.raw.decode()
    shown = world.ask("GET", path, outsider).body
    assert (shown["withheld"], shown["rating"], shown["reasons"], shown["comment"]) == (True, "down", ["wrong"], None)
    assert world.ask("GET", path, insider).body["history"][0]["comment"] == "They earn 7."


@pytest.mark.usefixtures("document_id")
def test_feedback_is_kept_as_long_as_its_tenant_says(world: World, admin: str) -> None:
    """From when its person said something last; looking after it changes nothing of that."""
    world.ask("PATCH", "/tenants/acme", admin, {"feedback_retention_days": 10})
    run_id = asked(world, admin)
    paths = [f"/feedback/{give(world, admin, run_id, rating='down', user=user)['feedback_id']}" for user in "ab"]
    world.clock.advance(8 * DAY_S)
    give(world, admin, run_id, rating="down", comment="Still wrong.", user="b")
    world.ask("PATCH", paths[0], admin, {"status": "triaged"})
    world.clock.advance(3 * DAY_S)
    assert [world.ask("GET", path, admin).status for path in paths] == [404, 200]
    assert [one["comment"] for one in world.ask("GET", paths[1], admin).body["history"]] == ["Still wrong."]
    world.clock.advance(8 * DAY_S)
    assert world.ask("GET", "/feedback", admin).body["items"] == []


def test_what_leads_from_a_document_to_feedback_lasts_as_long_as_that(
    world: World, admin: str, document_id: str
) -> None:
    """Also when the tenant keeps feedback for a shorter time by now, and the same was said again."""
    run_id = asked(world, admin)
    path = f"/feedback/{give(world, admin, run_id, rating='down', comment='30 days?')['feedback_id']}"
    world.ask("PATCH", "/tenants/acme", admin, {"feedback_retention_days": 1})
    give(world, admin, run_id, rating="down", comment="30 days?")
    world.clock.advance(300 * DAY_S)
    world.edge.feedback.forget(ACME, DocumentId(document_id))
    assert world.ask("GET", path, admin).body["redacted"]
    assert [one["comment"] for one in world.ask("GET", path, admin).body["history"]] == [None]
    world.clock.advance(66 * DAY_S)
    assert world.ask("GET", path, admin).status == 404


def test_what_a_deleted_document_said_goes_from_feedback_too(world: World, admin: str, document_id: str) -> None:
    """Comments, corrections, selections and notes of every version; ratings, reasons and triage stay."""
    run_id = asked(world, admin)
    give(world, admin, run_id, rating="down", reasons=["wrong"], comment="Not 30 days.")
    path = f"/feedback/{give(world, admin, run_id, rating='down', corrected_answer='It is 30 days.')['feedback_id']}"
    world.ask("PATCH", path, admin, {"note": "30 days it is.", "labels": ["leave"]})
    world.edge.feedback.forget(ACME, DocumentId(document_id))
    assert list(world.edge.feedback.of_document(ACME, DocumentId(document_id))) == []
    reply = world.ask("GET", path, admin)
    assert "30 days" not in reply.raw.decode()
    assert (reply.body["redacted"], reply.body["rating"], reply.body["labels"]) == (True, "down", ["leave"])
    assert [one["reasons"] for one in reply.body["history"]] == [["wrong"], []]
    world.ask("PATCH", path, admin, {"status": "resolved"})
    assert "30 days" not in world.ask("GET", path, admin).raw.decode()
