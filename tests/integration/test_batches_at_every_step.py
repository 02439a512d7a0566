"""Whatever goes wrong at whichever step of a batch, each of its documents is there once, and is counted once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.contracts.ingestions import IngestionCreate
from chalicelib.domain.identifiers import JobId
from chalicelib.errors import Conflict, DependencyError
from chalicelib.ports.blobs import Bucket
from chalicelib.repositories import keys
from fargate.ingestion.batches import Batches, Window
from tests.fakes.clock import HandClock
from tests.fakes.ingestion import ADA, LEASE_S, Crash, Disk, Fault, Faults, Site, in_a_thread
from tests.fakes.ingestion_reader import Contents


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path, HandClock())
    Site(disk).create_index()
    yield disk
    disk.close()


def site_of(disk: Disk, faults: Faults | None = None) -> Site:
    """Give a process that hands out one line at a time, two ahead, so that a small batch has many turns."""
    site = Site(disk, faults)
    site.worker._batches = Batches(site.stores, site.clock, window=Window(children=2, lines=1))
    return site


def begin(site: Site, name: str) -> str:
    """Begin a batch of a text, a file and a line that is bad."""
    file = keys.import_blob(ADA.tenant, "handbook", f"{name}.txt")
    site.disk.blobs.put(file, b"Two.")
    lines = [
        {"name": "one.txt", "external_id": f"{name}-one", "text": "One."},
        {"source": f"{name}.txt", "external_id": f"{name}-two"},
        {"source": "none.txt"},
    ]
    manifest = keys.import_blob(ADA.tenant, "handbook", f"{name}.jsonl")
    site.disk.blobs.put(manifest, "\n".join(map(json.dumps, lines)).encode())
    request = IngestionCreate(index="handbook", manifest=f"{name}.jsonl")
    return asyncio.run(site.service.ingest(ADA, request)).job.job_id


def work_off(site: Site) -> None:
    """Do what waits, and what comes of it, while time passes."""
    for _ in range(12):
        while site.work():
            pass
        site.clock.advance(5)


def check(disk: Disk, name: str, job_id: str) -> None:
    contents = Contents.of(disk.folder)
    visible = {key: texts for key, texts in contents.visible().items() if key.startswith(name + "-")}
    assert visible == {f"{name}-one": ["One."], f"{name}-two": ["Two."]}
    assert [contents.document(key)["latest_version"] for key in visible] == [1, 1]
    (row,) = [one for one in contents.jobs() if one["job_id"] == job_id]
    assert row["status"] == "succeeded"
    outcome = {key: row["result"][key] for key in ("documents", "succeeded", "failed", "cancelled")}
    assert outcome == {"documents": 3, "succeeded": 2, "failed": 1, "cancelled": 0}
    assert [one["line"] for one in row["result"]["failures"]] == [3]
    assert len([one for one in contents.jobs() if one["parent_id"] == job_id]) == 3
    assert list(disk.blobs.list(Bucket.IMPORTS, "acme/_manifests/")) == []
    contents.assert_settled()


FAULTS = [
    pytest.param(fault, id=fault.name.lower(), marks=[] if fault is Fault.ANSWER_LOST else pytest.mark.drill)
    for fault in Fault
]


@pytest.mark.parametrize("fault", FAULTS)
def test_every_document_of_a_batch_is_there_once(disk: Disk, fault: Fault) -> None:
    """Every third call breaks in a run of its own, from the first turn to the last."""
    for number in range(1, 400, 3):
        name = f"batch{number:03d}"
        job_id = begin(Site(disk), name)
        faults = Faults(number, fault)
        try:
            work_off(site_of(disk, faults))
        except (Crash, DependencyError):
            disk.clock.advance(LEASE_S + 1)
        finish(disk)
        check(disk, name, job_id)
        if len(faults.calls) < number:
            assert number > 60
            return
    raise AssertionError("It never comes to an end.")


def test_cancellation_at_every_step_leaves_nothing_half_done(disk: Disk) -> None:
    """What was ready is there, what was not is not, and the batch counts just that."""
    for number in range(1, 400, 5):
        name, faults = f"batch{number:03d}", Faults()
        job_id = begin(Site(disk), name)

        def cancel_then(_: str, faults: Faults = faults, number: int = number, job_id: str = job_id) -> None:
            if len(faults.calls) == number:
                faults.before = None
                in_a_thread(lambda: cancel(disk, job_id))

        faults.before = cancel_then
        work_off(site_of(disk, faults))
        finish(disk)
        contents = Contents.of(disk.folder)
        contents.assert_settled()
        (row,) = [one for one in contents.jobs() if one["job_id"] == job_id]
        visible = [key for key in contents.visible() if (key or "").startswith(name + "-")]
        assert row["result"]["succeeded"] == len(visible)
        assert list(disk.blobs.list(Bucket.IMPORTS, "acme/_manifests/")) == []
        if len(faults.calls) < number:
            assert row["status"] == "succeeded"
            return
    raise AssertionError("It never comes to an end.")


def cancel(disk: Disk, job_id: str) -> None:
    try:
        asyncio.run(Site(disk).service.cancel(ADA, JobId(job_id)))
    except Conflict:
        return


def finish(disk: Disk) -> None:
    site = site_of(disk)
    for _ in range(3):
        work_off(site)
        site.clock.advance(1_000)
        asyncio.run(site.worker.recover())
    site.settle()
