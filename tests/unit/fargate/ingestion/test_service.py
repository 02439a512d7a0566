"""What the service takes, refuses and answers; it records, the worker does the rest."""

from __future__ import annotations

import asyncio
import base64
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.contracts.documents import ChunkPreviewRequest, DocumentCreate, UploadFile, UploadsCreate
from chalicelib.contracts.indexes import ComponentModel, IndexCreate, RecipeModel
from chalicelib.domain.access import Principal
from chalicelib.domain.identifiers import DocumentId, JobId
from chalicelib.errors import Conflict, InvalidRequest, NotFound, PayloadTooLarge, RagError, Unavailable
from chalicelib.ports.blobs import BlobKey, Bucket
from chalicelib.ports.queue import Depth, QueueName
from chalicelib.repositories import keys
from chalicelib.repositories.documents import missing
from fargate.ingestion.service import IngestionService, Limits
from tests.fakes.identities import principal
from tests.fakes.ingestion import ADA, Crash, Disk, Fault, Faults, Site
from tests.fakes.ingestion_reader import Contents, receipt

NARROWED = replace(ADA, indexes=frozenset({"other"}))
RIVAL = principal("rival")
OUTSIDER = pytest.mark.parametrize("outsider", [NARROWED, RIVAL], ids=["narrowed", "rival"])


def create(site: Site, name: str = "new", who: Principal = ADA, **recipe: Any) -> Any:
    return asyncio.run(site.service.create_index(who, IndexCreate(name=name, recipe=RecipeModel(**recipe))))


def open_uploads(site: Site, *files: UploadFile) -> Any:
    return asyncio.run(site.service.open_uploads(ADA, UploadsCreate(index="handbook", files=list(files))))


def test_a_new_index_is_live_and_can_be_filled(disk: Disk, site: Site) -> None:
    """Its recipe is as asked, its first generation answers, and its vectors have a place."""
    view = create(site, chunker=ComponentModel(name="structure", max_tokens=100))
    assert (view.generation, view.status, view.recipe.chunker.entity().parameters) == (1, "live", {"max_tokens": 100})
    assert [index.name for index in disk.vectors.indexes("acme.new.")] == ["acme.new.g1"]


def test_an_index_cannot_be_made_twice(site: Site) -> None:
    """Not even by two at once: one has it, the other is told."""
    with pytest.raises(Conflict):
        create(site, "handbook")
    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(lambda _: _outcome(site), range(4)))
    assert len([answer for answer in answers if answer == "new"]) >= 1
    assert {answer for answer in answers if answer != "new"} <= {Conflict}


def _outcome(site: Site) -> object:
    try:
        return create(Site(site.disk)).name
    except RagError as error:
        return type(error)


@pytest.mark.parametrize("number", range(1, 5))
def test_an_index_whose_maker_died_can_be_made_again(disk: Disk, site: Site, number: int) -> None:
    """The next who asks for the same finishes it, wherever the first one stopped."""
    with pytest.raises(Crash):
        create(Site(disk, Faults(number)))
    assert create(site).status == "live"
    assert disk.vectors.indexes("acme.new.")


def test_an_unfinished_index_is_not_taken_over_for_another_recipe(disk: Disk, site: Site) -> None:
    """Who asks for something else is told that the name is taken."""
    with pytest.raises(Crash):
        create(Site(disk, Faults(2)))
    with pytest.raises(Conflict):
        create(site, language="de")


@pytest.mark.parametrize(
    ("recipe", "place", "words"),
    [
        ({"embedder": ComponentModel(name="local/none")}, "recipe.embedder", "known are: local/minilm"),
        (
            {"embedder": ComponentModel(name="local/multilingual-e5-small")},
            "recipe.embedder",
            r"'ragstone\[multilingual\]'",
        ),
        ({"embedder": ComponentModel(name="local/minilm", size=3)}, "recipe.embedder", "leave out size"),
        ({"chunker": ComponentModel(name="none")}, "recipe.chunker", "no chunker 'none'"),
        ({"parser": ComponentModel(name="none")}, "recipe.parser", "no parser 'none'"),
    ],
)
def test_a_recipe_of_unknown_components_is_refused(site: Site, recipe: Any, place: str, words: str) -> None:
    """The answer names the field and what could stand there."""
    with pytest.raises(InvalidRequest, match=words) as refused:
        create(site, **recipe)
    assert refused.value.extra["errors"][0]["loc"] == place


def test_a_submission_is_acknowledged_with_what_is_stored(disk: Disk, site: Site) -> None:
    """The answer shows the document as pending and the job as queued; bytes and rows are there."""
    answer = site.submit("One.", metadata={"year": 2026}, acl=["hr"])
    assert (answer.document.status, answer.document.version, answer.document.latest_version) == ("pending", 0, 1)
    assert (answer.job.status, answer.job.document_id) == ("queued", answer.document.document_id)
    contents = Contents.of(disk.folder)
    assert contents.document()["metadata"] == {"year": 2026}
    assert contents.document()["acl"] == ["hr"]
    assert len(contents.blobs) == 1


def test_what_is_said_of_a_new_version_holds_at_once(disk: Disk, site: Site) -> None:
    """Metadata, access list and name are the newest, while the old version still answers."""
    site.submit("Old.", metadata={"year": 2025})
    site.work()
    site.submit("New.", metadata={"year": 2026}, acl=["hr"], name="new.txt")
    found = Contents.of(disk.folder).document()
    assert (found["metadata"], found["acl"], found["name"]) == ({"year": 2026}, ["hr"], "new.txt")
    assert found["published"]["version"] == 1


def test_base64_is_taken_to_the_letter(disk: Disk, site: Site) -> None:
    """Bytes come through exactly; what is not base64 is refused."""
    data = "Grüße".encode()
    request: dict[str, Any] = {"index": "handbook", "name": "a.txt"}
    encoded = base64.b64encode(data).decode()
    asyncio.run(site.service.submit(ADA, DocumentCreate(**request, content_base64=encoded)))
    (path,) = Contents.of(disk.folder).blobs
    assert disk.blobs.get(BlobKey(Bucket.RAW, path.removeprefix("raw/"))) == data
    for wrong in ("R3L\n=", "R3L", "R3L*", "____", "R3L=Zg==", "ü"):
        with pytest.raises(InvalidRequest, match="content_base64"):
            asyncio.run(site.service.submit(ADA, DocumentCreate(**request, content_base64=wrong)))


@pytest.mark.parametrize("content", [{"text": "123456"}, {"content_base64": base64.b64encode(b"123456").decode()}])
def test_a_document_over_the_limit_is_sent_to_uploads(site: Site, content: dict[str, Any]) -> None:
    """The limit counts bytes; the answer says what to use instead."""
    service = IngestionService(stores=site.stores, tools=site.tools, clock=site.clock, limits=Limits(inline_bytes=5))
    with pytest.raises(PayloadTooLarge, match="/v1/uploads"):
        asyncio.run(service.submit(ADA, DocumentCreate(index="handbook", name="a.txt", **content)))


@pytest.mark.parametrize("content", [{"text": ""}, {"content_base64": ""}])
def test_an_empty_document_is_taken_and_fails(disk: Disk, site: Site, content: dict[str, Any]) -> None:
    """A file among thousands may be empty: its owner finds it with its reason, as every other that cannot be used."""
    request = DocumentCreate(index="handbook", name="a.txt", external_id="leave", **content)
    asyncio.run(site.service.submit(ADA, request))
    site.work()
    found = Contents.of(disk.folder).document()
    assert (found["status"], found["error"]["code"]) == ("failed", "empty")


@pytest.mark.parametrize("metadata", [{"_acl": ["all"]}, {"text": "x" * 3_000}, {"$key": 1}])
def test_metadata_beyond_the_limits_is_refused_before_anything_is_stored(
    disk: Disk, site: Site, metadata: dict[str, Any]
) -> None:
    """The platform's own keys are nobody's, and what no store could hold is not taken."""
    with pytest.raises(InvalidRequest, match="metadata"):
        site.submit("One.", metadata=metadata)
    assert Contents.of(disk.folder).blobs == []


@OUTSIDER
def test_an_index_out_of_reach_is_missing(site: Site, outsider: Principal) -> None:
    """Whoever may not use it, and whoever belongs to another tenant, learns nothing of it."""
    document_id = DocumentId(site.submit("One.").document.document_id)
    requests = [
        site.service.submit(outsider, DocumentCreate(index="handbook", name="a.txt", text="One.")),
        site.service.open_uploads(
            outsider, UploadsCreate(index="handbook", files=[UploadFile(name="a.txt", size_bytes=1)])
        ),
        site.service.delete_index(outsider, "handbook"),
    ]
    for request in requests:
        with pytest.raises(NotFound, match="no index 'handbook'"):
            asyncio.run(request)
    preview = ChunkPreviewRequest(chunker=ComponentModel(name="structure"), document_id=document_id)
    for about_document in (site.service.delete(outsider, document_id), site.service.preview(outsider, preview)):
        with pytest.raises(NotFound) as refused:
            asyncio.run(about_document)
        assert refused.value.detail == missing(document_id).detail


def test_a_queue_that_fails_is_told_and_mended_later(disk: Disk, site: Site) -> None:
    """The client knows that it is not sure; the document is ingested all the same."""
    faults = Faults(fault=Fault.REFUSED)
    faults.before = lambda call: setattr(faults, "at", len(faults.calls)) if call == "queue.send" else None
    with pytest.raises(Unavailable):
        Site(disk, faults).submit("One.")
    site.settle()
    assert Contents.of(disk.folder).visible() == {"leave": ["One."]}


def test_an_upload_is_ingested_when_its_bytes_arrive(disk: Disk, site: Site) -> None:
    """Until then the document waits; to be told twice that they came does no harm."""
    answer = open_uploads(
        site,
        UploadFile(name="a.txt", size_bytes=4, external_id="leave", media_type="text/plain"),
        UploadFile(name="b.txt", size_bytes=9),
    )
    first, second = answer.uploads
    assert (answer.job.job_id, answer.job.progress.stage) == (first.job_id, "awaiting_upload")
    assert first.document_id != second.document_id
    assert first.method == "PUT"
    key = raw_key(disk, site, first.document_id)
    with pytest.raises(NotFound):
        asyncio.run(site.service.uploaded(key))
    assert disk.queue.depth(QueueName.INGESTION).waiting == 0
    disk.blobs.put(key, b"One.")
    asyncio.run(site.service.uploaded(key))
    asyncio.run(site.service.uploaded(key))
    assert disk.queue.depth(QueueName.INGESTION).waiting == 1
    site.work()
    assert Contents.of(disk.folder).visible() == {"leave": ["One."]}
    asyncio.run(site.service.uploaded(key))
    assert disk.queue.depth(QueueName.INGESTION).waiting == 0


def test_a_message_may_tell_the_worker_what_has_arrived(disk: Disk, site: Site) -> None:
    """As EventBridge does of S3, of blobs that nobody waits for too."""
    (upload,) = open_uploads(site, UploadFile(name="a.txt", size_bytes=4, external_id="leave")).uploads
    key = raw_key(disk, site, upload.document_id)
    disk.blobs.put(key, b"One.")
    for path in (key.path, "nonsense", "acme/doc_1/att_1", key.path):
        disk.queue.send(QueueName.INGESTION, {"uploaded": path})
    while site.work():
        pass
    assert Contents.of(disk.folder).visible() == {"leave": ["One."]}
    assert disk.queue.depth(QueueName.INGESTION) == Depth(0, 0, 0, 0.0)


def raw_key(disk: Disk, site: Site, document_id: str) -> BlobKey:
    (version,) = site.stores.documents.versions(ADA.tenant, DocumentId(document_id))
    return keys.raw_blob(ADA.tenant, version.document_id, version.attempt)


@pytest.mark.parametrize("path", ["acme/doc_1/att_1", "acme/doc_1", "nonsense", "a/b/c/d"])
def test_a_key_that_no_upload_was_opened_for_is_missing(disk: Disk, site: Site, path: str) -> None:
    """Bytes that nobody announced start nothing."""
    disk.blobs.put(BlobKey(Bucket.RAW, path), b"One.")
    with pytest.raises(NotFound):
        asyncio.run(site.service.uploaded(BlobKey(Bucket.RAW, path)))


def test_deleting_twice_answers_with_the_same_job(disk: Disk, site: Site) -> None:
    """Before and after the work is done."""
    document_id = site.submit("One.").document.document_id
    site.work()
    first = site.delete(document_id).job
    assert Contents.of(disk.folder).visible() == {}
    assert site.delete(document_id).job.job_id == first.job_id
    site.settle()
    after = site.delete(document_id).job
    assert (after.job_id, after.status) == (first.job_id, "succeeded")
    assert after.result == receipt(document_id, versions=1, chunks=1, blobs=2)


def test_a_deleted_index_is_hidden_at_once_and_its_name_is_free_in_the_end(disk: Disk, site: Site) -> None:
    """Nothing can be put into it any more; when it is gone, a new one of the name begins empty."""
    site.submit("One.")
    site.work()
    job = site.delete_index().job
    with pytest.raises(NotFound):
        site.submit("Two.")
    with pytest.raises(Conflict):
        site.create_index()
    assert site.delete_index().job.job_id == job.job_id
    site.settle()
    assert [one["result"] for one in Contents.of(disk.folder).jobs() if one["kind"] == "delete_index"] == [
        {"index": "handbook", "documents": 1}
    ]
    with pytest.raises(NotFound):
        site.delete_index()
    site.create_index()
    answer = site.submit("Three.")
    assert answer.document.latest_version == 1
    site.settle()
    assert Contents.of(disk.folder).visible() == {"leave": ["Three."]}


def test_a_late_deletion_of_an_index_spares_the_next_of_its_name(disk: Disk, site: Site) -> None:
    """A message that comes twice finds another index under the name, and leaves it alone."""
    site.delete_index()
    (delivery,) = site.receive()
    asyncio.run(site.worker.handle(delivery))
    site.create_index()
    site.submit("New.")
    job = site.stores.jobs.get(ADA.tenant, JobId(str(delivery.body["job_id"])))
    site.worker._deletion.delete_index(ADA.tenant, job)
    site.settle()
    assert Contents.of(disk.folder).visible() == {"leave": ["New."]}


def preview(site: Site, who: Principal = ADA, **source: str) -> list[str]:
    request = ChunkPreviewRequest(chunker=ComponentModel(name="structure"), **source)
    return [chunk.text for chunk in asyncio.run(site.service.preview(who, request)).items]


def test_a_preview_cuts_a_text_or_a_document_and_keeps_nothing(disk: Disk, site: Site) -> None:
    """Both ways give the chunks that ingestion would make."""
    document_id = site.submit("One.\n\nTwo.").document.document_id
    site.work()
    before = Contents.of(disk.folder)
    assert preview(site, document_id=document_id) == ["One.", "Two."]
    assert preview(site, text="Three.\n\nFour.") == ["Three.", "Four."]
    assert Contents.of(disk.folder) == before


def test_a_preview_of_what_may_not_be_read_is_refused(site: Site) -> None:
    """Not permitted, not ready, deleted: all are missing; an unreadable text is the request's fault."""
    hidden = site.submit("One.", "hidden", acl=["board"]).document.document_id
    waiting = site.submit("REFUSE", "waiting").document.document_id
    gone = site.submit("Two.", "gone").document.document_id
    site.work()
    site.delete(gone)
    for document_id in (hidden, waiting, gone, "doc_none"):
        with pytest.raises(NotFound):
            preview(site, document_id=document_id)
    with pytest.raises(InvalidRequest, match="text"):
        preview(site, text="REFUSE")


def test_the_components_are_those_a_recipe_may_name(site: Site) -> None:
    """Each kind has exactly one default, and the default recipe is made of these."""
    items = asyncio.run(site.service.components()).items
    defaults = {item.kind.value: item.name for item in items if item.default}
    assert defaults == {"parser": "auto", "chunker": "structure", "embedder": "local/minilm"}
    assert all(item.parameters["type"] == "object" for item in items)
