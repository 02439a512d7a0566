"""Releases and aliases through the API."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.domain.access import Role
from chalicelib.domain.releases import GenerationSettings, Release, ReleaseStatus
from chalicelib.errors import Unavailable
from tests.fakes.edge_world import ACME, World

CHAT = {"name": "chat", "kind": "chat", "deployments": [{"model": "openai/gpt-5-mini"}]}


@pytest.fixture
def engineer(world: World) -> str:
    """Give an engineer's key, on a platform with an index and a chat route."""
    key = world.key(Role.ENGINEER)
    world.make_index(key)
    world.ask("POST", "/routes", key, CHAT)
    return key


def _made(world: World, key: str, **fields: Any) -> Any:
    reply = world.ask("POST", "/releases", key, {"index": "handbook", **fields})
    assert reply.status == 201, reply.body
    return reply.body


def _promoted(world: World, key: str, release: str) -> Any:
    reply = world.ask("POST", f"/releases/{release}/promote", key, {"override_reason": "by hand"})
    assert reply.status == 200, reply.body
    return reply.body


def test_a_release_has_every_setting_written_out(world: World, engineer: str) -> None:
    """What was given, and for the rest the defaults; it can be read by its id."""
    made = _made(
        world,
        engineer,
        retrieval={"strategy": "dense", "top_k": 7, "reranker": {"name": "local", "depth": 20}},
        answer={"model": "chat", "passages": 3, "claims": {"policy": "drop"}},
        notes={"why": "a test"},
    )
    assert (made["status"], made["generation"], made["notes"]) == ("draft", 1, {"why": "a test"})
    assert (made["retrieval"]["strategy"], made["retrieval"]["candidates"]) == ("dense", 100)
    assert made["retrieval"]["reranker"] == {"name": "local", "depth": 20}
    assert (made["answer"]["model"], made["answer"]["passages"], made["answer"]["temperature"]) == ("chat", 3, 0.0)
    assert made["answer"]["claims"] == {"policy": "drop", "judge": None}
    assert world.ask("GET", f"/releases/{made['release']}", engineer).body == made


def test_equal_settings_are_the_same_release(world: World, engineer: str) -> None:
    """Whoever writes them down, and however: the first writing stays."""
    made = _made(world, engineer, notes={"why": "first"})
    again = _made(world, world.key(Role.ENGINEER), retrieval={"top_k": 10}, notes={"why": "second"})
    assert again == made
    assert [one["release"] for one in world.ask("GET", "/releases", engineer).body["items"]] == [made["release"]]


def test_equal_numbers_are_the_same_setting(world: World, engineer: str) -> None:
    """JSON writes one number in two ways: 0 and 0.0 give one release, in parameters and in a filter."""
    whole, fraction = (
        _made(
            world, engineer, retrieval={"fusion": {"name": "auto", "floor": floor}, "filter": {"$or": [{"n": floor}]}}
        )
        for floor in (0, 0.0)
    )
    assert whole == fraction
    other = _made(world, engineer, retrieval={"fusion": {"name": "auto", "floor": 0.5}})
    assert other["release"] != whole["release"]


def test_a_release_is_based_on_another(world: World, engineer: str) -> None:
    """By id or alias: what is not given is as it is there, on another index too."""
    first = _made(world, engineer, retrieval={"strategy": "lexical"}, answer={"claims": {"policy": "refuse"}})
    _promoted(world, engineer, first["release"])
    world.make_index(engineer, "wiki")
    reply = world.ask("POST", "/releases", engineer, {"based_on": "live", "answer": {"passages": 2}})
    second = reply.body
    assert (second["index"], second["retrieval"], second["status"]) == ("handbook", first["retrieval"], "draft")
    assert second["answer"] == {**first["answer"], "passages": 2}
    third = _made(world, engineer, index="wiki", based_on=second["release"])
    assert (third["index"], third["answer"]) == ("wiki", second["answer"])


def test_null_takes_a_setting_away(world: World, engineer: str) -> None:
    """What is left out stays as it is in the release that the new one is based on."""
    world.ask("POST", "/prompts", engineer, {"name": "p", "system": "", "user": "{{passages}} {{question}}"})
    answer = {"prompt": "p", "claims": {"policy": "drop", "judge": "chat"}, "guardrail": {"id": "abc", "version": "1"}}
    first = _made(world, engineer, retrieval={"filter": {"team": "hr"}}, answer=answer)
    body = {
        "based_on": first["release"],
        "retrieval": {"filter": None, "top_k": 3},
        "answer": {"prompt": None, "guardrail": None, "claims": {"judge": None}, "passages": None},
    }
    second = world.ask("POST", "/releases", engineer, body).body
    assert (second["retrieval"]["filter"], second["retrieval"]["top_k"]) == (None, 3)
    assert second["answer"] == {
        **first["answer"], "prompt": None, "guardrail": None, "claims": {"policy": "drop", "judge": None},
    }  # fmt: skip
    third = world.ask("POST", "/releases", engineer, {"based_on": first["release"], "retrieval": {"top_k": 3}}).body
    assert (third["retrieval"]["filter"], third["answer"]) == ({"team": "hr"}, first["answer"])


def test_a_diff_names_each_setting_that_differs(world: World, engineer: str) -> None:
    """From the one it is compared with to this one; the live one unless another is named."""
    first = _made(world, engineer, retrieval={"filter": {"team": "hr"}})["release"]
    _promoted(world, engineer, first)
    second = _made(world, engineer, retrieval={"filter": {"team": {"$in": ["hr"]}}, "reranker": {"name": "local"}})
    diff = world.ask("GET", f"/releases/{second['release']}/diff", engineer).body
    assert diff == {
        "before": first,
        "after": second["release"],
        "differences": [
            {"setting": "retrieval.filter", "before": {"team": "hr"}, "after": {"team": {"$in": ["hr"]}}},
            {"setting": "retrieval.reranker.name", "before": "none", "after": "local"},
        ],
    }
    same = world.ask("GET", f"/releases/{first}/diff", engineer, query={"against": first}).body
    assert same["differences"] == []


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"index": None}, None),
        ({"answer": {"model": "nowhere"}}, ["answer", "model"]),
        ({"answer": {"claims": {"judge": "nowhere"}}}, ["answer", "claims", "judge"]),
        ({"retrieval": {"reranker": {"name": "nowhere"}}}, None),
        ({"retrieval": {"top_k": 0}}, ["retrieval", "top_k"]),
        ({"answer": {"passages": 101}}, ["answer", "passages"]),
        ({"notes": {"Why?": "x"}}, None),
        ({"generation": 2}, ["generation"]),
    ],
)
def test_what_could_not_answer_is_refused(
    world: World, engineer: str, fields: dict[str, Any], place: list[str] | None
) -> None:
    """With its place, and nothing is written down."""
    body = {name: value for name, value in {"index": "handbook", **fields}.items() if value is not None}
    reply = world.ask("POST", "/releases", engineer, body)
    assert reply.problem == (400, "invalid_request")
    if place is not None:
        assert reply.body["errors"][0]["loc"] == place
    assert world.ask("GET", "/releases", engineer).body["items"] == []


def test_a_release_goes_live_and_comes_back(world: World, engineer: str) -> None:
    """The one before it retires, and is live again after a rollback; each step is on record with its reason."""
    first, second, third = (_made(world, engineer, retrieval={"top_k": k})["release"] for k in (1, 2, 3))
    for release in (first, second, third):
        _promoted(world, engineer, release)
    assert _statuses(world, engineer) == {first: "retired", second: "retired", third: "live"}
    for expected in (second, first):
        back = world.ask("POST", "/releases/rollback", engineer, {"reason": "worse"}).body
        assert (back["name"], back["release"], back["reason"]) == ("live", expected, "worse")
    assert _statuses(world, engineer) == {first: "live", second: "retired", third: "retired"}
    assert world.ask("POST", "/releases/rollback", engineer, {}).problem == (409, "conflict")
    versions = world.ask("GET", "/aliases/live/versions", engineer).body["items"]
    assert [(one["version"], one["release"], one["reason"]) for one in versions] == [
        (5, first, "worse"), (4, second, "worse"), (3, third, "by hand"), (2, second, "by hand"), (1, first, "by hand"),
    ]  # fmt: skip


def test_promotions_are_in_the_audit_log(world: World, engineer: str) -> None:
    """With the release before and after."""
    first, second = (_made(world, engineer, retrieval={"top_k": k})["release"] for k in (1, 2))
    _promoted(world, engineer, first)
    world.clock.advance(1)
    _promoted(world, engineer, second)
    world.clock.advance(1)
    world.ask("POST", "/releases/rollback", engineer, {})
    events = world.ask("GET", "/audit", world.key(Role.ADMIN), query={"resource": "aliases/live"}).body["items"]
    assert [(one["action"], one["changes"]["release_id"]["after"]) for one in events] == [
        ("release.rollback", first), ("release.promote", second), ("release.promote", first),
    ]  # fmt: skip


def test_nothing_goes_live_without_a_reason_or_an_evaluation(world: World, engineer: str) -> None:
    """Nor twice, nor what only a question made; nothing is live where nothing was promoted."""
    release = _made(world, engineer)["release"]
    assert world.ask("POST", "/releases/rollback", engineer, {}).status == 404
    refused = world.ask("POST", f"/releases/{release}/promote", engineer, {})
    assert refused.problem == (409, "conflict")
    assert "override_reason" in refused.body["detail"]
    assert world.ask("POST", f"/releases/{release}/promote", engineer, {"override_reason": " "}).status == 400
    _promoted(world, engineer, release)
    again = world.ask("POST", f"/releases/{release}/promote", engineer, {"override_reason": "again"})
    assert again.problem == (409, "conflict")


def test_an_alias_points_where_it_is_told(world: World, engineer: str) -> None:
    """By id or by another alias; a change of another version than the one that was read is refused."""
    first, second = (_made(world, engineer, retrieval={"top_k": k})["release"] for k in (1, 2))
    made = world.ask("POST", "/aliases", engineer, {"name": "staging", "release": first, "reason": "pilot"})
    assert (made.status, made.body["release"], made.body["version"]) == (201, first, 1)
    assert world.ask("POST", "/aliases", engineer, {"name": "staging", "release": second}).problem == (409, "conflict")
    moved = world.ask("PATCH", "/aliases/staging", engineer, {"release": second}, headers={"If-Match": '"1"'})
    assert (moved.body["release"], moved.headers["etag"]) == (second, '"2"')
    late = world.ask("PATCH", "/aliases/staging", engineer, {"release": first}, headers={"If-Match": '"1"'})
    assert late.problem == (409, "conflict")
    assert world.ask("POST", "/aliases", engineer, {"name": "pilot", "release": "staging"}).body["release"] == second
    assert [one["name"] for one in world.ask("GET", "/aliases", engineer).body["items"]] == ["pilot", "staging"]
    assert world.ask("DELETE", "/aliases/staging", engineer, headers={"If-Match": '"1"'}).problem == (409, "conflict")
    assert world.ask("DELETE", "/aliases/staging", engineer, headers={"If-Match": "2"}).problem[0] == 400
    assert world.ask("DELETE", "/aliases/staging", engineer, headers={"If-Match": '"2"'}).status == 200
    assert world.ask("GET", "/aliases/staging", engineer).status == 404
    assert world.ask("POST", "/aliases", engineer, {"name": "staging", "release": first}).body["version"] == 3


def test_an_alias_points_to_nothing_that_only_a_question_made(world: World, engineer: str) -> None:
    """Written down first, it can be named: a list of releases must show what aliases point to."""
    written = _made(world, engineer)["release"]
    world.ask("POST", "/aliases", engineer, {"name": "staging", "release": written})
    config = replace(world.edge.releases.get(ACME, written).config, answer=GenerationSettings(passages=3))
    asked = Release(config, ReleaseStatus.ADHOC, world.clock.now(), "ann")
    world.edge.releases.add(ACME, asked)
    made = world.ask("POST", "/aliases", engineer, {"name": "pilot", "release": asked.release_id})
    moved = world.ask("PATCH", "/aliases/staging", engineer, {"release": asked.release_id})
    for refused in (made, moved):
        assert refused.problem == (409, "conflict")
        assert f"POST /releases, based on {asked.release_id}" in refused.body["detail"]
    draft = world.ask("POST", "/releases", engineer, {"based_on": asked.release_id}).body
    assert (draft["release"], draft["status"]) == (asked.release_id, "draft")
    assert world.ask("PATCH", "/aliases/staging", engineer, {"release": asked.release_id}).status == 200


def test_live_moves_by_promotion_alone(world: World, engineer: str) -> None:
    """Past the gate there is no way round it."""
    release = _made(world, engineer)["release"]
    assert world.ask("POST", "/aliases", engineer, {"name": "live", "release": release}).problem == (409, "conflict")
    _promoted(world, engineer, release)
    other = _made(world, engineer, retrieval={"top_k": 2})["release"]
    assert world.ask("PATCH", "/aliases/live", engineer, {"release": other}).problem == (409, "conflict")
    assert world.ask("DELETE", "/aliases/live", engineer).problem == (409, "conflict")
    assert world.ask("GET", "/aliases/live", engineer).body["release"] == release


@pytest.mark.parametrize("name", ["rel_1", "Live", "a_b", "1a", "", "a" * 64])
def test_an_alias_cannot_be_called_like_a_release(world: World, engineer: str, name: str) -> None:
    """So that a name is one or the other."""
    release = _made(world, engineer)["release"]
    assert world.ask("POST", "/aliases", engineer, {"name": name, "release": release}).status == 400


def test_who_is_narrowed_to_an_index_reaches_its_releases_alone(world: World, engineer: str) -> None:
    """They neither see, nor name, nor take down what is on another index."""
    world.make_index(engineer, "wiki")
    here, there = _made(world, engineer)["release"], _made(world, engineer, index="wiki")["release"]
    world.ask("POST", "/aliases", engineer, {"name": "staging", "release": there})
    _promoted(world, engineer, there)
    narrowed = world.key(Role.ENGINEER, indexes=["handbook"])
    assert [one["release"] for one in world.ask("GET", "/releases", narrowed).body["items"]] == [here]
    assert world.ask("GET", "/aliases", narrowed).body["items"] == []
    reason = {"override_reason": "mine"}
    assert world.ask("POST", f"/releases/{here}/promote", narrowed, reason).status == 404
    assert world.ask("POST", "/releases/rollback", narrowed, {}).status == 404
    assert world.ask("POST", "/releases", narrowed, {"index": "handbook", "based_on": there}).status == 404
    assert world.ask("GET", f"/releases/{here}/diff", narrowed, query={"against": there}).status == 404
    assert world.ask("POST", "/aliases", narrowed, {"name": "mine", "release": there}).status == 404
    assert world.ask("GET", "/aliases/live", engineer).body["release"] == there


def test_a_rollback_goes_nowhere_out_of_reach(world: World, engineer: str) -> None:
    """Nor to an index that was deleted; what is live stays."""
    world.make_index(engineer, "wiki")
    there, here = _made(world, engineer, index="wiki")["release"], _made(world, engineer)["release"]
    _promoted(world, engineer, there)
    _promoted(world, engineer, here)
    narrowed = world.key(Role.ENGINEER, indexes=["handbook"])
    assert world.ask("POST", "/releases/rollback", narrowed, {}).status == 404
    versions = world.ask("GET", "/aliases/live/versions", narrowed).body["items"]
    assert [one["release"] for one in versions] == [here]
    world.ask("DELETE", "/indexes/wiki", engineer)
    gone = world.ask("POST", "/releases/rollback", engineer, {})
    assert gone.problem == (409, "conflict")
    assert "'wiki'" in gone.body["detail"]
    assert world.ask("GET", "/aliases/live", engineer).body["release"] == here


def test_a_release_that_would_not_answer_is_not_promoted(world: World, engineer: str) -> None:
    """Its route was deleted since."""
    release = _made(world, engineer, answer={"model": "chat"})["release"]
    world.ask("DELETE", "/routes/chat", engineer)
    refused = world.ask("POST", f"/releases/{release}/promote", engineer, {"override_reason": "x"})
    assert refused.problem == (400, "invalid_request")
    assert world.ask("GET", "/aliases", engineer).body["items"] == []


def test_a_release_that_cannot_be_checked_is_not_written_down(world: World, engineer: str) -> None:
    """The retrieval service did not answer: try again."""
    world.store.trouble.error = Unavailable("The retrieval service does not answer.")
    assert world.ask("POST", "/releases", engineer, {"index": "handbook"}).status == 503
    assert world.ask("GET", "/releases", engineer).body["items"] == []


def _statuses(world: World, key: str) -> dict[str, str]:
    return {one["release"]: one["status"] for one in world.ask("GET", "/releases", key).body["items"]}
