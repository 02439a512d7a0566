"""The same request, the same effect."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.domain.access import Role
from chalicelib.errors import StorageFull, Unavailable
from tests.fakes.edge_world import RIVAL, Reply, World

DOCUMENT = {"index": "handbook", "name": "leave.md", "text": "Everybody has 30 days of leave."}
QUESTION = {"question": "How many days?", "index": "handbook"}


def again(world: World, path: str, credential: str, body: Any, key: str = "k-1") -> Reply:
    return world.ask("POST", path, credential, body, headers={"Idempotency-Key": key})


def _without(body: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in names}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/indexes", {"name": "second"}),
        ("/documents", DOCUMENT),
        ("/uploads", {"index": "handbook", "files": [{"name": "a.pdf", "size_bytes": 3}]}),
        ("/imports", {"index": "handbook", "files": [{"path": "2026/a.pdf", "size_bytes": 3}]}),
        ("/ingestions", {"index": "handbook", "documents": [{"name": "a.md", "text": "A."}]}),
        ("/retrieve", QUESTION),
        ("/query", QUESTION),
    ],
)
def test_a_repeated_request_is_answered_as_before(world: World, admin: str, path: str, body: Any) -> None:
    """Status and body are those of the first time, a header says so, and nothing is done twice."""
    world.make_document(admin, world.make_index(admin))
    first, second = again(world, path, admin, body), again(world, path, admin, body)
    # Tokens are not stored: an answer that is given again has one of its own, which opens the same.
    tokens = {"feedback_token"}
    assert (second.status, _without(second.body, tokens)) == (first.status, _without(first.body, tokens))
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"


def test_without_a_key_everything_is_done_again(world: World, admin: str) -> None:
    """The promise holds for those who ask for it."""
    world.make_index(admin)
    assert world.make_document(admin) != world.make_document(admin)


def test_the_order_and_spacing_of_a_body_make_no_other_request(world: World, admin: str) -> None:
    """What counts is what is asked, not how it is written down."""
    world.make_index(admin)
    first = again(world, "/documents", admin, DOCUMENT)
    spaced = b'{ "text": "Everybody has 30 days of leave.",\n "name": "leave.md", "index": "handbook" }'
    assert again(world, "/documents", admin, spaced).body == first.body


def test_another_request_under_the_same_key_is_refused(world: World, admin: str) -> None:
    """A key that is used twice by mistake must not swallow the second request."""
    world.make_index(admin)
    again(world, "/documents", admin, DOCUMENT)
    assert again(world, "/documents", admin, DOCUMENT | {"name": "b.md"}).problem == (422, "idempotency_mismatch")
    assert again(world, "/query", admin, QUESTION).problem == (422, "idempotency_mismatch")


def test_keys_belong_to_whoever_uses_them(world: World, admin: str) -> None:
    """Two subjects, and two tenants, may use the same text."""
    world.make_index(admin)
    rival = world.key(Role.ADMIN, tenant=RIVAL)
    world.make_index(rival)
    made = {
        again(world, "/documents", one, DOCUMENT).body["document"]["document_id"]
        for one in (admin, world.key(Role.ADMIN), rival)
    }
    assert len(made) == 3


def test_a_second_request_meanwhile_is_told_to_wait(world: World, admin: str) -> None:
    """Only one of two requests at once does the work."""
    world.make_index(admin)
    meanwhile: list[Reply] = []
    world.store.trouble.meanwhile = lambda: meanwhile.append(again(world, "/documents", admin, DOCUMENT))
    first = again(world, "/documents", admin, DOCUMENT)
    assert [reply.problem for reply in meanwhile] == [(409, "conflict")]
    assert first.status == 202
    assert again(world, "/documents", admin, DOCUMENT).body == first.body


@pytest.mark.parametrize("error", [Unavailable("Down."), StorageFull("Full."), RuntimeError("unforeseen")])
def test_a_failed_request_may_be_tried_again(world: World, admin: str, error: Exception) -> None:
    """A failure, whatever it was, gives the key up."""
    world.make_index(admin)
    world.store.trouble.error = error
    assert again(world, "/documents", admin, DOCUMENT).status >= 500
    second = again(world, "/documents", admin, DOCUMENT)
    assert second.status == 202
    assert "idempotent-replayed" not in second.headers


def test_a_refused_request_claims_nothing(world: World, admin: str) -> None:
    """After a 400 the same key serves the mended request."""
    world.make_index(admin)
    assert again(world, "/documents", admin, {"index": "handbook"}).status == 400
    assert again(world, "/documents", admin, DOCUMENT).status == 202


def test_a_key_is_forgotten_after_a_day(world: World, admin: str) -> None:
    """24 hours is what is promised."""
    world.make_index(admin)
    first = again(world, "/documents", admin, DOCUMENT)
    world.clock.advance(24 * 3600 + 1)
    second = again(world, "/documents", admin, DOCUMENT)
    assert second.status == 202
    assert second.body["document"]["document_id"] != first.body["document"]["document_id"]


@pytest.mark.parametrize("key", ["", "with space", "x" * 256, "ключ"])
def test_a_malformed_key_is_refused(world: World, admin: str, key: str) -> None:
    """Rather than being ignored, which its sender would not notice."""
    assert again(world, "/indexes", admin, {"name": "second"}, key).problem == (400, "invalid_request")


def test_a_new_api_key_is_not_shown_again(world: World, admin: str) -> None:
    """The secret is kept nowhere, so a repeat says which key was made, and makes no second one."""
    body = {"name": "ci", "roles": ["reader"]}
    first, second = again(world, "/api-keys", admin, body), again(world, "/api-keys", admin, body)
    assert second.problem == (409, "conflict")
    assert first.body["key"]["key_id"] in second.body["detail"]
    assert first.body["secret"] not in second.raw.decode()
    assert len(world.ask("GET", "/api-keys", admin).body["items"]) == 2


def test_a_repeated_question_gives_back_nothing_deleted(world: World, admin: str) -> None:
    """What was answered is read from the run, under today's permissions; the memory of repeats holds no text."""
    document_id = world.make_document(admin, world.make_index(admin))
    assert again(world, "/query", admin, QUESTION, "q").body["citations"]
    assert again(world, "/retrieve", admin, QUESTION, "r").body["passages"]
    world.ask("DELETE", f"/documents/{document_id}", admin)
    assert again(world, "/query", admin, QUESTION, "q").problem == (409, "conflict")
    assert again(world, "/retrieve", admin, QUESTION, "r").body["passages"] == []
