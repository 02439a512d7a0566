"""Documents through the API: in, changed, out."""

from __future__ import annotations

import hashlib
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.client.api import Client
from chalicelib.contracts.asking import QueryRequest, RetrieveRequest
from chalicelib.contracts.documents import ChunkPreviewRequest, DocumentCreate, UploadFile, UploadsCreate
from chalicelib.contracts.indexes import ComponentModel, IndexCreate
from chalicelib.domain.documents import DocumentStatus
from chalicelib.domain.jobs import JobStatus
from chalicelib.errors import Conflict, NotFound
from tests.e2e.running import RunningPlatform


@pytest.fixture
def index(client: Client) -> Iterator[str]:
    """An empty index, removed in the end."""
    name = f"e2e-{secrets.token_hex(6)}"
    client.create_index(IndexCreate(name=name))
    yield name
    client.delete_index(name)


def put(client: Client, index: str, text: str, **fields: object) -> str:
    """Put a text into *index* and wait until it is searchable; give the document's id."""
    request = DocumentCreate.model_validate({"index": index, "name": "note.md", "text": text, **fields})
    document_id = client.create_document(request).document.document_id
    (document,) = client.wait_for_documents([document_id], timeout_s=60)
    assert document.status is DocumentStatus.READY, document.error
    return document_id


def texts_found(client: Client, index: str, question: str) -> list[str]:
    """Give the texts of all passages that *question* finds."""
    found = client.retrieve(RetrieveRequest(question=question, index=index, top_k=50))
    return [passage.text for passage in found.passages]


def ended(client: Client, job_id: str) -> dict[str, object]:
    """Wait for the job's end, which must be success; give its result."""
    while (job := client.job(job_id)).status not in {JobStatus.SUCCEEDED, JobStatus.FAILED}:
        time.sleep(0.05)
    assert job.status is JobStatus.SUCCEEDED
    return job.result or {}


def test_a_document_is_searchable_once_its_job_succeeded(client: Client, index: str) -> None:
    """And its job says so."""
    accepted = client.create_document(DocumentCreate(index=index, name="leave.md", text="# Leave\n\nThirty days."))
    client.wait_for_documents([accepted.document.document_id], timeout_s=60)
    assert client.job(accepted.job.job_id).status is JobStatus.SUCCEEDED
    assert any("Thirty days" in text for text in texts_found(client, index, "How many days of leave?"))


def test_a_new_version_replaces_the_old_one(client: Client, index: str) -> None:
    """The same external id, no mixture, and both versions listed."""
    first = put(client, index, "Everybody has thirty days of leave.", external_id="leave")
    second = put(client, index, "Everybody has thirty-five days of leave.", external_id="leave")
    assert first == second
    assert texts_found(client, index, "How many days of leave?") == ["Everybody has thirty-five days of leave."]
    assert [(one.version, one.published) for one in client.versions(first)] == [(1, False), (2, True)]


def test_a_deleted_document_answers_nothing_at_once(client: Client, index: str) -> None:
    """The answer to the deletion is enough; its job removes the rest."""
    document_id = put(client, index, "The secret ingredient of the sauce is smoked paprika.")
    question = "What is the secret ingredient of the sauce?"
    assert not client.query(QueryRequest(question=question, index=index)).abstained
    job = client.delete_document(document_id).job
    assert client.query(QueryRequest(question=question, index=index)).abstained
    assert texts_found(client, index, question) == []
    assert client.document(document_id).status is DocumentStatus.DELETED
    with pytest.raises(NotFound):
        list(client.chunks(document_id))
    assert ended(client, job.job_id)


def test_an_answer_from_a_deleted_document_is_withheld(client: Client, index: str) -> None:
    """Runs remember it no longer."""
    document_id = put(client, index, "The vault opens with the code nine four seven.")
    run_id = client.query(QueryRequest(question="What code opens the vault?", index=index)).run_id
    assert client.run(run_id).answer
    client.delete_document(document_id)
    withheld = client.run(run_id)
    assert (withheld.answer, withheld.citations, withheld.passages) == (None, [], [])


def test_groups_decide_who_reads(client: Client, index: str) -> None:
    """Not even its admin reads a document of another group."""
    document_id = put(client, index, "The salaries rise by four per cent in May.", acl=["hr"])
    assert texts_found(client, index, "How much do salaries rise?") == []
    with pytest.raises(NotFound):
        list(client.chunks(document_id))


def test_an_uploaded_file_is_searchable_and_comes_back_as_it_was(client: Client, index: str, tmp_path: Path) -> None:
    """Through a presigned URL, checksum verified."""
    path = tmp_path / "travel.txt"
    path.write_text("Trips of over six hours are booked in first class.\n" * 20, encoding="utf-8")
    upload = client.upload_file(index, path, external_id="travel")
    (document,) = client.wait_for_documents([upload.document_id], timeout_s=60)
    assert document.status is DocumentStatus.READY
    assert document.size_bytes == path.stat().st_size
    assert client.versions(document.document_id)[0].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("change", ["another path", "another size", "no signature"])
def test_a_forged_upload_is_refused(client: Client, index: str, change: str, platform: RunningPlatform) -> None:
    """Nothing is stored."""
    file = UploadFile(name="a.txt", size_bytes=5)
    upload = client.open_uploads(UploadsCreate(index=index, files=[file])).uploads[0]
    url = {
        "another path": upload.url.replace("/raw/", "/chunks/"),
        "another size": upload.url.replace("size=5", "size=6"),
        "no signature": upload.url.partition("&signature")[0],
    }[change]
    request = urllib.request.Request(platform.url + url, data=b"hello", method="PUT", headers=upload.headers)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    with refused.value as answer:
        assert answer.code == 403
    assert client.document(upload.document_id).status is DocumentStatus.PENDING


def test_a_mislabelled_file_is_judged_by_its_content(client: Client, index: str) -> None:
    """A program is not a PDF, whatever its name."""
    request = DocumentCreate(
        index=index, name="plan.pdf", content_base64="f0VMRgIBAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    )
    document_id = client.create_document(request).document.document_id
    (document,) = client.wait_for_documents([document_id], timeout_s=60)
    assert document.status is DocumentStatus.FAILED
    assert document.error is not None
    assert document.error.code == "unsupported_media_type"


def test_a_failed_version_leaves_the_good_one_in_place(client: Client, index: str) -> None:
    """Readers never notice."""
    document_id = put(client, index, "The office is closed on Fridays.", external_id="hours")
    broken = DocumentCreate(index=index, name="hours.pdf", content_base64="JVBERi0xLjcKJeLjz9M=", external_id="hours")
    client.create_document(broken)
    (document,) = client.wait_for_documents([document_id], timeout_s=60)
    assert texts_found(client, index, "When is the office closed?") == ["The office is closed on Fridays."]
    assert document.version == 1


def test_two_indexes_of_one_name_are_refused(client: Client, index: str) -> None:
    """The second maker is told."""
    with pytest.raises(Conflict, match=index):
        client.create_index(IndexCreate(name=index))


def test_a_deleted_index_is_gone_with_its_documents(client: Client) -> None:
    """And its name is free again."""
    client.create_index(IndexCreate(name="e2e-short-lived"))
    document_id = put(client, "e2e-short-lived", "Something to forget.")
    job = client.delete_index("e2e-short-lived").job
    with pytest.raises(NotFound):
        client.retrieve(RetrieveRequest(question="Something?", index="e2e-short-lived"))
    ended(client, job.job_id)
    assert client.document(document_id).status is DocumentStatus.DELETED
    client.create_index(IndexCreate(name="e2e-short-lived"))
    assert texts_found(client, "e2e-short-lived", "Something to forget") == []
    ended(client, client.delete_index("e2e-short-lived").job.job_id)


def test_a_preview_cuts_without_storing(client: Client) -> None:
    """Another chunker, the same text."""
    text = "First sentence here. " * 60
    chunker = ComponentModel.model_validate({"name": "fixed", "max_tokens": 50, "overlap_tokens": 0})
    preview = client.preview(ChunkPreviewRequest(chunker=chunker, text=text))
    assert len(preview.items) > 3
    assert all(item.tokens <= 50 for item in preview.items)
    assert all(text[item.start : item.end] == item.text for item in preview.items)
