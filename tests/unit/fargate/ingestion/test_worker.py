"""The loop around the pipeline: leases, retries, dead letters, stopping."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from chalicelib.domain.identifiers import JobId
from chalicelib.errors import Unavailable
from chalicelib.ports.queue import MAX_DELIVERIES, QueueName
from tests.fakes.ingestion import ADA, LEASE_S, Disk, Faults, Site, predictable
from tests.fakes.ingestion_reader import Contents

INGESTION = QueueName.INGESTION


def run_until(site: Site, done: Callable[[], bool]) -> None:
    """Let the worker run until *done*, and see it stop."""

    async def drive() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(site.worker.run(stop))
        await _until(done)
        stop.set()
        await asyncio.wait_for(running, 10)

    asyncio.run(drive())


async def _until(done: Callable[[], bool]) -> None:
    for _ in range(2_000):
        if done():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("It does not come about.")


def is_idle(disk: Disk) -> bool:
    depth = disk.queue.depth(INGESTION)
    return depth.waiting == depth.leased == 0


def failing(disk: Disk, call: str = "sandbox.parse") -> Site:
    """Give a process in which one call always fails."""
    faults = Faults()

    def refuse(made: str) -> None:
        if made == call:
            raise Unavailable("It does not answer.")

    faults.before = refuse
    return Site(disk, faults)


def test_a_running_worker_does_all_that_waits(disk: Disk, site: Site) -> None:
    """More documents than it takes at once are all done, each message once."""
    for number in range(25):
        site.submit(f"Text {number}.", f"leave-{number}")
    worker = Site(disk, options=predictable(concurrency=4, poll_s=0.005))
    run_until(worker, lambda: is_idle(disk))
    contents = Contents.of(disk.folder)
    assert contents.visible() == {f"leave-{number}": [f"Text {number}."] for number in range(25)}
    assert worker.faults.calls.count("queue.ack") == 25
    contents.assert_settled()


def test_a_worker_that_is_told_to_stop_finishes_what_it_has(disk: Disk, site: Site) -> None:
    """It takes no more, but what it began is acknowledged before it ends."""
    site.submit("One.")
    stop = asyncio.Event()
    faults = Faults()
    faults.before = lambda call: stop.set() if call == "embedder.embed" else None
    worker = Site(disk, faults, predictable(poll_s=0.005))

    async def drive() -> None:
        await asyncio.wait_for(worker.worker.run(stop), 10)

    asyncio.run(drive())
    assert is_idle(disk)
    assert Contents.of(disk.folder).visible() == {"leave": ["One."]}


def test_a_worker_that_cannot_finish_in_time_gives_its_messages_back(disk: Disk, site: Site) -> None:
    """Another worker has them at once, without waiting for the lease to run out."""
    site.submit("One.")
    worker = Site(disk, options=predictable(grace_s=0.01, poll_s=0.005))
    stop = asyncio.Event()
    _hang(worker, stop.set)
    asyncio.run(_run(worker, stop))
    assert disk.queue.depth(INGESTION).waiting == 1
    assert Site(disk).work() == 1
    assert Contents.of(disk.folder).visible() == {"leave": ["One."]}


def test_a_worker_that_lost_its_lease_stops_and_answers_nothing(disk: Disk, site: Site) -> None:
    """The message is another's by then: it is neither acknowledged nor given back, and nothing is removed."""
    site.submit("One.")
    faults = Faults()
    worker = Site(disk, faults, predictable(lease_s=0.03, poll_s=0.005, grace_s=5))
    stop = asyncio.Event()

    def lose() -> None:
        disk.clock.advance(LEASE_S)
        assert Site(disk).receive(), "another worker takes the message over"

    _hang(worker, lose)

    async def drive() -> None:
        running = asyncio.create_task(worker.worker.run(stop))
        await _until(lambda: "queue.extend" in faults.calls and not worker.worker._in_flight)
        stop.set()
        await asyncio.wait_for(running, 10)

    asyncio.run(drive())
    assert not {"queue.ack", "queue.release"} & set(faults.calls)
    assert disk.queue.depth(INGESTION).leased == 1


def test_a_lease_is_extended_while_the_work_lasts(disk: Disk, site: Site) -> None:
    """A document that takes long is not given to another worker."""
    site.submit("One.")
    faults = Faults()
    worker = Site(disk, faults, predictable(lease_s=0.03, poll_s=0.005, grace_s=0))
    stop = asyncio.Event()
    _hang(worker, lambda: None)

    async def drive() -> None:
        running = asyncio.create_task(worker.worker.run(stop))
        await _until(lambda: faults.calls.count("queue.extend") >= 3)
        assert Site(disk).receive() == []
        stop.set()
        await asyncio.wait_for(running, 10)

    asyncio.run(drive())


def _hang(site: Site, then: Callable[[], Any]) -> None:
    """Let parsing never end; *then* happens when it begins."""

    async def parse(*_: object, **__: object) -> None:
        then()
        await asyncio.Event().wait()

    site.faults.instead["sandbox.parse"] = parse


def _run(site: Site, stop: asyncio.Event) -> Coroutine[Any, Any, None]:
    return asyncio.wait_for(site.worker.run(stop), 10)


def test_what_fails_comes_again_later_and_later(disk: Disk, site: Site) -> None:
    """Each delay is four times the one before, give or take a half; the document waits meanwhile."""
    site.submit("One.")
    for expected in (4, 16, 64, 256):
        assert failing(disk).work() == 1
        disk.clock.advance(expected * 0.49)
        assert site.receive() == []
        assert Contents.of(disk.folder).document()["status"] == "processing"
        disk.clock.advance(expected * 1.02)
        assert disk.queue.depth(INGESTION).waiting == 1


def test_what_failed_at_its_last_delivery_is_recorded_and_kept_for_the_operator(disk: Disk, site: Site) -> None:
    """The owner sees that it failed, without a word of the inside; the message lies among the dead letters."""
    site.submit("Old.")
    site.work()
    site.submit("New.")
    for _ in range(MAX_DELIVERIES):
        assert failing(disk).work() == 1
        disk.clock.advance(600)
    contents = Contents.of(disk.folder)
    assert (contents.document()["status"], contents.document()["error"]["code"]) == ("failed", "internal")
    assert sorted(job["status"] for job in contents.jobs()) == ["failed", "succeeded"]
    assert contents.visible() == {"leave": ["Old."]}
    assert site.work() == 0
    assert disk.queue.depth(INGESTION).dead == 1
    contents.assert_settled()


def test_a_dead_letter_that_is_sent_again_is_done(disk: Disk, site: Site) -> None:
    """Once the cause is mended, redriving the queue makes the document searchable."""
    site.submit("One.")
    for _ in range(MAX_DELIVERIES):
        failing(disk).work()
        disk.clock.advance(600)
    assert disk.queue.redrive(INGESTION) == 1
    site.work()
    contents = Contents.of(disk.folder)
    assert contents.visible() == {"leave": ["One."]}
    assert [job["status"] for job in contents.jobs()] == ["succeeded"]


def test_one_call_queues_all_that_was_given_up_on_an_index(disk: Disk, site: Site) -> None:
    """Failures of the platform's own are done again once their cause is mended; a file's own fault stays as it is."""
    site.submit("One.", "one")
    site.submit("Two.", "two")
    for _ in range(MAX_DELIVERIES):
        failing(disk).work()
        disk.clock.advance(600)
    site.submit("REFUSE", "bad")
    site.work()

    assert asyncio.run(site.service.redrive(ADA, "handbook")).jobs == 2

    site.settle()
    assert Contents.of(disk.folder).visible() == {"one": ["One."], "two": ["Two."]}
    assert asyncio.run(site.service.redrive(ADA, "handbook")).jobs == 0


def test_a_sweep_can_be_asked_for(disk: Disk, site: Site) -> None:
    """It is a job whose result counts what was looked at."""
    site.submit("One.")
    site.settle()
    job = asyncio.run(site.service.sweep(ADA, "handbook")).job
    site.settle()
    result = site.stores.jobs.get(ADA.tenant, JobId(job.job_id)).result
    assert result == {"index": "handbook", "documents": 1, "removed": {"chunks": 0, "vectors": 0, "blobs": 0}}


@pytest.mark.parametrize(
    "body", [{}, {"tenant": 7, "job_id": []}, {"tenant": "acme", "job_id": "job_none"}, {"tenant": "", "job_id": ""}]
)
def test_a_poisoned_message_ends_among_the_dead_letters(disk: Disk, site: Site, body: dict[str, Any]) -> None:
    """A message that nobody could have sent disturbs nobody."""
    disk.queue.send(INGESTION, body)
    site.submit("One.")
    for _ in range(MAX_DELIVERIES):
        site.work()
        disk.clock.advance(600)
    site.work()
    assert disk.queue.depth(INGESTION).dead == 1
    assert Contents.of(disk.folder).visible() == {"leave": ["One."]}


def test_a_queue_that_does_not_answer_is_asked_again(disk: Disk, site: Site) -> None:
    """The worker outlives an outage of its queue."""
    site.submit("One.")
    faults = Faults()

    def refuse(call: str) -> None:
        if call == "queue.receive" and faults.calls.count(call) < 4:
            raise Unavailable("The queue does not answer.")

    faults.before = refuse
    run_until(Site(disk, faults, predictable(poll_s=0.005)), lambda: is_idle(disk))
    assert Contents.of(disk.folder).visible() == {"leave": ["One."]}


def test_a_worker_recovers_lost_jobs_when_it_starts(disk: Disk, site: Site) -> None:
    """A job whose message was never sent is found and done."""
    with pytest.raises(Unavailable):
        failing(disk, "queue.send").submit("One.")
    disk.clock.advance(1_000)
    worker = Site(disk, options=predictable(poll_s=0.005))
    run_until(worker, lambda: Contents.of(disk.folder).visible() == {"leave": ["One."]})
