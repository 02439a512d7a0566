"""The client says what it means, waits when asked to, and never repeats what may have happened."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.client import uploads
from chalicelib.client.api import Client
from chalicelib.client.retrying import MAX_ATTEMPTS
from chalicelib.contracts.asking import AnswerEvent, QueryRequest, RetrieveRequest, RunEvent
from chalicelib.contracts.documents import ChunkPreviewRequest, DocumentCreate, DocumentPatch, UploadsCreate
from chalicelib.contracts.identities import ApiKeyCreate
from chalicelib.contracts.indexes import ComponentModel, IndexCreate
from chalicelib.domain.access import Role
from chalicelib.domain.documents import DocumentStatus
from chalicelib.errors import (
    BadUpstream,
    Conflict,
    DeadlineExceeded,
    InvalidRequest,
    NotFound,
    RagError,
    RateLimited,
    StorageFull,
    Unauthenticated,
    Unavailable,
)
from chalicelib.observability import spans
from tests.fakes.answers import answer
from tests.fakes.platform import KEY, REJECTED, FakePlatform, usual_events
from tests.fakes.serving import serving


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, FakePlatform]]:
    platform = FakePlatform()
    with serving(platform.app()) as url:
        yield url, platform


@pytest.fixture
def platform(server: tuple[str, FakePlatform]) -> FakePlatform:
    """Give the platform, empty again."""
    platform = server[1]
    platform.__init__()  # type: ignore[misc]
    platform.add_index("handbook")
    return platform


@pytest.fixture
def waits() -> list[float]:
    """Give where the client notes how long it waited."""
    return []


@pytest.fixture
def client(server: tuple[str, FakePlatform], platform: FakePlatform, waits: list[float]) -> Iterator[Client]:
    with Client(server[0] + "/v1/", KEY, timeout_s=5, sleep=waits.append) as client:
        yield client


def test_a_change_says_what_it_changes_and_of_which_revision(client: Client) -> None:
    """What is not given is not sent, and a revision that has passed is a conflict."""
    document = client.create_document(DocumentCreate(index="handbook", name="a.md", text="A.")).document
    changed = client.change_document(document.document_id, DocumentPatch(acl=["hr"]), if_revision=document.revision)
    assert (changed.document.acl, changed.document.metadata) == (["hr"], document.metadata)
    with pytest.raises(Conflict):
        client.change_document(document.document_id, DocumentPatch(metadata={}), if_revision=document.revision)
    assert client.change_document(document.document_id, DocumentPatch(metadata={})).document.metadata == {}


def test_jobs_are_cancelled_and_retried(client: Client) -> None:
    """Both give the job as it is then."""
    assert client.cancel_job("job_1").status == "cancelled"
    assert client.retry_job("job_1").status == "queued"


def test_contracts_go_in_and_come_out(client: Client) -> None:
    """Each call gives the model that the API documents."""
    assert client.health().status == "ok"
    assert client.me().tenant == "acme"
    assert client.components().items == []
    assert client.index("handbook").name == "handbook"
    assert client.create_index(IndexCreate(name="other")).recipe.chunker.name == "structure"
    assert client.delete_index("other").job.kind == "delete_index"
    assert client.query(QueryRequest(question="How many days?")) == answer()
    assert client.retrieve(RetrieveRequest(question="How many days?")).passages[0].chunk_id == "chk_1"
    assert client.preview(ChunkPreviewRequest(text="x", chunker=ComponentModel(name="structure"))).items == []
    assert client.job("job_1").progress.total == 4
    assert [job.job_id for job in client.jobs()] == ["job_1"]
    assert list(client.runs()) == []


def test_keys_are_made_listed_and_revoked(client: Client) -> None:
    """The secret comes once; the revoked key stays in the list."""
    made = client.create_api_key(ApiKeyCreate(name="ci", roles=[Role.READER]))
    assert made.secret == "rgs_shown_once"
    assert client.revoke_api_key(made.key.key_id).revoked_at is not None
    assert [key.name for key in client.api_keys()] == ["ci"]


def test_lists_follow_their_cursors(client: Client, platform: FakePlatform) -> None:
    """Five indexes come in pages of two; all are given, once, in order."""
    for number in range(4):
        platform.add_index(f"index-{number}")
    assert [index.name for index in client.indexes()] == ["handbook", "index-0", "index-1", "index-2", "index-3"]
    assert len([seen for seen in platform.seen if seen.path == "/indexes"]) == 3


def test_a_document_goes_in(client: Client) -> None:
    """It is created, waited for, listed with its versions, and removed."""
    sent = DocumentCreate(index="handbook", name="leave.md", text="# Leave", external_id="leave")
    made = client.create_document(sent)
    (settled,) = client.wait_for_documents([made.document.document_id])
    assert settled.status is DocumentStatus.READY
    assert [document.name for document in client.documents(index="handbook")] == ["leave.md"]
    assert [version.version for version in client.versions(settled.document_id)] == [1]
    assert list(client.chunks(settled.document_id)) == []
    assert client.delete_document(settled.document_id).job.kind == "delete"


@pytest.mark.parametrize("form", [False, True])
def test_a_file_is_streamed_where_the_upload_says(
    client: Client, platform: FakePlatform, tmp_path: Path, form: bool
) -> None:
    """Every byte arrives, with the upload's own headers or fields, and without our credential."""
    content = bytes(range(256)) * 4_000
    path = tmp_path / 'a"b.bin'
    path.write_bytes(content)
    platform.form_uploads = form
    upload = client.upload_file("handbook", path, external_id="a/b.bin")
    received = platform.seen[-1]
    assert "authorization" not in received.headers
    assert int(received.headers["content-length"]) == len(received.body)
    if form:
        assert received.headers["content-type"].startswith("multipart/form-data; boundary=")
        assert received.body.index(b'name="policy"\r\n\r\nsigned') < received.body.index(content)
    else:
        assert (received.body, received.headers["x-terms"]) == (content, "kept")
    (version,) = client.versions(upload.document_id)
    assert version.sha256 == hashlib.sha256(content).hexdigest()


def test_waiting_tells_each_document_s_end(client: Client, platform: FakePlatform, tmp_path: Path) -> None:
    """Failed documents settle too, with their reason."""
    ids = []
    for name, content in {"good.md": b"good", "bad.md": REJECTED}.items():
        (tmp_path / name).write_bytes(content)
        ids.append(client.upload_file("handbook", tmp_path / name).document_id)
    told: list[str] = []
    settled = client.wait_for_documents(ids, on_settled=lambda document: told.append(document.name))
    assert [(document.name, document.status) for document in settled] == [("good.md", "ready"), ("bad.md", "failed")]
    assert settled[1].error is not None
    assert told == ["good.md", "bad.md"]


def test_waiting_ends_when_nothing_moves(client: Client, tmp_path: Path, waits: list[float]) -> None:
    """An upload whose bytes never arrive does not hold its client for ever."""
    (tmp_path / "a.md").write_bytes(b"a")
    file = uploads.described(tmp_path / "a.md")
    accepted = client.open_uploads(UploadsCreate(index="handbook", files=[file]))
    with pytest.raises(DeadlineExceeded, match="1 documents"):
        client.wait_for_documents([accepted.uploads[0].document_id], timeout_s=0.05)
    assert len(waits) >= 1


@pytest.mark.parametrize(
    "error", [InvalidRequest("a", [{"loc": ["b"], "msg": "c"}]), NotFound("a"), Conflict("a"), StorageFull("a")]
)
def test_problems_are_raised_as_what_they_were(client: Client, platform: FakePlatform, error: RagError) -> None:
    """Class, detail and extra fields survive."""
    platform.failures.append((error, {}))
    with pytest.raises(type(error)) as raised:
        client.me()
    assert (raised.value.detail, raised.value.extra) == (error.detail, error.extra)


def test_a_wrong_key_is_refused(server: tuple[str, FakePlatform], platform: FakePlatform) -> None:
    """Only health answers without a good one."""
    with Client(server[0], None) as client:
        assert client.health().status == "ok"
        with pytest.raises(Unauthenticated):
            client.me()


def test_reading_waits_as_long_as_it_is_told(client: Client, platform: FakePlatform, waits: list[float]) -> None:
    """Retry-After first, a growing pause where there is none."""
    platform.failures.extend([(RateLimited("slow", retry_after_s=2), {"Retry-After": "2"}), (Unavailable("down"), {})])
    assert client.me().tenant == "acme"
    assert waits == [2.0, 0.5]


def test_creating_is_repeated_under_one_key(client: Client, platform: FakePlatform) -> None:
    """The repetition carries the same idempotency key and body; two creations carry different ones."""
    platform.failures.append((Unavailable("down"), {}))
    client.create_index(IndexCreate(name="one"))
    client.create_index(IndexCreate(name="two"))
    first, again, other = platform.seen
    assert first.headers["idempotency-key"] == again.headers["idempotency-key"] != other.headers["idempotency-key"]
    assert first.body == again.body


def test_asking_is_not_repeated(client: Client, platform: FakePlatform, waits: list[float]) -> None:
    """It costs money, and carries no idempotency key."""
    platform.failures.append((Unavailable("down"), {}))
    with pytest.raises(Unavailable):
        client.query(QueryRequest(question="q"))
    assert waits == []


def test_patience_ends(client: Client, platform: FakePlatform, waits: list[float]) -> None:
    """After so many attempts, or at once when the wait is too long."""
    platform.failures.extend([(Unavailable("down"), {})] * (MAX_ATTEMPTS + 1))
    with pytest.raises(Unavailable):
        client.me()
    assert len(waits) == MAX_ATTEMPTS - 1
    platform.failures.clear()
    platform.failures.append((RateLimited("slow", retry_after_s=3_600), {"Retry-After": "3600"}))
    with pytest.raises(RateLimited) as raised:
        client.me()
    assert raised.value.retry_after_s == 3_600


def test_a_stream_gives_its_events(client: Client) -> None:
    """In order, as typed events."""
    assert list(client.query_stream(QueryRequest(question="q"))) == usual_events()


def test_a_stream_that_breaks_off_is_an_error(client: Client, platform: FakePlatform) -> None:
    """No last event means that something is missing."""
    platform.events = [RunEvent(run_id="run_1", release="rel_1")]
    received: list[AnswerEvent] = []
    with pytest.raises(BadUpstream, match="broke the answer off"):
        received.extend(client.query_stream(QueryRequest(question="q")))


def test_a_stream_s_problem_is_raised(client: Client, platform: FakePlatform) -> None:
    """What fails before the stream begins is an ordinary error."""
    platform.failures.append((NotFound("There is no index 'a'."), {}))
    with pytest.raises(NotFound, match="index 'a'"):
        list(client.query_stream(QueryRequest(question="q")))


def test_nobody_there_is_said_so() -> None:
    """A refused connection is `Unavailable`, at once."""
    with Client("http://127.0.0.1:9", KEY) as client, pytest.raises(Unavailable, match=r"127\.0\.0\.1:9"):
        client.me()


def test_the_trace_is_handed_on(client: Client, platform: FakePlatform) -> None:
    """What runs within a trace stays in it."""
    spans.configure(spans.LocalSpans())
    try:
        with spans.span("console.page"):
            client.me()
            trace_id = spans.current_trace_id()
    finally:
        spans.configure(None)
    assert platform.seen[0].headers["x-amzn-trace-id"].startswith(f"Root={trace_id};Parent=")


def test_ids_cannot_lead_elsewhere(client: Client, platform: FakePlatform) -> None:
    """A path part is quoted."""
    with pytest.raises(NotFound):
        client.document("../api-keys?x=1")
    assert platform.seen[0].path.startswith("/documents/../api-keys%3F")
