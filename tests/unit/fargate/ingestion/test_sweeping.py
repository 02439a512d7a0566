"""The sweeper removes what nobody owns, and nothing that anybody does."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from chalicelib.domain.documents import Chunk, Metadata
from chalicelib.domain.identifiers import AttemptId, ChunkId, DocumentId, JobId, chunk_id
from chalicelib.domain.jobs import Job, JobKind
from chalicelib.errors import NotFound
from chalicelib.ports.vectors import VectorRecord
from chalicelib.repositories import keys
from fargate.ingestion.sweeping import GRACE_S, SWEEP_EVERY_S, SWEEPER, Sweeper
from tests.fakes.ingestion import ADA, Disk, Site, direction
from tests.fakes.ingestion_reader import Contents

INDEX = keys.vector_index(ADA.tenant, "handbook", 1)


def sweep(site: Site) -> dict[str, int]:
    """Sweep the index; give how much was removed."""
    sweeper = Sweeper(site.stores, site.clock)
    job = sweeper.job("handbook", "ada")
    site.stores.table.write(site.stores.jobs.adding(ADA.tenant, job))
    sweeper.sweep(ADA.tenant, job)
    result = site.stores.jobs.get(ADA.tenant, job.job_id).result
    assert result is not None
    removed: dict[str, int] = result["removed"]
    return removed


def ingested(site: Site, text: str = "One.\n\nTwo.", external_id: str = "leave") -> tuple[DocumentId, AttemptId]:
    document_id = DocumentId(site.submit(text, external_id).document.document_id)
    site.settle()
    published = site.stores.documents.get(ADA.tenant, document_id).published
    assert published is not None
    return document_id, published.attempt


def write_vectors(site: Site, document_id: DocumentId, attempt: AttemptId, count: int = 2) -> None:
    """Write vectors as a worker does that was thought dead."""
    metadata: Metadata = {"_document": document_id, "_attempt": attempt, "_acl": ["all"]}
    records = [
        VectorRecord(chunk_id(attempt, place), direction(str(place)), f"text {place}", metadata)
        for place in range(count)
    ]
    site.stores.vectors.put(INDEX, records)


def write_chunk(site: Site, document_id: DocumentId, attempt: AttemptId) -> None:
    published = site.stores.documents.get(ADA.tenant, document_id)
    assert published is not None
    page, _ = site.stores.chunks.page(
        ADA.tenant, document_id, ingested_attempt(site, document_id), limit=1, cursor=None
    )
    late: Chunk = replace(page[0], chunk_id=ChunkId(chunk_id(attempt, 0)))
    site.stores.chunks.put(ADA.tenant, [late])


def ingested_attempt(site: Site, document_id: DocumentId) -> AttemptId:
    published = site.stores.documents.get(ADA.tenant, document_id).published
    assert published is not None
    return published.attempt


def test_what_is_owned_stays(disk: Disk, site: Site) -> None:
    """A published version, a version that is being worked on and the bytes of old versions are kept."""
    document_id, _ = ingested(site)
    ingested(site, "One.\n\nThree.")
    waiting = site.submit("Four.")
    attempt = site.stores.documents.version(ADA.tenant, document_id, 3).attempt
    write_vectors(site, document_id, attempt)
    site.clock.advance(GRACE_S + 1)
    before = Contents.of(disk.folder)

    assert sweep(site) == {"chunks": 0, "vectors": 0, "blobs": 0}

    after = Contents.of(disk.folder)
    assert (after.vectors, after.blobs) == (before.vectors, before.blobs)
    assert len([path for path in after.blobs if path.startswith("raw/")]) == 3
    assert waiting.document.document_id == document_id


def test_a_retry_keeps_its_bytes_and_what_it_has_made(disk: Disk, site: Site) -> None:
    """Its attempt has another name than the bytes it reads; both are owned."""
    accepted = site.submit("REFUSE")
    site.settle()
    asyncio.run(site.service.retry(ADA, JobId(accepted.job.job_id)))
    document_id = DocumentId(accepted.document.document_id)
    retry = site.stores.documents.version(ADA.tenant, document_id, 1).attempt
    write_vectors(site, document_id, retry)
    site.clock.advance(GRACE_S + 1)

    assert sweep(site) == {"chunks": 0, "vectors": 0, "blobs": 0}
    assert len(Contents.of(disk.folder).vectors) == 2


def test_vectors_that_came_late_go(disk: Disk, site: Site) -> None:
    """Those of a version that was replaced, and those of a document that was deleted."""
    replaced, old = ingested(site)
    ingested(site, "Three.")
    deleted, gone = ingested(site, "Mine.", "mine")
    site.delete(deleted)
    site.settle()
    write_vectors(site, replaced, old, 3)
    write_vectors(site, deleted, gone, 2)

    assert sweep(site)["vectors"] == 5

    contents = Contents.of(disk.folder)
    assert contents.visible() == {"leave": ["Three."]}
    contents.assert_settled()


def test_chunk_rows_that_came_late_go_with_their_vectors(disk: Disk, site: Site) -> None:
    """Rows lead to vectors, so both go together."""
    document_id, old = ingested(site)
    ingested(site, "Three.")
    write_chunk(site, document_id, old)
    write_vectors(site, document_id, old, 1)

    assert sweep(site) == {"chunks": 1, "vectors": 0, "blobs": 0}
    Contents.of(disk.folder).assert_settled()


def test_bytes_without_a_row_go_when_they_are_old_enough(disk: Disk, site: Site) -> None:
    """A process that died between bytes and rows leaves bytes that nobody knows; their rows may still be coming."""
    document_id, _ = ingested(site)
    orphans = [
        keys.raw_blob(ADA.tenant, DocumentId("doc_01h0000000000000000000none"), AttemptId("att_1")),
        keys.raw_blob(ADA.tenant, document_id, AttemptId("att_2")),
        keys.text_blob(ADA.tenant, document_id, AttemptId("att_3")),
    ]
    for key in orphans:
        site.stores.blobs.put(key, b"nobody's")

    assert sweep(site)["blobs"] == 0
    site.clock.advance(GRACE_S + 1)
    assert sweep(site)["blobs"] == 3

    assert [site.stores.blobs.head(key) for key in orphans] == [None] * 3
    Contents.of(disk.folder).assert_settled()


def test_sweeping_twice_finds_nothing_the_second_time(site: Site) -> None:
    """What a sweep leaves is clean."""
    document_id, old = ingested(site)
    ingested(site, "Three.")
    write_vectors(site, document_id, old)
    assert sweep(site)["vectors"] == 2
    assert sweep(site) == {"chunks": 0, "vectors": 0, "blobs": 0}


def test_an_index_that_is_dropped_meanwhile_ends_its_sweep(site: Site) -> None:
    """Whatever stood in it is gone with it."""
    ingested(site)
    pages = iter([(["chk_none_00000"], "more")])

    def dropped(*_: object, **__: object) -> tuple[list[str], str]:
        for page in pages:
            return page
        raise NotFound("There is no such index.")

    site.faults.instead["vectors.list"] = dropped
    assert sweep(site)["vectors"] == 0


def test_each_index_is_swept_once_a_day_whoever_looks(disk: Disk, site: Site) -> None:
    """A young index is not due; of two workers that find one due, one begins the sweep."""
    ingested(site)
    other = Site(disk)
    assert asyncio.run(site.worker.begin_sweeps()) == 0
    site.clock.advance(SWEEP_EVERY_S)
    assert asyncio.run(site.worker.begin_sweeps()) + asyncio.run(other.worker.begin_sweeps()) == 1
    other.settle()
    (job,) = [one for one in Contents.of(disk.folder).jobs() if one["kind"] == "sweep"]
    assert (job["status"], job["created_by"], job["result"]["documents"]) == ("succeeded", SWEEPER, 1)


@pytest.mark.parametrize("path", ["acme/imports/file", "acme/doc_1/file", "acme/x/att_1"])
def test_what_is_no_documents_is_not_the_sweepers(path: str) -> None:
    """A blob that was not named as a document's is never taken for an orphan."""
    blob = keys.raw_blob(ADA.tenant, DocumentId("doc_1"), AttemptId("att_1"))
    with pytest.raises(ValueError, match="belongs to no document"):
        keys.blob_owner(replace(blob, path=path))


def test_a_sweep_is_a_job_like_others(site: Site) -> None:
    """It names its index and who asked."""
    job: Job = Sweeper(site.stores, site.clock).job("handbook", "ada")
    assert (job.kind, job.index, job.created_by) == (JobKind.SWEEP, "handbook", "ada")
    assert JobId(job.job_id).startswith("job_")
