"""Jobs that are cancelled end and leave nothing behind; jobs that are retried start anew as the same version."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from chalicelib.contracts.documents import JobView, UploadFile, UploadsCreate
from chalicelib.domain.access import Principal
from chalicelib.domain.identifiers import DocumentId, JobId, ingested_by
from chalicelib.domain.jobs import JobStatus
from chalicelib.errors import Conflict, NotFound
from chalicelib.ports.queue import QueueName
from chalicelib.repositories import keys
from fargate.ingestion.control import MAX_RETRIES
from tests.fakes.identities import principal
from tests.fakes.ingestion import ADA, Disk, Site
from tests.fakes.ingestion_reader import Contents

OLD, NEW = "Old.\n\nOlder.", "One.\n\nTwo.\n\nThree."


def cancel(site: Site, job_id: str, who: Principal = ADA) -> JobView:
    return asyncio.run(site.service.cancel(who, JobId(job_id))).job


def retry(site: Site, job_id: str, who: Principal = ADA) -> JobView:
    return asyncio.run(site.service.retry(who, JobId(job_id))).job


def status(disk: Disk, job_id: str) -> str:
    (job,) = [one for one in Contents.of(disk.folder).jobs() if one["job_id"] == job_id]
    return str(job["status"])


def test_a_job_that_waits_ends_at_once(disk: Disk, site: Site) -> None:
    """Its document says why it is not there, and its message does nothing any more."""
    answer = site.submit(NEW)
    assert cancel(site, answer.job.job_id).status == "cancelled"
    document = Contents.of(disk.folder).document()
    assert (document["status"], document["error"]["code"]) == ("failed", "cancelled")
    site.settle()
    contents = Contents.of(disk.folder)
    assert (contents.visible(), status(disk, answer.job.job_id)) == ({}, "cancelled")
    contents.assert_settled()


def test_the_version_before_a_cancelled_one_stays_with_the_newest_tags(disk: Disk, site: Site) -> None:
    """Readers go on seeing it, under the metadata that were submitted last."""
    site.submit(OLD, metadata={"year": 2025})
    site.work()
    cancel(site, site.submit(NEW, metadata={"year": 2026}).job.job_id)
    site.settle()
    contents = Contents.of(disk.folder)
    assert contents.visible() == {"leave": ["Old.", "Older."]}
    assert {one["year"] for one in contents.metadata()} == {2026}
    contents.assert_settled()


def test_a_job_that_ended_cannot_be_cancelled(site: Site) -> None:
    """Nor can a deletion, which nobody could take back half done."""
    answer = site.submit(NEW)
    site.work()
    with pytest.raises(Conflict, match="succeeded already"):
        cancel(site, answer.job.job_id)
    with pytest.raises(Conflict, match="cannot be cancelled"):
        cancel(site, site.delete(answer.document.document_id).job.job_id)


def test_cancelling_twice_is_no_error_while_it_runs(disk: Disk, site: Site) -> None:
    """The second answer is the first: it is being cancelled."""
    answer = site.submit(NEW)
    job = site.stores.jobs.get(ADA.tenant, JobId(answer.job.job_id))
    site.stores.jobs.update(ADA.tenant, job.job_id, lambda one: replace(one, status=JobStatus.RUNNING))
    first, second = cancel(site, job.job_id), cancel(site, job.job_id)
    assert (first.status, first.progress.stage) == (second.status, second.progress.stage) == ("running", "cancelling")
    site.settle()
    assert status(disk, job.job_id) == "cancelled"


def test_an_upload_that_was_cancelled_is_not_ingested_when_it_arrives(disk: Disk, site: Site) -> None:
    """Its bytes are kept, though, so that it can be retried; without them it cannot."""
    file = UploadFile(name="a.txt", size_bytes=4, external_id="leave", media_type="text/plain")
    opened = asyncio.run(site.service.open_uploads(ADA, UploadsCreate(index="handbook", files=[file])))
    job_id, document_id = opened.uploads[0].job_id, opened.uploads[0].document_id
    assert cancel(site, job_id).status == "cancelled"
    with pytest.raises(Conflict, match="never arrived"):
        retry(site, job_id)
    key = keys.raw_blob(ADA.tenant, DocumentId(document_id), ingested_by(JobId(job_id)))
    disk.blobs.put(key, b"One.")
    asyncio.run(site.service.uploaded(key))
    assert disk.queue.depth(QueueName.INGESTION).waiting == 0
    retry(site, job_id)
    site.settle()
    assert Contents.of(disk.folder).visible() == {"leave": ["One."]}


def test_a_failed_job_starts_anew_as_the_same_version(disk: Disk, site: Site) -> None:
    """What kept it from being read is gone, and so is every trace of the failure."""
    answer = site.submit("REFUSE\n\nTwo.")
    site.work()
    job_id = answer.job.job_id
    assert status(disk, job_id) == "failed"
    again = retry(site, job_id)
    assert (again.job_id, again.status, again.error) == (job_id, "queued", None)
    document = Contents.of(disk.folder).document()
    assert (document["status"], document["error"], document["latest_version"]) == ("pending", None, 1)
    site.faults.instead["sandbox.parse"] = reading_everything
    site.settle()
    contents = Contents.of(disk.folder)
    assert contents.visible() == {"leave": ["Two."]}
    assert (contents.document()["published"]["version"], status(disk, job_id)) == (1, "succeeded")
    contents.assert_settled()


async def reading_everything(path: object, **_: object) -> object:
    from chalicelib.domain.documents import Block, BlockKind, ParsedDocument

    return ParsedDocument("Two.", (Block(BlockKind.TEXT, 0, 4),), title="", media_type="text/plain")


def test_a_cancelled_job_can_be_retried_and_cancelled_again(disk: Disk, site: Site) -> None:
    """As often as its owner likes, up to a limit; then the document is submitted again."""
    job_id = site.submit(NEW).job.job_id
    for _ in range(MAX_RETRIES):
        cancel(site, job_id)
        retry(site, job_id)
    cancel(site, job_id)
    with pytest.raises(Conflict, match="submit the document again"):
        retry(site, job_id)
    site.submit(NEW)
    site.settle()
    contents = Contents.of(disk.folder)
    assert contents.visible() == {"leave": NEW.split("\n\n")}
    contents.assert_settled()


def test_what_cannot_become_the_newest_version_is_not_retried(site: Site) -> None:
    """A newer version, a ready one, a deleted document, a deletion and a job at work each say so."""
    first, second = site.submit("REFUSE"), site.submit(NEW)
    with pytest.raises(Conflict, match="is queued"):
        retry(site, second.job.job_id)
    site.work()
    with pytest.raises(Conflict, match="version 2 came after"):
        retry(site, first.job.job_id)
    with pytest.raises(Conflict, match="is succeeded"):
        retry(site, second.job.job_id)
    third = site.submit("REFUSE")
    site.work()
    deletion = site.delete(third.document.document_id).job
    with pytest.raises(Conflict, match="was deleted"):
        retry(site, third.job.job_id)
    with pytest.raises(Conflict, match="is queued"):
        retry(site, deletion.job_id)


def test_a_job_in_a_deleted_index_is_not_retried(site: Site) -> None:
    """There is nowhere for it to go."""
    job_id = site.submit("REFUSE").job.job_id
    site.work()
    site.delete_index()
    with pytest.raises(Conflict, match="index 'handbook' was deleted"):
        retry(site, job_id)


@pytest.mark.parametrize("who", [replace(ADA, indexes=frozenset({"other"})), principal("rival")])
def test_a_job_out_of_reach_is_missing(site: Site, who: Principal) -> None:
    """To whoever may not use its index, and to another tenant."""
    job_id = site.submit(NEW).job.job_id
    for act in (cancel, retry):
        with pytest.raises(NotFound, match="There is no job"):
            act(site, job_id, who)
