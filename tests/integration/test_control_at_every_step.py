"""Cancelling, retrying and changing a document, before each call that its ingestion makes of a store or a model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.contracts.documents import DocumentChange
from chalicelib.domain.identifiers import DocumentId, JobId
from chalicelib.errors import Conflict, DependencyError
from tests.fakes.clock import HandClock
from tests.fakes.ingestion import ADA, Crash, Disk, Fault, Faults, Site, in_a_thread
from tests.fakes.ingestion_reader import Contents

OLD, NEW = "Old.\n\nOlder.", "One.\n\nTwo.\n\nThree."


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path, HandClock())
    yield disk
    disk.close()


@pytest.fixture
def site(disk: Disk) -> Site:
    """Give a process that has made its index."""
    site = Site(disk)
    site.create_index()
    return site


@pytest.fixture
def document_id(site: Site) -> str:
    """Give a document whose text can be searched."""
    document_id = site.submit(NEW, metadata={"year": 2025}, acl=["hr"]).document.document_id
    site.work()
    return document_id


def change(site: Site, document_id: str, **fields: Any) -> None:
    asyncio.run(site.service.change(ADA, DocumentId(document_id), DocumentChange(**fields)))


def tags(disk: Disk) -> list[tuple[Any, Any]]:
    """Give what every vector of the document says of its year and its groups."""
    return sorted({(one.get("year"), tuple(one["_acl"])) for one in Contents.of(disk.folder).metadata()})


def status(disk: Disk, job_id: str) -> str:
    (job,) = [one for one in Contents.of(disk.folder).jobs() if one["job_id"] == job_id]
    return str(job["status"])


@pytest.mark.parametrize("before", [None, OLD], ids=["new", "a new version"])
@pytest.mark.parametrize("dies", [False, True], ids=["worked on", "its worker dies"])
def test_a_job_can_be_cancelled_before_every_step(disk: Disk, site: Site, before: str | None, dies: bool) -> None:
    """Either it was cancelled, and nothing of it is left, or the cancellation came too late and was refused."""
    outcomes = set()
    for number in range(1, 200):
        name = f"leave-{number}"
        if before is not None:
            site.submit(before, name)
            site.work()
        faults = Faults()
        job_id = site.submit(NEW, name).job.job_id
        cancelled: list[bool] = []
        faults.before = lambda _, faults=faults, number=number, job_id=job_id, cancelled=cancelled: at(
            faults, number, lambda: cancelled.append(try_to_cancel(disk, job_id)), dies
        )
        try:
            Site(disk, faults).work()
        except Crash:
            disk.clock.advance(61)
        site.settle()
        contents = Contents.of(disk.folder)
        contents.assert_settled()
        old = before.split("\n\n") if before is not None else None
        assert contents.visible().get(name) == (old if cancelled == [True] else NEW.split("\n\n"))
        assert status(disk, job_id) == ("cancelled" if cancelled == [True] else "succeeded")
        outcomes.add(tuple(cancelled))
        if not cancelled:
            assert outcomes == {(True,), (False,), ()}
            return
    raise AssertionError("It never comes to an end.")


def at(faults: Faults, number: int, act: Callable[[], object], dies: bool) -> None:
    if len(faults.calls) != number:
        return
    faults.before = None
    in_a_thread(act)
    if dies:
        faults.at, faults.dead = number, True
        raise Crash("after the cancellation")


def try_to_cancel(disk: Disk, job_id: str) -> bool:
    try:
        asyncio.run(Site(disk).service.cancel(ADA, JobId(job_id)))
    except Conflict:
        return False
    return True


def test_a_worker_that_is_late_cannot_harm_a_retry(disk: Disk, site: Site) -> None:
    """It stops before each of its calls while the job is cancelled, swept and retried; the retry is whole."""
    for number in range(1, 200):
        name, faults = f"leave-{number}", Faults()
        job_id = site.submit(NEW, name).job.job_id
        faults.before = lambda _, faults=faults, number=number, job_id=job_id: at(
            faults, number, lambda: cancel_and_retry(disk, job_id), False
        )
        Site(disk, faults).work()
        reached = faults.before is None
        site.settle()
        contents = Contents.of(disk.folder)
        assert contents.visible()[name] == NEW.split("\n\n")
        assert status(disk, job_id) == "succeeded"
        contents.assert_settled()
        if not reached:
            return
    raise AssertionError("It never comes to an end.")


def cancel_and_retry(disk: Disk, job_id: str) -> None:
    other = Site(disk)
    if try_to_cancel(disk, job_id):
        disk.clock.advance(61)
        other.settle()
        asyncio.run(other.service.retry(ADA, JobId(job_id)))
        other.work()


@pytest.mark.parametrize("outcome", ["One.\n\nTwo.\n\nNew.", NEW, "REFUSE"])
def test_a_change_wins_at_every_step_of_an_ingestion(disk: Disk, site: Site, outcome: str, document_id: str) -> None:
    """Whatever call of a new version's ingestion it comes before, all vectors carry it in the end."""
    for number in range(1, 200):
        faults = Faults()
        broken = Site(disk, faults)
        broken.submit(outcome if number % 2 else NEW, metadata={"year": number}, acl=["hr"])
        target = len(faults.calls) + number

        def change_then(call: str, faults: Faults = faults, target: int = target) -> None:
            if len(faults.calls) == target:
                faults.before = None
                change_elsewhere(disk, document_id)

        faults.before = change_then
        broken.work()
        reached = len(faults.calls) >= target
        site.settle()
        assert tags(disk) == [(3000, ("board",)) if reached else (number, ("hr",))]
        Contents.of(disk.folder).assert_settled()
        if not reached:
            return
    raise AssertionError("It never comes to an end.")


def change_elsewhere(disk: Disk, document_id: str) -> None:
    in_a_thread(lambda: change(Site(disk), document_id, metadata={"year": 3000}, acl=["board"]))


@pytest.mark.parametrize("fault", list(Fault), ids=[fault.name.lower() for fault in Fault])
def test_a_change_survives_whatever_breaks(disk: Disk, site: Site, document_id: str, fault: Fault) -> None:
    """Each call of the change and of its job goes wrong once; every vector carries the new tags all the same."""
    for number in range(1, 50):
        faults = Faults(number, fault)
        broken = Site(disk, faults)
        try:
            change(broken, document_id, metadata={"year": 4000 + number})
            broken.work()
        except (Crash, DependencyError):
            disk.clock.advance(61)
            change(site, document_id, metadata={"year": 4000 + number})
        disk.clock.advance(61)
        site.settle()
        assert tags(disk) == [(4000 + number, ("hr",))]
        if len(faults.calls) < number:
            return
    raise AssertionError("It never comes to an end.")
