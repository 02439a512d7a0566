"""What is refused, and how: every refusal is a problem that says where and why, and repeats nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.edge.operations import MAX_BODY_BYTES
from tests.fakes.edge_world import World

DOCUMENT = {"index": "handbook", "name": "leave.md", "text": "Everybody has 30 days of leave."}
BAD_PATHS = ("", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../../b", "a/./b", "a\x00b", "a\nb", "a\\b", "x" * 513)


def places(body: Any) -> list[list[Any]]:
    return [error["loc"] for error in body["errors"]]


@pytest.mark.parametrize(
    ("path", "body", "place"),
    [
        ("/query", {"question": ""}, ["question"]),
        ("/query", {"question": " \n\t"}, ["question"]),
        ("/query", {"question": "x" * 8_001}, ["question"]),
        ("/query", {}, ["question"]),
        ("/query", {"question": 7}, ["question"]),
        ("/query", {"question": "q", "top_k": 0}, ["top_k"]),
        ("/query", {"question": "q", "top_k": 101}, ["top_k"]),
        ("/query", {"question": "q", "top_k": "5"}, ["top_k"]),
        ("/query", {"question": "q", "strategy": "magic"}, ["strategy"]),
        ("/query", {"question": "q", "qestion": "q"}, ["qestion"]),
        (
            "/query",
            {"question": "q", "conversation": [{"role": "system", "content": "x"}]},
            ["conversation", 0, "role"],
        ),
        ("/retrieve", {"question": "q", "index": "Not A Name"}, ["index"]),
        ("/documents", DOCUMENT | {"name": ""}, ["name"]),
        ("/documents", DOCUMENT | {"name": "a\x00b"}, ["name"]),
        ("/documents", DOCUMENT | {"acl": []}, ["acl"]),
        ("/documents", DOCUMENT | {"content_base64": "QQ=="}, []),
        ("/documents", {"index": "handbook", "name": "a.md"}, []),
        ("/documents", DOCUMENT | {"document": {}}, ["document"]),
        ("/uploads", {"index": "handbook", "files": []}, ["files"]),
        ("/uploads", {"index": "handbook", "files": [{"name": "a", "size_bytes": 0}]}, ["files", 0, "size_bytes"]),
        ("/uploads", {"index": "handbook", "files": [{"name": "a", "size_bytes": 2**40}]}, ["files", 0, "size_bytes"]),
        ("/imports", {"index": "handbook", "files": []}, ["files"]),
        *(
            ("/imports", {"index": "handbook", "files": [{"path": path, "size_bytes": 1}]}, ["files", 0, "path"])
            for path in BAD_PATHS
        ),
        *(("/ingestions", {"index": "handbook", "manifest": path}, ["manifest"]) for path in BAD_PATHS),
        *(
            ("/ingestions", {"index": "handbook", "prefix": prefix}, ["prefix"])
            for prefix in ("/", "../", "a/../", "a//", "./", "a\x00", "a\\", "x" * 513)
        ),
        ("/ingestions", {"index": "handbook"}, []),
        ("/ingestions", {"index": "handbook", "prefix": "a/", "manifest": "a"}, []),
        ("/ingestions", {"index": "handbook", "documents": []}, ["documents"]),
        ("/ingestions", {"index": "handbook", "documents": [{"name": "a"}]}, ["documents", 0]),
        ("/ingestions", {"index": "handbook", "documents": [{"text": "a"}]}, ["documents", 0, "name"]),
        (
            "/ingestions",
            {"index": "handbook", "documents": [{"name": "a", "text": "a", "source": "b"}]},
            ["documents", 0, "source"],
        ),
        ("/ingestions", {"index": "handbook", "prefix": "", "acl": None}, ["acl"]),
        ("/indexes", {"name": "A"}, ["name"]),
        ("/indexes", {"name": "good", "recipe": {"language": "english"}}, ["recipe", "language"]),
        ("/api-keys", {"name": "x", "roles": []}, ["roles"]),
        ("/api-keys", {"name": "x", "roles": ["king"]}, ["roles", 0]),
        ("/api-keys", {"name": "x", "roles": ["reader"], "expires_at": "tomorrow"}, ["expires_at"]),
        ("/chunk-previews", {"chunker": {"name": "structure"}}, []),
    ],
)
def test_an_invalid_field_is_named(world: World, admin: str, path: str, body: Any, place: list[Any]) -> None:
    """400, with the place of the fault."""
    reply = world.ask("POST", path, admin, body)
    assert reply.problem == (400, "invalid_request")
    assert place in places(reply.body)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"{",
        b"nonsense",
        b"[]",
        b'"text"',
        b"null",
        b"17",
        b'{"question": "\xff\xfe"}',
        b'{"question": "\\ud800"}',
        b'{"question": NaN}',
        b'{"question": "q", "filter": {"year": 1e999}}',
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    ],
)
def test_a_body_that_is_no_json_object_is_refused(world: World, admin: str, raw: bytes) -> None:
    """400, whatever it is instead."""
    reply = world.ask("POST", "/query", admin, raw)
    assert reply.problem == (400, "invalid_request")


@pytest.mark.parametrize(
    "media_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/octet-stream",
     "application/json; charset=latin-1", "image/png", ""],
)  # fmt: skip
def test_a_body_of_another_media_type_is_refused(world: World, admin: str, media_type: str) -> None:
    """415, with the trace's id like every answer."""
    reply = world.ask("POST", "/query", admin, b'{"question": "q"}', headers={"Content-Type": media_type})
    assert reply.problem == (415, "unsupported_media_type")


@pytest.mark.parametrize("media_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_json_may_say_its_charset(world: World, admin: str, media_type: str) -> None:
    """UTF-8 is the only one there is."""
    body = json.dumps({"name": "handbook", "description": "Für alle 🙂"}, ensure_ascii=False).encode()
    reply = world.ask("POST", "/indexes", admin, body, headers={"Content-Type": media_type})
    assert reply.body["description"] == "Für alle 🙂"


def test_the_media_type_of_a_request_without_a_body_does_not_matter(world: World, admin: str) -> None:
    """Some clients set one on every request."""
    assert world.ask("GET", "/me", admin, headers={"Content-Type": "text/plain"}).status == 200


def test_a_body_over_the_limit_is_refused(world: World, admin: str) -> None:
    """413, with the way large files go."""
    raw = b'{"question": "' + b"x" * MAX_BODY_BYTES + b'"}'
    reply = world.ask("POST", "/query", admin, raw)
    assert reply.problem == (413, "payload_too_large")
    assert "/v1/uploads" in reply.body["detail"]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/documents", {"limit": 0}),
        ("/documents", {"limit": 201}),
        ("/documents", {"limit": "many"}),
        ("/documents", {"limit": [1, 2]}),
        ("/documents", {"status": "lost"}),
        ("/documents", {"index": "Not A Name"}),
        ("/documents", {"colour": "red"}),
        ("/documents", {"cursor": "nobody-gave-this"}),
        ("/documents", {"cursor": ""}),
        ("/jobs", {"status": "sleeping"}),
        ("/jobs", {"cursor": "x"}),
        ("/jobs", {"parent": "not an id"}),
        ("/jobs", {"parent": ""}),
        ("/runs", {"cursor": "ÿ"}),
        ("/indexes", {"cursor": "e30="}),
        ("/api-keys", {"cursor": "../.."}),
        ("/me", {"verbose": 1}),
        ("/health", {"verbose": 1}),
    ],
)
def test_an_invalid_query_is_refused(world: World, admin: str, path: str, query: dict[str, Any]) -> None:
    """400 for what is out of bounds, unknown, given twice, or a cursor that nobody gave."""
    assert world.ask("GET", path, admin, query=query).problem == (400, "invalid_request")


def test_a_cursor_serves_the_list_that_gave_it_alone(world: World, admin: str) -> None:
    """Neither another list nor another tenant can go on with it."""
    world.make_index(admin, "one")
    world.make_index(admin, "two")
    cursor = world.ask("GET", "/indexes", admin, query={"limit": 1}).body["next_cursor"]
    assert world.ask("GET", "/indexes", admin, query={"limit": 1, "cursor": cursor}).status == 200
    assert world.ask("GET", "/jobs", admin, query={"cursor": cursor}).problem == (400, "invalid_request")


def test_an_operation_with_a_body_takes_no_query(world: World, admin: str) -> None:
    """A field in the wrong place is not silently lost."""
    reply = world.ask("POST", "/query", admin, {"question": "q"}, query={"index": "handbook"})
    assert reply.problem == (400, "invalid_request")


def test_refusals_do_not_repeat_what_was_sent(world: World, admin: str) -> None:
    """Not the value, and of a long unknown name only its beginning."""
    secret = "hunter2" * 100
    reply = world.ask("POST", "/query", admin, {"question": {"deep": secret}, secret: 1, "index": secret})
    assert reply.status == 400
    assert secret not in reply.raw.decode()
    assert max(len(str(part)) for place in places(reply.body) for part in place) <= 64


def test_a_flood_of_faults_is_cut(world: World, admin: str) -> None:
    """At most twenty are listed."""
    reply = world.ask("POST", "/query", admin, {f"field{number}": 1 for number in range(1_000)})
    assert len(reply.body["errors"]) == 20


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({}, []),
        ({"metadata": None}, ["metadata"]),
        ({"acl": None}, ["acl"]),
        ({"acl": []}, ["acl"]),
        ({"acl": ["a b"]}, ["acl", 0]),
        ({"acl": ["all"], "name": "new.md"}, ["name"]),
        ({"metadata": {"year": {"deep": 1}}}, ["metadata"]),
        ({"metadata": {}, "if_revision": 3}, ["if_revision"]),
    ],
)
def test_an_invalid_change_is_refused(world: World, admin: str, body: Any, place: list[Any]) -> None:
    """400, with the place of the fault; what was there stays."""
    document_id = world.make_document(admin, world.make_index(admin), metadata={"year": 2025})
    reply = world.ask("PATCH", f"/documents/{document_id}", admin, body)
    assert reply.problem == (400, "invalid_request")
    assert any(found[: len(place)] == place for found in places(reply.body))
    assert world.ask("GET", f"/documents/{document_id}", admin).body["metadata"] == {"year": 2025}


@pytest.mark.parametrize("tag", ["3", '"3', "W/3", '"1", "2"', "", '"a b"'])
def test_a_malformed_entity_tag_is_refused(world: World, admin: str, tag: str) -> None:
    """400; nothing is changed by a request whose condition nobody understands."""
    document_id = world.make_document(admin, world.make_index(admin))
    reply = world.ask("PATCH", f"/documents/{document_id}", admin, {"acl": ["hr"]}, headers={"If-Match": tag})
    assert reply.problem == (400, "invalid_request")


def test_a_condition_that_nobody_would_look_at_is_refused(world: World, admin: str) -> None:
    """Whoever states one relies on it: nothing is done as if there were none. Reading is not in its way."""
    document_id = world.make_document(admin, world.make_index(admin))
    for method, path in (("DELETE", f"/documents/{document_id}"), ("POST", "/indexes/handbook/sweep")):
        reply = world.ask(method, path, admin, headers={"If-Match": '"7"'})
        assert reply.problem == (400, "invalid_request")
        assert "If-Match" in reply.body["detail"]
    assert world.ask("GET", f"/documents/{document_id}", admin, headers={"If-Match": '"7"'}).status == 200


def test_an_operation_without_a_body_takes_none(world: World, admin: str) -> None:
    """A field that means nothing here is not silently lost; an empty object says nothing."""
    job_id = world.ask("POST", "/documents", admin, DOCUMENT | {"index": world.make_index(admin)}).body["job"]["job_id"]
    assert world.ask("POST", f"/jobs/{job_id}/cancel", admin, {"force": True}).problem == (400, "invalid_request")
    assert world.ask("POST", f"/jobs/{job_id}/cancel", admin, {}).status == 202


def test_a_duplicate_index_is_a_conflict(world: World, admin: str) -> None:
    """409, and the first one is as it was."""
    body = {"name": "handbook", "description": "first"}
    assert world.ask("POST", "/indexes", admin, body).status == 201
    assert world.ask("POST", "/indexes", admin, body | {"description": "second"}).problem == (409, "conflict")
    assert world.ask("GET", "/indexes/handbook", admin).body["description"] == "first"


def test_an_unknown_index_is_missing(world: World, admin: str) -> None:
    """404 from everything that names one in its body, with the way to those there are."""
    for path, body in (("/documents", DOCUMENT), ("/query", {"question": "q", "index": "nowhere"})):
        reply = world.ask("POST", path, admin, body)
        assert reply.problem == (404, "not_found")
        assert "/v1/indexes" in reply.body["detail"]


def test_an_unknown_route_or_method_is_missing(world: World, admin: str) -> None:
    """As a problem, too."""
    assert world.ask("DELETE", "/me", admin).problem == (404, "not_found")
    assert world.ask("POST", "/documents/doc_1", admin, {}).problem == (404, "not_found")
