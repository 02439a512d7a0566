"""Prompts through the API."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.domain.access import Role
from tests.fakes.edge_world import RIVAL, World

USER = "{{passages}}\n\nQuestion: {{question}}"


@pytest.fixture
def engineer(world: World) -> str:
    return world.key(Role.ENGINEER)


def _made(world: World, key: str, name: str = "helpdesk", system: str = "Be brief.") -> Any:
    reply = world.ask("POST", "/prompts", key, {"name": name, "system": system, "user": USER})
    assert reply.status == 201, reply.body
    return reply.body


def _added(world: World, key: str, system: str, **more: Any) -> Any:
    return world.ask("POST", "/prompts/helpdesk/versions", key, {"system": system, "user": USER, **more})


def test_versions_count_up_and_stay(world: World, engineer: str) -> None:
    """Each with its texts, maker and note; the newest first."""
    first = _made(world, engineer)
    assert (first["version"], first["reference"], first["system"]) == (1, "helpdesk@1", "Be brief.")
    assert _added(world, engineer, "Be kind.", note="as asked").body["version"] == 2
    versions = world.ask("GET", "/prompts/helpdesk/versions", engineer).body["items"]
    assert [(one["version"], one["system"], one["note"]) for one in versions] == [
        (2, "Be kind.", "as asked"), (1, "Be brief.", ""),
    ]  # fmt: skip
    assert world.ask("GET", "/prompts/helpdesk/versions/1", engineer).body == first
    assert world.ask("GET", "/prompts/helpdesk/versions/3", engineer).status == 404
    assert world.ask("GET", "/prompts/helpdesk", engineer).body["latest"] == 2


def test_a_version_that_says_the_same_is_refused(world: World, engineer: str) -> None:
    """So is a name that is taken."""
    _made(world, engineer)
    assert _added(world, engineer, "Be brief.").problem == (409, "conflict")
    taken = world.ask("POST", "/prompts", engineer, {"name": "helpdesk", "system": "x", "user": USER})
    assert taken.problem == (409, "conflict")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"system": "{{nope}}"}, ["system"]),
        ({"system": "{% if x %}{{"}, ["system"]),
        ({"user": "{{question}}"}, ["user"]),
        ({"user": "x" * 16_001}, ["user"]),
        ({"name": "Help desk"}, ["name"]),
        ({"name": "help@2"}, ["name"]),
        ({"template": "x"}, ["template"]),
    ],
)
def test_what_is_no_prompt_is_refused_at_save(
    world: World, engineer: str, change: dict[str, Any], place: list[str]
) -> None:
    """With its place, before any question could meet it."""
    body = {"name": "helpdesk", "system": "Be brief.", "user": USER, **change}
    reply = world.ask("POST", "/prompts", engineer, body)
    assert reply.problem == (400, "invalid_request")
    assert reply.body["errors"][0]["loc"] == place
    assert world.ask("GET", "/prompts", engineer).body["items"] == []


def test_labels_point_to_versions(world: World, engineer: str) -> None:
    """They move, and go away with null; a change of another revision is refused."""
    _made(world, engineer)
    _added(world, engineer, "Be kind.")
    labelled = world.ask("PATCH", "/prompts/helpdesk", engineer, {"labels": {"production": 1, "trial": 2}})
    assert (labelled.body["labels"], labelled.headers["etag"]) == ({"production": 1, "trial": 2}, '"3"')
    late = world.ask("PATCH", "/prompts/helpdesk", engineer, {"description": "x"}, headers={"If-Match": '"2"'})
    assert late.problem == (409, "conflict")
    moved = world.ask("PATCH", "/prompts/helpdesk", engineer, {"labels": {"production": 2, "trial": None}}).body
    assert moved["labels"] == {"production": 2}
    assert world.ask("GET", "/prompts/helpdesk/versions/production", engineer).body["version"] == 2
    assert world.ask("GET", "/prompts/helpdesk/versions/trial", engineer).status == 404
    beyond = world.ask("PATCH", "/prompts/helpdesk", engineer, {"labels": {"production": 3}})
    assert beyond.body["errors"][0]["loc"] == ["labels", "production"]


def test_a_prompt_has_so_many_labels_and_no_more(world: World, engineer: str) -> None:
    """However few come at a time; one that goes makes room for another."""
    _made(world, engineer)
    first = {f"l{number}": 1 for number in range(50)}
    assert world.ask("PATCH", "/prompts/helpdesk", engineer, {"labels": first}).status == 200
    refused = world.ask("PATCH", "/prompts/helpdesk", engineer, {"labels": {"more": 1}})
    assert refused.problem == (400, "invalid_request")
    assert (refused.body["errors"][0]["loc"], "51 labels" in refused.body["detail"]) == (["labels"], True)
    moved = world.ask("PATCH", "/prompts/helpdesk", engineer, {"labels": {"more": 1, "l0": None}})
    assert len(moved.body["labels"]) == 50


def test_a_diff_shows_what_changed(world: World, engineer: str) -> None:
    """Line by line; the latest against the one before it unless others are named."""
    _made(world, engineer, system="Be brief.\nBe kind.")
    _added(world, engineer, "Be brief.\nBe frank.")
    diff = world.ask("GET", "/prompts/helpdesk/diff", engineer).body
    assert (diff["before"], diff["after"], diff["user"]) == ("helpdesk@1", "helpdesk@2", "")
    assert diff["system"].splitlines()[-3:] == [" Be brief.", "-Be kind.", "+Be frank."]
    back = world.ask("GET", "/prompts/helpdesk/diff", engineer, query={"before": "2", "after": "1"}).body
    assert back["system"].splitlines()[-2:] == ["-Be frank.", "+Be kind."]


def test_a_release_keeps_the_version_that_a_label_had(world: World, engineer: str) -> None:
    """Moving the label changes no release; a release of the label now is another one."""
    world.make_index(engineer)
    _made(world, engineer)
    _added(world, engineer, "Be kind.")
    world.ask("PATCH", "/prompts/helpdesk", engineer, {"labels": {"production": 1}})
    body = {"index": "handbook", "answer": {"prompt": "helpdesk:production"}}
    first = world.ask("POST", "/releases", engineer, body).body
    assert first["answer"]["prompt"] == "helpdesk@1"
    world.ask("PATCH", "/prompts/helpdesk", engineer, {"labels": {"production": 2}})
    assert world.ask("GET", f"/releases/{first['release']}", engineer).body == first
    assert world.ask("POST", "/releases", engineer, body).body["answer"]["prompt"] == "helpdesk@2"
    latest = {"index": "handbook", "answer": {"prompt": "helpdesk"}}
    assert world.ask("POST", "/releases", engineer, latest).body["answer"]["prompt"] == "helpdesk@2"


@pytest.mark.parametrize("prompt", ["helpdesk@2", "helpdesk:production", "nowhere", "nowhere@1"])
def test_a_release_names_a_prompt_that_is_there(world: World, engineer: str, prompt: str) -> None:
    """By any kind of reference."""
    world.make_index(engineer)
    _made(world, engineer)
    body = {"index": "handbook", "answer": {"prompt": prompt}}
    assert world.ask("POST", "/releases", engineer, body).problem == (404, "not_found")


def test_prompts_are_a_tenants_own(world: World, engineer: str) -> None:
    """The same name is another prompt there."""
    _made(world, engineer)
    rival = world.key(Role.ENGINEER, tenant=RIVAL)
    assert world.ask("GET", "/prompts", rival).body["items"] == []
    assert _made(world, rival, system="Be loud.")["version"] == 1
    assert world.ask("GET", "/prompts/helpdesk/versions/1", engineer).body["system"] == "Be brief."


def test_changes_are_in_the_audit_log(world: World, engineer: str) -> None:
    """Texts before and after, and where labels went."""
    _made(world, engineer)
    world.clock.advance(1)
    _added(world, engineer, "Be kind.")
    world.clock.advance(1)
    world.ask("PATCH", "/prompts/helpdesk", engineer, {"labels": {"production": 2}})
    events = world.ask("GET", "/audit", world.key(Role.ADMIN), query={"resource": "prompts/helpdesk"}).body["items"]
    assert [one["action"] for one in events] == ["prompt.change", "prompt.version", "prompt.create"]
    assert events[0]["changes"]["labels"] == {"before": {}, "after": {"production": 2}}
    assert events[1]["changes"]["system"] == {"before": "Be brief.", "after": "Be kind."}


@pytest.mark.parametrize(
    "body",
    [
        {"system": "x"},
        {"system": "{{nope}}", "user": USER},
        {"prompt": "helpdesk", "system": "x", "user": USER},
        {"prompt": "a b"},
    ],
)
def test_a_preview_needs_a_whole_prompt(world: World, engineer: str, body: dict[str, str]) -> None:
    """A version, or both templates without faults."""
    world.make_index(engineer)
    reply = world.ask("POST", "/prompt-previews", engineer, {"question": "Leave?", "index": "handbook", **body})
    assert reply.problem == (400, "invalid_request")


def test_the_longest_prompt_fits_into_every_row(world: World, engineer: str) -> None:
    """Also into the audit log, which tells what it was before."""
    for letter in "äö":
        rest = letter * (16_000 - len(USER))
        body = {"system": letter * 16_000, "user": USER + rest}
        first = {"name": "helpdesk", **body}
        reply = world.ask(
            "POST",
            *(("/prompts", engineer, first) if letter == "ä" else ("/prompts/helpdesk/versions", engineer, body)),
        )
        assert reply.status == 201, reply.body
