"""Jobs whose message was lost."""

from __future__ import annotations

import asyncio

import pytest

from chalicelib.contracts.documents import UploadFile, UploadsCreate
from chalicelib.domain.identifiers import DocumentId, JobId, ingested_by
from chalicelib.errors import Unavailable
from chalicelib.ports.queue import QueueName
from chalicelib.repositories import keys
from fargate.ingestion.recovery import MAX_RECOVERIES, STALE_AFTER_S, UPLOAD_WAIT_S
from tests.fakes.ingestion import ADA, Crash, Disk, Fault, Faults, Site
from tests.fakes.ingestion_reader import Contents


def recover(site: Site) -> int:
    return asyncio.run(site.worker.recover())


def lose_the_message(site: Site) -> None:
    (delivery,) = site.receive()
    site.stores.queue.ack(QueueName.INGESTION, delivery.receipt)


def test_a_lost_message_is_sent_again_once(disk: Disk, site: Site) -> None:
    """After a while without a sign of life the job gets one new message, however many look for it."""
    site.submit("One.")
    lose_the_message(site)
    assert recover(site) == 0
    disk.clock.advance(STALE_AFTER_S + 1)
    assert recover(site) == 1
    assert recover(Site(disk)) == 0
    assert disk.queue.depth(QueueName.INGESTION).waiting == 1
    site.work()
    assert Contents.of(disk.folder).visible() == {"leave": ["One."]}


def test_a_message_that_waits_in_a_long_queue_is_not_sent_again(disk: Disk, site: Site) -> None:
    """A job is given up for lost only when its message would be older than any that waits."""
    site.submit("One.")
    disk.clock.advance(10 * STALE_AFTER_S)
    assert recover(site) == 0
    assert disk.queue.depth(QueueName.INGESTION).waiting == 1


def test_jobs_of_every_tenant_are_recovered(disk: Disk, site: Site) -> None:
    """One look finds the open jobs of all tenants, and no ended one."""
    site.submit("Done.", "done")
    site.work()
    for number in range(12):
        site.submit("One.", f"leave-{number}")
    while deliveries := site.receive():
        for delivery in deliveries:
            site.stores.queue.ack(QueueName.INGESTION, delivery.receipt)
    disk.clock.advance(STALE_AFTER_S + 1)
    assert recover(site) == 12


def test_a_job_that_kills_every_worker_is_given_up(disk: Disk, site: Site) -> None:
    """After some recoveries it ends as failed, so that it does not go round for ever."""
    site.submit("One.")
    for _ in range(MAX_RECOVERIES):
        lose_the_message(site)
        disk.clock.advance(STALE_AFTER_S + 1)
        assert recover(site) == 1
    lose_the_message(site)
    disk.clock.advance(STALE_AFTER_S + 1)
    assert recover(site) == 1
    contents = Contents.of(disk.folder)
    assert (contents.document()["status"], contents.document()["error"]["code"]) == ("failed", "internal")
    contents.assert_settled()


def test_a_lost_deletion_is_done(disk: Disk, site: Site) -> None:
    """A process that died between the tombstone and the message still deletes."""
    document_id = site.submit("One.").document.document_id
    site.work()
    faults = Faults()
    dying = Site(disk, faults)
    faults.before = lambda call: setattr(faults, "at", len(faults.calls)) if call == "queue.send" else None
    with pytest.raises(Crash):
        dying.delete(document_id)
    assert Contents.of(disk.folder).visible() == {}
    Site(disk).settle()
    assert Contents.of(disk.folder).traces(document_id) == ["documents/document"]


def open_upload(site: Site) -> tuple[str, str]:
    request = UploadsCreate(index="handbook", files=[UploadFile(name="a.txt", size_bytes=4, external_id="leave")])
    (upload,) = asyncio.run(site.service.open_uploads(ADA, request)).uploads
    return upload.document_id, upload.job_id


def test_an_upload_whose_event_was_lost_is_ingested(disk: Disk, site: Site) -> None:
    """The bytes are there although nobody said so."""
    document_id, job_id = open_upload(site)
    disk.blobs.put(keys.raw_blob(ADA.tenant, DocumentId(document_id), ingested_by(JobId(job_id))), b"One.")
    disk.clock.advance(STALE_AFTER_S + 1)
    assert recover(site) == 1
    site.work()
    assert Contents.of(disk.folder).visible() == {"leave": ["One."]}


def test_uploads_are_looked_for_where_nothing_tells_of_them(disk: Disk, site: Site) -> None:
    """Those that have arrived are begun with once, without waiting until something must have been lost."""
    document_id, job_id = open_upload(site)
    disk.clock.advance(1)
    assert asyncio.run(site.worker.begin_uploads()) == 0
    disk.blobs.put(keys.raw_blob(ADA.tenant, DocumentId(document_id), ingested_by(JobId(job_id))), b"One.")
    assert asyncio.run(site.worker.begin_uploads()) == 1
    assert asyncio.run(site.worker.begin_uploads()) == 0
    site.work()
    assert Contents.of(disk.folder).visible() == {"leave": ["One."]}


def test_an_upload_that_never_came_is_given_up(disk: Disk, site: Site) -> None:
    """Long after its URL closed the document is failed, and says why."""
    open_upload(site)
    disk.clock.advance(STALE_AFTER_S + 1)
    assert recover(site) == 0
    disk.clock.advance(UPLOAD_WAIT_S)
    assert recover(site) == 1
    assert Contents.of(disk.folder).document()["error"]["code"] == "upload_expired"
    assert recover(site) == 0


def test_recovery_survives_a_queue_that_refuses(disk: Disk, site: Site) -> None:
    """What could not be sent this time is sent the next."""
    site.submit("One.")
    lose_the_message(site)
    disk.clock.advance(STALE_AFTER_S + 1)
    faults = Faults(fault=Fault.REFUSED)
    broken = Site(disk, faults)
    faults.before = lambda call: setattr(faults, "at", len(faults.calls)) if call == "queue.send" else None
    with pytest.raises(Unavailable):
        recover(broken)
    site.settle()
    assert Contents.of(disk.folder).visible() == {"leave": ["One."]}
