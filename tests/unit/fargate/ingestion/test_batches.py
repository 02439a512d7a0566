"""Many documents by one job: handed out a bounded number ahead, counted once, none lost and none twice."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.contracts.documents import JobView
from chalicelib.contracts.ingestions import ImportFile, ImportsCreate, IngestionCreate, InlineDocument
from chalicelib.domain.access import Principal
from chalicelib.domain.identifiers import JobId
from chalicelib.errors import Conflict, InvalidRequest, NotFound
from chalicelib.ports.blobs import Bucket
from chalicelib.ports.queue import QueueName
from chalicelib.repositories import keys
from fargate.ingestion.batches import Batches, Window
from tests.fakes.identities import principal
from tests.fakes.ingestion import ADA, Disk, Site
from tests.fakes.ingestion_reader import Contents


def ingest(site: Site, who: Principal = ADA, **request: Any) -> JobView:
    return asyncio.run(site.service.ingest(who, IngestionCreate(index=site.index, **request))).job


def documents(*texts: str) -> list[InlineDocument]:
    return [InlineDocument(name=f"{text}.txt", external_id=text, text=text) for text in texts]


def put(disk: Disk, path: str, data: bytes | list[Any], index: str = "handbook") -> None:
    """Put a file, or a manifest of lines, into the import area."""
    lines = data if isinstance(data, bytes) else "\n".join(map(json.dumps, data)).encode()
    disk.blobs.put(keys.import_blob(ADA.tenant, index, path), lines)


def read(site: Site, job_id: str) -> dict[str, Any]:
    (row,) = [one for one in Contents.of(site.disk.folder).jobs() if one["job_id"] == job_id]
    return row


def children(site: Site, parent: str) -> list[dict[str, Any]]:
    rows = [one for one in Contents.of(site.disk.folder).jobs() if one["parent_id"] == parent]
    return sorted(rows, key=lambda row: int(row["line"]))


def manifests(disk: Disk) -> list[str]:
    return [info.key.path for info in disk.blobs.list(Bucket.IMPORTS, "acme/_manifests/")]


def test_documents_sent_together_become_one_each(disk: Disk, site: Site) -> None:
    """One job counts them; what holds for all holds for those that say nothing else."""
    sent = documents("One", "Two", "Three")
    own = sent[2].model_copy(update={"metadata": {"year": 2020}, "acl": ["it"]})
    own = InlineDocument(**own.model_dump(exclude_none=True))
    job = ingest(site, documents=[*sent[:2], own], metadata={"year": 2026}, acl=["hr"])
    assert (job.kind, job.status, job.document_id) == ("batch", "queued", None)
    site.settle()
    contents = Contents.of(disk.folder)
    assert contents.visible() == {"One": ["One"], "Two": ["Two"], "Three": ["Three"]}
    assert [(contents.document(name)["metadata"], contents.document(name)["acl"]) for name in ("One", "Three")] == [
        ({"year": 2026}, ["hr"]),
        ({"year": 2020}, ["it"]),
    ]
    row = read(site, job.job_id)
    assert (row["status"], row["progress"]["done"], row["progress"]["total"]) == ("succeeded", 3, 3)
    assert row["result"] == {
        "index": "handbook", "documents": 3, "succeeded": 3, "failed": 0, "cancelled": 0, "failures": [],
    }  # fmt: skip
    assert [(child["line"], child["status"], child["kind"]) for child in children(site, job.job_id)] == [
        (1, "succeeded", "ingest"), (2, "succeeded", "ingest"), (3, "succeeded", "ingest"),
    ]  # fmt: skip
    assert manifests(disk) == []
    contents.assert_settled()


def test_a_batch_may_say_the_language_of_its_documents(disk: Disk, site: Site) -> None:
    """For those that do not say their own; a manifest's lines may say theirs too."""
    ingest(
        site,
        documents=[*documents("One"), InlineDocument(name="2", external_id="2", text="2", language="fr")],
        language="de",
    )
    put(disk, "all.jsonl", [{"name": "3", "external_id": "3", "text": "3", "language": "nl"}])
    put(disk, "bad.jsonl", [{"name": "4", "external_id": "4", "text": "4", "language": "xx"}])
    ingest(site, manifest="all.jsonl")
    bad = ingest(site, manifest="bad.jsonl")
    site.settle()
    contents = Contents.of(disk.folder)
    found = {name: contents.document(name)["published"]["language"] for name in ("One", "2", "3")}
    assert found == {"One": "de", "2": "fr", "3": "nl"}
    (failure,) = read(site, bad.job_id)["result"]["failures"]
    assert failure["code"] == "invalid_line"
    assert "'xx' is no language code of ISO 639-1" in failure["detail"]


def test_children_are_listed_by_their_parent_alone(site: Site) -> None:
    """In order of line; the list of jobs shows the parent."""
    job = ingest(site, documents=documents("One", "Two"))
    site.settle()
    listed, _ = site.stores.jobs.list(ADA.tenant, status=None, limit=10, cursor=None)
    assert [one.job_id for one in listed] == [job.job_id]
    found, _ = site.stores.jobs.list(ADA.tenant, status=None, limit=10, cursor=None, parent=JobId(job.job_id))
    assert [one.line for one in found] == [1, 2]
    rival, _ = site.stores.jobs.list(
        principal("rival").tenant, status=None, limit=10, cursor=None, parent=JobId(job.job_id)
    )
    assert rival == []


def test_a_manifest_lists_texts_bytes_and_files(disk: Disk, site: Site) -> None:
    """Each bad line fails as a child with its number and its reason, and stops no other."""
    put(disk, "2026/leave.txt", b"From a file.")
    put(disk, "2026/empty.txt", b"")
    put(disk, "2026/other.txt", b"Changed since.")
    put(disk, "elsewhere.txt", b"Of another index.", index="other")
    put(
        disk,
        "2026/all.jsonl",
        b"\xef\xbb\xbf"
        + b"\n".join(
            line if isinstance(line, bytes) else json.dumps(line).encode()
            for line in [
                {"name": "a.txt", "external_id": "text", "text": "One."},
                b"",
                {"name": "b.txt", "external_id": "base64", "content_base64": "VHdvLg=="},
                {"source": "2026/leave.txt", "external_id": "file"},
                b"{not json",
                {"name": "c.txt"},
                {"name": "d.txt", "text": "D", "colour": "red"},
                {"name": "e.txt", "text": "E", "metadata": {"note": "x" * 3_000}},
                {"source": "2026/none.txt"},
                {"source": "2026/empty.txt"},
                {"source": "../other/elsewhere.txt"},
                {"source": "2026/other.txt", "sha256": hashlib.sha256(b"As it was.").hexdigest()},
                {"name": "f.txt", "text": "REFUSE"},
            ]
        ),
    )
    job = ingest(site, manifest="2026/all.jsonl")
    site.settle()
    contents = Contents.of(disk.folder)
    assert {name: text for name, text in contents.visible().items() if name} == {
        "text": ["One."], "base64": ["Two."], "file": ["From a file."],
    }  # fmt: skip
    assert contents.document("file")["name"] == "leave.txt"
    result = read(site, job.job_id)["result"]
    assert (result["documents"], result["succeeded"], result["failed"]) == (12, 3, 9)
    assert {failure["line"]: failure["code"] for failure in result["failures"]} == {
        5: "invalid_line", 6: "invalid_line", 7: "invalid_line", 8: "invalid_line", 9: "source_missing", 10: "empty",
        11: "invalid_line", 12: "checksum_mismatch", 13: "unreadable",
    }  # fmt: skip
    details = {failure["line"]: failure["detail"] for failure in result["failures"]}
    assert "Line 7: colour" in details[7]
    assert "metadata.note" in details[8]
    contents.assert_settled()


def test_a_prefix_takes_the_files_that_are_there(disk: Disk, site: Site) -> None:
    """Those of its own index only; their paths are their external ids, so that doing it again makes no second ones."""
    put(disk, "2026/a.txt", b"A.")
    put(disk, "2026/deep/b.txt", b"B.")
    put(disk, "2025/c.txt", b"C.")
    put(disk, "2026/d.txt", b"D.", index="other")
    for _ in range(2):
        ingest(site, prefix="2026/")
        site.settle()
        assert Contents.of(disk.folder).visible() == {"2026/a.txt": ["A."], "2026/deep/b.txt": ["B."]}
    ingest(site, prefix="")
    site.settle()
    assert set(Contents.of(disk.folder).visible()) == {"2025/c.txt", "2026/a.txt", "2026/deep/b.txt"}


def test_files_are_sent_into_the_import_area(disk: Disk, site: Site) -> None:
    """Their arrival starts nothing; a batch does."""
    file = ImportFile(path="2026/a.txt", size_bytes=2, sha256=hashlib.sha256(b"A.").hexdigest())
    (view,) = asyncio.run(site.service.open_imports(ADA, ImportsCreate(index="handbook", files=[file]))).imports
    assert (view.path, view.method) == ("2026/a.txt", "PUT")
    assert view.url.startswith("/local-blobs/imports/acme/handbook/2026/a.txt?")
    key = keys.import_blob(ADA.tenant, "handbook", "2026/a.txt")
    disk.blobs.put(key, b"A.")
    asyncio.run(site.service.uploaded(key))
    assert disk.queue.depth(QueueName.INGESTION).waiting == 0


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"manifest": "none.jsonl"}, "manifest names no file"),
        ({"prefix": "none/"}, "prefix begins no path"),
        ({"documents": [InlineDocument(name="a", content_base64="*")]}, "documents.0: content_base64"),
        ({"documents": [InlineDocument(name="a", text="A", metadata={"x": "y" * 3_000})]}, "documents.0: metadata.x"),
        ({"prefix": "", "metadata": {"_acl": "x"}}, "metadata._acl"),
    ],
)
def test_a_batch_that_cannot_be_is_refused_whole(disk: Disk, site: Site, request_: Any, words: str) -> None:
    """At the door, and nothing is stored."""
    put(disk, "none.jsonl", b"{}", index="other")
    put(disk, "none/a.txt", b"A.", index="other")
    with pytest.raises(InvalidRequest, match=words):
        ingest(site, **request_)
    assert (Contents.of(disk.folder).jobs(), manifests(disk)) == ([], [])


@pytest.mark.parametrize("who", [replace(ADA, indexes=frozenset({"other"})), principal("rival")])
def test_an_index_out_of_reach_is_missing(disk: Disk, site: Site, who: Principal) -> None:
    """Its import area too."""
    put(disk, "a.txt", b"A.")
    with pytest.raises(NotFound, match="no index"):
        ingest(site, who, prefix="")
    files = ImportsCreate(index="handbook", files=[ImportFile(path="a.txt", size_bytes=1)])
    with pytest.raises(NotFound, match="no index"):
        asyncio.run(site.service.open_imports(who, files))


@pytest.mark.parametrize(("data", "code"), [(b"\n\n", "empty"), (b"{}\n" * 100_001, "too_many_documents")])
def test_a_manifest_of_none_or_too_many_fails_as_a_whole(disk: Disk, site: Site, data: bytes, code: str) -> None:
    """With its reason, and without a child."""
    put(disk, "all.jsonl", data)
    job = ingest(site, manifest="all.jsonl")
    site.settle()
    row = read(site, job.job_id)
    assert (row["status"], row["error"]["code"], children(site, job.job_id)) == ("failed", code, [])
    assert manifests(disk) == []


def carried_on_by(site: Site, window: Window) -> None:
    """Let the worker hand out no more than *window* says."""
    site.worker._batches = Batches(site.stores, site.clock, window=window)


def turn(site: Site, batches: Batches, job_id: str) -> None:
    """Let the batch have its next turn, and nothing else happen."""
    job = site.stores.jobs.get(ADA.tenant, JobId(job_id))
    assert job.batch is not None
    batches.advance(ADA.tenant, job.job_id, job.batch.turn, redelivered=False)


def test_only_so_many_children_are_open_at_once(site: Site) -> None:
    """The queue and the row stay small however long the manifest is; as children end, others follow."""
    job = ingest(site, documents=documents(*map(str, range(20))))
    batches = Batches(site.stores, site.clock, window=Window(children=5, lines=3))
    seen = []
    for _ in range(4):
        turn(site, batches, job.job_id)
        seen.append(len(children(site, job.job_id)))
    assert seen == [0, 3, 5, 5]
    while site.work():
        pass
    turn(site, batches, job.job_id)
    assert len(children(site, job.job_id)) > 5
    row = read(site, job.job_id)
    assert row["progress"]["done"] >= 5
    assert row["progress"]["total"] == 20
    site.settle()
    assert Counter(child["status"] for child in children(site, job.job_id)) == {"succeeded": 20}


def test_the_rate_and_the_time_left_are_told(site: Site) -> None:
    """By what has ended since the batch began."""
    job = ingest(site, documents=documents(*map(str, range(10))))
    carried_on_by(site, Window(children=4))
    for _ in range(3):
        site.work()
    site.clock.advance(2)
    site.work()
    progress = read(site, job.job_id)["progress"]
    assert (progress["done"], progress["stage"], progress["rate_per_s"]) == (4, "ingesting", 2)
    assert progress["eta_s"] == 3


def test_messages_that_are_out_of_date_change_nothing(site: Site) -> None:
    """One of an earlier turn is dropped; one that comes again has the next turn's message sent again, and once."""
    job = ingest(site, documents=documents("One", "Two"))
    batches = Batches(site.stores, site.clock)
    waiting = site.disk.queue.depth(QueueName.INGESTION).waiting
    batches.advance(ADA.tenant, JobId(job.job_id), 0, redelivered=False)
    after = site.stores.jobs.get(ADA.tenant, JobId(job.job_id))
    for stale, redelivered, sent in ((0, False, 1), (7, True, 1), (0, True, 2)):
        batches.advance(ADA.tenant, JobId(job.job_id), stale, redelivered=redelivered)
        assert site.disk.queue.depth(QueueName.INGESTION).waiting == waiting + sent
    assert site.stores.jobs.get(ADA.tenant, JobId(job.job_id)) == after
    site.settle()
    assert read(site, job.job_id)["result"]["succeeded"] == 2


def test_a_batch_that_waits_is_cancelled_at_once(disk: Disk, site: Site) -> None:
    """Nothing of it is left; it cannot be retried, because none of its documents failed."""
    job = ingest(site, documents=documents("One"))
    cancelled = asyncio.run(site.service.cancel(ADA, JobId(job.job_id))).job
    assert (cancelled.status, manifests(disk)) == ("cancelled", [])
    site.settle()
    assert (Contents.of(disk.folder).visible(), children(site, job.job_id)) == ({}, [])
    with pytest.raises(Conflict, match="none of its documents failed"):
        asyncio.run(site.service.retry(ADA, JobId(job.job_id)))


def test_a_running_batch_is_cancelled_with_its_children(disk: Disk, site: Site) -> None:
    """What was ready stays, what was open ends, what was not handed out never begins."""
    job = ingest(site, documents=documents(*map(str, range(9))))
    carried_on_by(site, Window(children=3))
    for _ in range(3):
        site.work()
    site.clock.advance(1)
    site.work()
    ready = len(Contents.of(disk.folder).visible())
    view = asyncio.run(site.service.cancel(ADA, JobId(job.job_id))).job
    assert (view.status, view.progress.stage) == ("running", "cancelling")
    turn(site, Batches(site.stores, site.clock), job.job_id)
    site.settle()
    row = read(site, job.job_id)
    assert (row["status"], row["error"]["code"]) == ("cancelled", "cancelled")
    assert row["result"]["succeeded"] == ready == len(Contents.of(disk.folder).visible())
    assert row["result"]["cancelled"] == len(children(site, job.job_id)) - ready > 0
    assert manifests(disk) == []
    Contents.of(disk.folder).assert_settled()
    asyncio.run(site.service.retry(ADA, JobId(job.job_id)))
    site.settle()
    again = read(site, job.job_id)
    assert (again["status"], again["result"]["cancelled"]) == ("succeeded", 0)
    assert again["result"]["succeeded"] == len(children(site, job.job_id)) == len(Contents.of(disk.folder).visible())


def test_a_retry_takes_up_the_children_that_failed(disk: Disk, site: Site) -> None:
    """Those that can be; the others are counted as before, and those that were ready are left alone."""
    put(disk, "late.txt", b"REFUSE")
    put(disk, "all.jsonl", [{"name": "a", "external_id": "a", "text": "A."}, {"source": "late.txt"}, {"name": "b"}])
    job = ingest(site, manifest="all.jsonl")
    with pytest.raises(Conflict, match="is queued"):
        asyncio.run(site.service.retry(ADA, JobId(job.job_id)))
    site.settle()
    assert read(site, job.job_id)["result"]["failed"] == 2
    (_, failed, bad) = children(site, job.job_id)
    with pytest.raises(Conflict, match="holds no document"):
        asyncio.run(site.service.retry(ADA, JobId(bad["job_id"])))
    raw = keys.raw_blob(ADA.tenant, failed["document_id"], site.stores.documents.versions(
        ADA.tenant, failed["document_id"])[0].attempt)  # fmt: skip
    disk.blobs.put(raw, b"Better.")
    asyncio.run(site.service.retry(ADA, JobId(job.job_id)))
    site.settle()
    row = read(site, job.job_id)
    assert (row["status"], row["progress"]["done"], row["progress"]["total"]) == ("succeeded", 3, 3)
    assert (row["result"]["succeeded"], row["result"]["failed"]) == (2, 1)
    assert [failure["line"] for failure in row["result"]["failures"]] == [3]


def test_a_batch_ends_when_its_index_is_deleted(disk: Disk, site: Site) -> None:
    """It says so, and the import area goes with the index."""
    put(disk, "a.txt", b"A.")
    job = ingest(site, prefix="")
    site.delete_index()
    site.settle()
    row = read(site, job.job_id)
    assert (row["status"], row["error"]["code"]) == ("cancelled", "deleted")
    assert list(disk.blobs.list(Bucket.IMPORTS, "acme/")) == []


def test_a_batch_does_not_go_on_in_the_next_index_of_the_name(disk: Disk, site: Site) -> None:
    """It was for the one that is gone."""
    job = ingest(site, documents=documents("One"))
    (delivery,) = site.receive()
    site.delete_index()
    while site.work():
        pass
    site.clock.advance(1)
    site.create_index()
    asyncio.run(site.worker.handle(delivery))
    site.settle()
    assert (read(site, job.job_id)["status"], Contents.of(disk.folder).visible()) == ("cancelled", {})
