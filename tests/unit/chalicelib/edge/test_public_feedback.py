"""Feedback from pages: what a token opens, from where, how often, and that it opens nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.domain.access import Role
from chalicelib.domain.identifiers import RunId
from tests.fakes.edge_world import ACME, Reply, World

CHAT, EVIL = "https://chat.example", "https://evil.example"
PATH = "/public/feedback"
UP, DOWN = {"rating": "up"}, {"rating": "down"}


class Page:
    """A page that shows one answer, and what it may send."""

    def __init__(self, world: World, asker: str, **asked: Any) -> None:
        self.world = world
        question = {"question": "Leave?", "index": "handbook", **asked}
        self.run: dict[str, Any] = world.ask("POST", "/query", asker, question).body
        self.token = self.new_token(asker)

    def new_token(self, asker: str, **asked: Any) -> str:
        reply = self.world.ask("POST", "/feedback-tokens", asker, {"run_id": self.run["run_id"], **asked})
        assert reply.status == 201, reply.body
        token: str = reply.body["token"]
        return token

    def send(self, body: Any, *, method: str = "PUT", token: str | None = None, origin: str | None = CHAT) -> Reply:
        headers = {} if origin is None else {"Origin": origin}
        return self.world.ask(method, PATH, self.token if token is None else token, body, headers=headers)

    def retract(self) -> Reply:
        return self.send(None, method="DELETE")


@pytest.fixture
def page(world: World, admin: str) -> Page:
    world.make_document(admin, world.make_index(admin))
    world.ask("PATCH", "/tenants/acme", admin, {"feedback_origins": [CHAT]})
    return Page(world, admin)


def stored(world: World, admin: str) -> dict[str, Any]:
    """Give the only feedback there is, with its history."""
    (one,) = world.ask("GET", "/feedback", admin).body["items"]
    body: dict[str, Any] = world.ask("GET", f"/feedback/{one['feedback_id']}", admin).body
    return body


def test_a_reader_says_changes_and_takes_back(world: World, admin: str, page: Page) -> None:
    """One vote for each person and run, with everything that was said before; the same again is nothing new."""
    first = page.send(UP)
    assert (first.status, first.body["rating"], first.body["revision"]) == (200, "up", 1)
    assert page.send(UP).body == first.body
    chunk = page.run["citations"][0]["chunk_id"]
    more = {"reasons": ["outdated", "wrong"], "comment": "It is 32.", "citations": {chunk: -1}, "selection": "30 days"}
    world.clock.advance(1)
    assert page.send({**DOWN, **more}).body["revision"] == 2
    shown = stored(world, admin)
    assert (shown["rating"], shown["comment"], shown["reasons"]) == ("down", "It is 32.", ["outdated", "wrong"])
    assert shown["citations"] == [{"chunk_id": chunk, "rating": -1}]
    assert (shown["source"], shown["index"], shown["status"]) == ("browser", "handbook", "new")
    taken_back = page.retract().body
    assert (taken_back["rating"], taken_back["retracted"], taken_back["revision"]) == (None, True, 3)
    assert page.retract().body == taken_back
    assert world.ask("GET", "/feedback", admin).body["items"] == []
    (gone,) = world.ask("GET", "/feedback", admin, query={"retracted": True}).body["items"]
    detail = world.ask("GET", f"/feedback/{gone['feedback_id']}", admin).body
    assert (gone["comment"], gone["retracted"]) == (None, True)
    assert [one["rating"] for one in detail["history"]] == ["up", "down", None]


def test_taking_back_what_was_never_said_changes_nothing(world: World, admin: str, page: Page) -> None:
    """It is answered all the same."""
    assert page.retract().body["revision"] == 0
    assert world.ask("GET", "/feedback", admin, query={"retracted": True}).body["items"] == []


def test_each_person_has_a_vote(world: World, admin: str, page: Page) -> None:
    """The `user` of the question, or of the token, tells persons apart; nobody's name is stored."""
    page.send(UP)
    page.send(DOWN, token=page.new_token(admin, user="ada"))
    page.send(DOWN, token=page.new_token(admin, user="ada"))
    ratings = [one["rating"] for one in world.ask("GET", "/feedback", admin).body["items"]]
    assert sorted(ratings) == ["down", "up"]


def test_a_token_opens_nothing_else(world: World, page: Page) -> None:
    """Not the API, and not what another run has."""
    for path in ("/me", "/feedback", f"/runs/{page.run['run_id']}"):
        assert world.ask("GET", path, page.token, headers={"Origin": CHAT}).status == 401


@pytest.mark.parametrize("origin", [EVIL, CHAT + ".evil.example", "http://chat.example", "null", "*", "", None])
def test_pages_of_other_origins_are_refused(page: Page, origin: str | None) -> None:
    """Whatever they send; the answer can be read there, so that they see why."""
    for method, body in (("PUT", UP), ("DELETE", None)):
        reply = page.send(body, method=method, origin=origin)
        assert reply.problem == (403, "forbidden")
        assert reply.headers["access-control-allow-origin"] == "*"


def test_a_tenant_may_take_feedback_from_everywhere(world: World, admin: str, page: Page) -> None:
    """A star stands for every page; a token may still be for fewer."""
    world.ask("PATCH", "/tenants/acme", admin, {"feedback_origins": ["*"]})
    assert page.send(UP, origin=EVIL).status == 403
    assert page.send(UP, token=page.new_token(admin), origin=EVIL).status == 200
    assert page.send(UP, token=page.new_token(admin, origins=[CHAT]), origin=EVIL).status == 403


def test_nobody_asks_for_more_origins_than_the_tenant_has(world: World, admin: str, page: Page) -> None:
    """Otherwise whoever may ask could open feedback for any page."""
    body = {"run_id": page.run["run_id"], "origins": [CHAT, EVIL]}
    reply = world.ask("POST", "/feedback-tokens", admin, body)
    assert reply.problem == (400, "invalid_request")
    assert EVIL in reply.body["detail"]


def test_a_token_that_was_tampered_with_is_refused(page: Page) -> None:
    """As are none, another's, and one that says it was not signed at all."""
    head, claims, signature = page.token.split(".")
    flipped = ("A" if signature[0] != "A" else "B") + signature[1:]
    unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0." + claims + "."
    for token in (f"{head}.{claims}.{flipped}", f"{head}.{claims}x.{signature}", unsigned, "x", ""):
        assert page.send(UP, token=token).problem == (401, "unauthenticated")
    assert page.world.ask("PUT", PATH, None, UP, headers={"Origin": CHAT}).problem == (401, "unauthenticated")


def test_an_expired_token_is_refused(world: World, admin: str, page: Page) -> None:
    """After a day at the latest, sooner if it was asked for so."""
    short = page.new_token(admin, lifetime_s=60)
    world.clock.advance(60)
    assert page.send(UP, token=short).problem == (401, "unauthenticated")
    world.clock.advance(86_400 - 61)
    assert page.send(UP).status == 200
    world.clock.advance(1)
    assert page.send(UP).problem == (401, "unauthenticated")


def test_the_twenty_first_write_is_refused(page: Page) -> None:
    """What stands then stays; changes and retractions are writes."""
    for number in range(20):
        assert page.send((UP, DOWN)[number % 2]).status == 200
    for reply in (page.send(UP), page.retract()):
        assert reply.problem == (429, "rate_limited")
        assert 0 < int(reply.headers["retry-after"]) <= 86_400
    assert page.world.ask("GET", "/feedback", page.world.key(Role.ADMIN)).body["items"][0]["rating"] == "down"


def test_a_tenant_takes_so_much_in_a_day(world: World, admin: str, page: Page) -> None:
    """Whoever it comes from; the next day begins anew."""
    world.ask("PATCH", "/tenants/acme", admin, {"feedback_daily_cap": 2})
    assert [page.send(body).status for body in (UP, DOWN, UP)] == [200, 200, 429]
    another = Page(world, admin)
    assert another.send(UP).problem == (429, "rate_limited")
    world.clock.advance(86_400)
    assert Page(world, admin).send(UP).status == 200


def test_a_body_over_sixteen_kilobytes_is_refused(page: Page) -> None:
    """Before it is looked at, and without using up a write."""
    reply = page.send(b'{"rating": "up", "comment": "' + b"x" * 16_384 + b'"}')
    assert reply.problem == (413, "payload_too_large")
    assert reply.headers["access-control-allow-origin"] == "*"
    assert page.send({**UP, "comment": "x" * 4_000, "corrected_answer": "y" * 8_000}).status == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"rating": "sideways"},
        {**DOWN, "reasons": ["ugly"]},
        {**DOWN, "comment": "x" * 4_001},
        {**DOWN, "corrected_answer": "x" * 8_001},
        {**DOWN, "citations": {"chk_other_00000": 1}},
        {**DOWN, "citations": {"chk_other_00000": 2}},
        {**DOWN, "score": 1},
        {**DOWN, "run_id": "run_other"},
    ],
)
def test_what_makes_no_sense_is_refused(page: Page, body: Any) -> None:
    """Chunks of other runs among it."""
    assert page.send(body).problem == (400, "invalid_request")


def test_a_preflight_answers_every_page(page: Page) -> None:
    """It carries no token; without cookies there is nothing that a page could misuse."""
    reply = page.world.ask("OPTIONS", PATH, headers={"Origin": EVIL, "Access-Control-Request-Method": "PUT"})
    assert (reply.status, reply.headers["access-control-allow-origin"]) == (204, "*")
    assert {"PUT", "DELETE"} <= set(reply.headers["access-control-allow-methods"].split(", "))
    assert {"Authorization", "Content-Type"} <= set(reply.headers["access-control-allow-headers"].split(", "))
    assert "access-control-allow-credentials" not in reply.headers


def test_a_run_that_is_forgotten_takes_no_feedback(world: World, admin: str, page: Page) -> None:
    """The token may live longer than the run."""
    world.ask("PATCH", "/tenants/acme", admin, {"run_retention_days": 1})
    late = Page(world, admin)
    world.clock.advance(86_400 - 1)
    fresh = late.new_token(admin)
    world.clock.advance(2)
    assert late.send(UP, token=fresh).problem == (404, "not_found")


def test_an_answer_that_is_given_again_brings_a_token(world: World, admin: str, page: Page) -> None:
    """Made anew: tokens are remembered nowhere."""
    question = {"question": "Leave?", "index": "handbook"}
    again = [world.ask("POST", "/query", admin, question, headers={"Idempotency-Key": "k"}).body for _ in range(2)]
    assert again[0]["run_id"] == again[1]["run_id"]
    assert page.send(UP, token=again[1]["feedback_token"]).status == 200
    assert world.edge.runs.get(ACME, RunId(again[0]["run_id"])).question == "Leave?"
