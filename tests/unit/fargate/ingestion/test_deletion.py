"""What deletion takes away, and what it leaves."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from chalicelib.domain.feedback import Opinion, Rating, Revision, Source
from chalicelib.domain.identifiers import DocumentId, ReleaseId, RunId
from chalicelib.domain.runs import Run, RunKind
from chalicelib.ports.queue import QueueName
from tests.fakes.ingestion import ADA, Disk, Site
from tests.fakes.ingestion_reader import Contents, receipt
from tests.fakes.passages import passage


def test_every_version_goes_and_only_that_document(disk: Disk, site: Site) -> None:
    """Vectors, chunk rows, texts and the bytes of all versions; the neighbour loses nothing."""
    site.submit("Mine.", "neighbour")
    document_id = site.submit("Old.").document.document_id
    site.work()
    site.submit("New.\n\nNewer.")
    site.work()
    site.delete(document_id)
    site.work()
    contents = Contents.of(disk.folder)
    assert contents.traces(document_id) == ["documents/document"]
    assert contents.visible() == {"neighbour": ["Mine."]}
    assert [job["result"] for job in contents.jobs_of(document_id) if job["kind"] == "delete"] == [
        receipt(document_id, versions=2, chunks=2, blobs=3)
    ]
    contents.assert_settled()


def test_a_tombstone_says_nothing_of_what_it_was(disk: Disk, site: Site) -> None:
    """Metadata and what was published are gone from the row at once, before the worker comes."""
    document_id = site.submit("One.", metadata={"salary": 7}).document.document_id
    site.work()
    site.delete(document_id)
    (tombstone,) = Contents.of(disk.folder).documents()
    assert (tombstone["status"], tombstone["metadata"], tombstone["published"]) == ("deleted", {}, None)


def test_a_late_message_cannot_revive_a_deleted_document(disk: Disk, site: Site) -> None:
    """An ingestion that is delivered after the deletion ends as cancelled, and leaves nothing."""
    document_id = site.submit("One.").document.document_id
    (delivery,) = site.receive()
    site.delete(document_id)
    site.work()
    asyncio.run(site.worker.handle(delivery))
    contents = Contents.of(disk.folder)
    assert contents.traces(document_id) == ["documents/document"]
    (ingestion,) = [job for job in contents.jobs_of(document_id) if job["kind"] == "ingest"]
    assert (ingestion["status"], ingestion["error"]["code"]) == ("cancelled", "deleted")
    contents.assert_settled()


def test_a_second_delivery_of_a_deletion_repeats_the_receipt(disk: Disk, site: Site) -> None:
    """What was counted the first time stands, though nothing is left to count."""
    document_id = site.submit("One.\n\nTwo.").document.document_id
    site.work()
    site.delete(document_id)
    site.delete(document_id)
    assert disk.queue.depth(QueueName.INGESTION).waiting == 2
    site.work()
    job = site.stores.documents.get(ADA.tenant, DocumentId(document_id)).job_id
    assert job is not None
    found = site.stores.jobs.get(ADA.tenant, job).result
    assert found == receipt(document_id, versions=1, chunks=2, blobs=2)


def test_what_people_wrote_about_answers_from_it_goes_too(site: Site) -> None:
    """Their comments may repeat the document; their ratings stay."""
    document_id = DocumentId(site.submit("One.").document.document_id)
    site.work()
    shown = replace(passage("One."), document_id=document_id)
    now, release = site.clock.now(), ReleaseId("rel_1")
    run = Run(RunId("run_1"), RunKind.QUERY, now, "ann", "handbook", release, "How many?", [shown], {}, {}, "-")
    said = Revision(1, now, Source.SERVER, Opinion(Rating.DOWN, comment="One is wrong."))
    given = site.stores.feedback.give(ADA.tenant, run, "ann", said, days=1)
    site.delete(document_id)
    site.work()
    kept = site.stores.feedback.get(ADA.tenant, given.feedback_id)
    assert (kept.opinion, kept.redacted) == (Opinion(Rating.DOWN), True)
    job = site.stores.documents.get(ADA.tenant, document_id).job_id
    assert job is not None
    assert site.stores.jobs.get(ADA.tenant, job).result == receipt(
        document_id, versions=1, chunks=1, blobs=2, feedback=1
    )


def test_an_index_goes_with_all_its_documents_and_no_other(disk: Disk, site: Site) -> None:
    """Documents of the other index, also one whose name begins alike, stay."""
    other = Site(disk, index="handbook-2")
    other.create_index()
    other.submit("Stays.", "stays")
    for number in range(3):
        site.submit(f"Goes {number}.", f"goes-{number}")
    site.work()
    site.delete_index()
    site.work()
    contents = Contents.of(disk.folder)
    assert contents.visible() == {"stays": ["Stays."]}
    assert [index.name for index in disk.vectors.indexes()] == ["acme.handbook-2.g1"]
    assert [job["result"] for job in contents.jobs() if job["kind"] == "delete_index"] == [
        {"index": "handbook", "documents": 3}
    ]
    contents.assert_settled()
