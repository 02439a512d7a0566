"""Indexes, documents, uploads and jobs through the API."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.domain.access import Role
from chalicelib.domain.documents import Document, DocumentStatus
from chalicelib.domain.identifiers import DocumentId
from tests.fakes.edge_world import ACME, World


def test_an_index_shows_its_recipe(world: World, admin: str) -> None:
    """Every default is written out."""
    world.make_index(admin)
    index = world.ask("GET", "/indexes/handbook", admin).body
    assert index["recipe"] == {
        "parser": {"name": "auto"},
        "chunker": {"name": "structure", "max_tokens": 256, "overlap_tokens": 32},
        "embedder": {"name": "local/minilm"},
        "language": "en",
        "context": "headings",
    }
    assert (index["generation"], index["status"]) == (1, "live")


def test_indexes_are_listed_by_name(world: World, admin: str) -> None:
    """Those in reach; a page may be short, and the cursor leads on."""
    for name in ("ccc", "aaa", "bbb"):
        world.make_index(admin, name)
    narrowed = world.key(Role.READER, indexes=["ccc"])
    first = world.ask("GET", "/indexes", narrowed, query={"limit": 2}).body
    assert first["items"] == []
    rest = world.ask("GET", "/indexes", narrowed, query={"limit": 2, "cursor": first["next_cursor"]}).body
    assert [index["name"] for index in rest["items"]] == ["ccc"]
    assert [one["name"] for one in world.ask("GET", "/indexes", admin).body["items"]] == ["aaa", "bbb", "ccc"]


def test_a_deleted_index_is_gone_at_once(world: World, admin: str) -> None:
    """With the texts of its documents, before any job has run."""
    document_id = world.make_document(admin, world.make_index(admin))
    reply = world.ask("DELETE", "/indexes/handbook", admin)
    assert (reply.status, reply.body["job"]["kind"]) == (202, "delete_index")
    assert world.ask("GET", "/indexes/handbook", admin).status == 404
    assert world.ask("GET", f"/documents/{document_id}/chunks", admin).status == 404


def test_documents_are_listed_newest_first_and_filtered(world: World, admin: str) -> None:
    """By index, status, external id and a part of the name."""
    world.make_index(admin, "one")
    world.make_index(admin, "two")
    first = world.make_document(admin, "one", name="Leave.md", external_id="x/1")
    world.clock.advance(1)
    second = world.make_document(admin, "two", name="Travel.md", external_id="x/1")

    def listed(**query: str) -> list[str]:
        items = world.ask("GET", "/documents", admin, query=query).body["items"]
        return [item["document_id"] for item in items]

    assert listed() == [second, first]
    assert listed(index="one") == [first]
    assert listed(index="two", external_id="x/1") == [second]
    assert listed(external_id="x/1") == [second, first]
    assert listed(q="leave") == [first]
    assert listed(status="ready") == [second, first]
    assert listed(status="deleted") == listed(index="three") == []


def test_a_deleted_document_leaves_its_record(world: World, admin: str) -> None:
    """The record says so; its text is gone, and lists show it only when asked for."""
    document_id = world.make_document(admin, world.make_index(admin))
    assert world.ask("DELETE", f"/documents/{document_id}", admin).body["job"]["kind"] == "delete"
    assert world.ask("GET", f"/documents/{document_id}", admin).body["status"] == "deleted"
    for part in ("chunks", "content"):
        assert world.ask("GET", f"/documents/{document_id}/{part}", admin).problem == (404, "not_found")
    assert world.ask("GET", "/documents", admin).body["items"] == []
    deleted = world.ask("GET", "/documents", admin, query={"status": "deleted"}).body["items"]
    assert [item["document_id"] for item in deleted] == [document_id]


def test_chunks_give_the_text(world: World, admin: str) -> None:
    """Of the published version, with its place in the document."""
    document_id = world.make_document(admin, world.make_index(admin), text="One sentence.")
    (chunk,) = world.ask("GET", f"/documents/{document_id}/chunks", admin).body["items"]
    assert (chunk["text"], chunk["start"], chunk["end"], chunk["kind"]) == ("One sentence.", 0, 13, "text")


def test_content_is_a_url_for_a_while(world: World, admin: str) -> None:
    """The bytes never pass through the API."""
    document_id = world.make_document(admin, world.make_index(admin))
    content = world.ask("GET", f"/documents/{document_id}/content", admin).body
    assert content["method"] == "GET"
    assert document_id in content["url"]
    assert content["expires_at"] > world.clock.now().isoformat()


def test_an_unpublished_document_has_a_record_but_no_text(world: World, admin: str) -> None:
    """While its first version is processed there is nothing to read."""
    document_id = world.make_document(admin, world.make_index(admin))

    def unpublished(document: Document) -> Document:
        return replace(document, published=None, status=DocumentStatus.PROCESSING)

    world.store.documents.update(ACME, DocumentId(document_id), unpublished)
    record = world.ask("GET", f"/documents/{document_id}", admin).body
    assert (record["status"], record["version"], record["latest_version"], record["chunks"]) == ("processing", 0, 1, 0)
    assert world.ask("GET", f"/documents/{document_id}/chunks", admin).body == {"items": [], "next_cursor": None}
    assert world.ask("GET", f"/documents/{document_id}/content", admin).status == 404


def test_versions_say_which_one_answers(world: World, admin: str) -> None:
    """One is published."""
    document_id = world.make_document(admin, world.make_index(admin))
    (version,) = world.ask("GET", f"/documents/{document_id}/versions", admin).body["items"]
    assert (version["version"], version["published"], version["name"]) == (1, True, "leave.md")


def test_uploads_answer_in_the_order_asked(world: World, admin: str) -> None:
    """One presigned URL a file."""
    world.make_index(admin)
    files = [{"name": name, "size_bytes": 3} for name in ("b.pdf", "a.pdf")]
    reply = world.ask("POST", "/uploads", admin, {"index": "handbook", "files": files})
    assert reply.status == 201
    assert [upload["url"] for upload in reply.body["uploads"]] == ["/uploads/b.pdf", "/uploads/a.pdf"]


def test_a_preview_stores_nothing(world: World, admin: str) -> None:
    """Chunks come back, and no document appears."""
    body = {"text": "Some text.", "chunker": {"name": "structure", "max_tokens": 64}}
    reply = world.ask("POST", "/chunk-previews", admin, body)
    assert [chunk["text"] for chunk in reply.body["items"]] == ["Some text."]
    assert world.ask("GET", "/documents", admin).body["items"] == []


def test_jobs_are_listed_by_status(world: World, admin: str) -> None:
    """Newest first."""
    world.make_index(admin)
    document_id = world.make_document(admin)
    world.ask("DELETE", f"/documents/{document_id}", admin)
    kinds = [job["kind"] for job in world.ask("GET", "/jobs", admin).body["items"]]
    assert sorted(kinds) == ["delete", "ingest"]
    assert world.ask("GET", "/jobs", admin, query={"status": "failed"}).body["items"] == []


def test_a_job_tells_its_progress(world: World, admin: str) -> None:
    """In the words of the contract."""
    world.make_index(admin)
    body = {"index": "handbook", "name": "a.md", "text": "A."}
    job = world.ask("POST", "/documents", admin, body).body["job"]
    assert world.ask("GET", f"/jobs/{job['job_id']}", admin).body == job
    assert job["progress"] == {"done": 0, "total": 0, "stage": "queued", "rate_per_s": None, "eta_s": None}


def test_a_change_is_made_to_the_revision_that_was_read(world: World, admin: str) -> None:
    """The tag of the record goes into the request; after the change it is another, and the old one is a conflict."""
    path = f"/documents/{world.make_document(admin, world.make_index(admin), metadata={'year': 2025})}"
    read = world.ask("GET", path, admin)
    tag = read.headers["etag"]
    assert tag == f'"{read.body["revision"]}"'
    changed = world.ask("PATCH", path, admin, {"metadata": {"year": 2026}}, headers={"If-Match": tag})
    assert changed.status == 202
    assert (changed.body["document"]["metadata"], changed.body["job"]["kind"]) == ({"year": 2026}, "retag")
    assert changed.headers["etag"] == world.ask("GET", path, admin).headers["etag"] != tag
    late = world.ask("PATCH", path, admin, {"metadata": {}}, headers={"If-Match": tag})
    assert late.problem == (409, "conflict")
    assert world.ask("PATCH", path, admin, {"acl": ["all"]}, headers={"If-Match": "*"}).status == 202


@pytest.mark.parametrize("tag", ['W/"1"', '"none"', '"99"', '""'])
def test_a_tag_that_was_never_given_matches_nothing(world: World, admin: str, tag: str) -> None:
    """A weak one neither: it promises less than is asked for."""
    path = f"/documents/{world.make_document(admin, world.make_index(admin))}"
    assert world.ask("PATCH", path, admin, {"acl": ["hr"]}, headers={"If-Match": tag}).problem == (409, "conflict")
