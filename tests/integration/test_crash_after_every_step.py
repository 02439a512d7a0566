"""
Whatever goes wrong at whichever step, a document is searchable exactly once in the end, or gone without a trace.

Each scenario is run once for every call that it makes of a store or a model, with that call going wrong in one of three
ways; then time passes and another worker, on the same stores, does what is left. What is in the stores is read past
all code of the product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from chalicelib.errors import DependencyError, NotFound
from tests.fakes.clock import HandClock
from tests.fakes.ingestion import LEASE_S, Crash, Disk, Fault, Faults, Site, in_a_thread
from tests.fakes.ingestion_reader import Contents, receipt

OLD = ["Everybody has 28 days.", "Ask your manager.", "Unused days lapse in March."]
NEW = ["Everybody has 30 days.", "Ask your manager."]
ATTACHED = "@@form.txt Fill in this form."
LETTER = ["Find the form attached.", ATTACHED]
NEW_LETTER = ["Find the new form attached.", "@@new.txt Fill in the new form."]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path, HandClock())
    yield disk
    disk.close()


def text(paragraphs: list[str]) -> str:
    return "\n\n".join(paragraphs)


def break_every_call(disk: Disk, fault: Fault, act: Callable[[Site, str], object], check: Callable[[str], None]) -> int:
    """
    Let *act* run with its first call broken, then with its second, and so on, each time for a name of its own.

    A client whose request failed asks again. Give how many calls there were.
    """
    for number in range(1, 200):
        name, faults = f"leave-{number}", Faults(number, fault)
        answered = True
        try:
            act(Site(disk, faults), name)
        except (Crash, DependencyError):
            answered = False
        disk.clock.advance(LEASE_S + 1)
        Site(disk).settle()
        if not answered:
            with suppress(NotFound):
                act(Site(disk), name)
            Site(disk).settle()
        check(name)
        if len(faults.calls) < number:
            return number - 1
    raise AssertionError("It never comes to an end.")


def submit(site: Site, name: str, paragraphs: list[str], **fields: Any) -> str:
    accepted = site.submit(text(paragraphs), name, **fields)
    site.work()
    return accepted.document.document_id


FAULTS = [
    pytest.param(Fault.CRASH, id="crash"),
    pytest.param(Fault.ANSWER_LOST, id="answer_lost", marks=pytest.mark.drill),
    pytest.param(Fault.REFUSED, id="refused", marks=pytest.mark.drill),
]


@pytest.fixture(params=FAULTS)
def fault(request: pytest.FixtureRequest) -> Fault:
    found: Fault = request.param
    return found


def test_a_new_document_is_searchable_exactly_once(disk: Disk, fault: Fault) -> None:
    """Whichever call of its ingestion breaks, all its chunks are there once, and nothing else is."""
    Site(disk).create_index()

    def check(name: str) -> None:
        contents = Contents.of(disk.folder)
        assert contents.visible()[name] == OLD
        assert contents.document(name)["status"] == "ready"
        contents.assert_settled()

    assert break_every_call(disk, fault, lambda site, name: submit(site, name, OLD), check) > 25


def test_a_new_version_replaces_the_old_one_whole(disk: Disk, fault: Fault) -> None:
    """At every moment all of one version is visible and nothing of the other; in the end it is the new one."""
    Site(disk).create_index()

    def act(site: Site, name: str) -> None:
        if name not in Contents.of(disk.folder).visible():
            submit(Site(disk), name, OLD)
        try:
            submit(site, name, NEW)
        finally:
            assert Contents.of(disk.folder).visible()[name] in (OLD, NEW)

    def check(name: str) -> None:
        contents = Contents.of(disk.folder)
        assert contents.visible()[name] == NEW
        contents.assert_settled()

    assert break_every_call(disk, fault, act, check) > 30


@pytest.mark.drill
def test_attachments_are_searchable_while_readers_see_what_held_them(disk: Disk, fault: Fault) -> None:
    """Of a document that held one file and then holds another, exactly the second is there in the end."""
    Site(disk).create_index()

    def act(site: Site, name: str) -> None:
        if name not in Contents.of(disk.folder).visible():
            submit(Site(disk), name, LETTER)
            Site(disk).work()
        submit(site, name, NEW_LETTER)
        site.work()

    def check(name: str) -> None:
        contents = Contents.of(disk.folder)
        assert contents.visible()[name] == NEW_LETTER[:1]
        (attached,) = contents.attached_to(contents.document(name)["document_id"])
        assert (attached["name"], attached["status"]) == ("new.txt", "ready")
        assert attached["holder"]["attempt"] == contents.document(name)["published"]["attempt"]
        contents.assert_settled()

    assert break_every_call(disk, fault, act, check) > 50


def test_unchanged_content_takes_its_new_metadata(disk: Disk, fault: Fault) -> None:
    """The same bytes again change what can be filtered on, and nothing else."""
    Site(disk).create_index()

    def act(site: Site, name: str) -> None:
        if name not in Contents.of(disk.folder).visible():
            submit(Site(disk), name, OLD, metadata={"year": 2025})
        submit(site, name, OLD, metadata={"year": 2026}, acl=["hr"])

    def check(name: str) -> None:
        contents = Contents.of(disk.folder)
        assert contents.visible()[name] == OLD
        assert [one["year"] for one in contents.metadata(name)] == [2026] * 3
        assert [one["_acl"] for one in contents.metadata(name)] == [["hr"]] * 3
        contents.assert_settled()

    assert break_every_call(disk, fault, act, check) > 25


def test_a_refused_version_leaves_the_old_one_visible(disk: Disk, fault: Fault) -> None:
    """A version that cannot be read ends as failed, and questions are still answered from the one before."""
    Site(disk).create_index()

    def act(site: Site, name: str) -> None:
        if name not in Contents.of(disk.folder).visible():
            submit(Site(disk), name, OLD)
        submit(site, name, ["REFUSE"])

    def check(name: str) -> None:
        contents = Contents.of(disk.folder)
        assert contents.visible()[name] == OLD
        assert contents.document(name)["error"] == {"code": "unreadable", "detail": "leave.txt cannot be read."}
        contents.assert_settled()

    assert break_every_call(disk, fault, act, check) > 25


def test_a_deleted_document_is_gone(disk: Disk, fault: Fault) -> None:
    """Whichever call of its deletion breaks, nothing of the document is left but its tombstone and the receipt."""
    Site(disk).create_index()
    documents: dict[str, str] = {}

    def act(site: Site, name: str) -> None:
        if name not in documents:
            documents[name] = submit(Site(disk), name, [*OLD, ATTACHED])
            Site(disk).work()
        site.delete(documents[name])
        assert name not in Contents.of(disk.folder).visible()
        site.work()

    def check(name: str) -> None:
        contents = Contents.of(disk.folder)
        assert contents.traces(documents[name]) == ["documents/document"]
        assert contents.attached_to(documents[name]) == []
        (found,) = [job["result"] for job in contents.jobs_of(documents[name]) if job["kind"] == "delete"]
        assert found == receipt(documents[name], versions=1, attachments=1, chunks=3, blobs=2)
        contents.assert_settled()

    assert break_every_call(disk, fault, act, check) > 20


def test_a_deleted_index_is_gone(disk: Disk, fault: Fault) -> None:
    """Whichever call of its deletion breaks, its documents, its vectors and its row go, and the name is free."""
    documents: dict[str, str] = {}

    def act(site: Site, name: str) -> None:
        site.index = name
        if name not in documents:
            first = Site(disk, index=name)
            first.create_index()
            documents[name] = submit(first, name, OLD)
        site.delete_index()
        site.work()

    def check(name: str) -> None:
        contents = Contents.of(disk.folder)
        assert contents.traces(documents[name]) == ["documents/document"]
        assert "indexes" not in contents.rows
        assert disk.vectors.indexes() == []
        contents.assert_settled()

    assert break_every_call(disk, fault, act, check) > 20


def test_deletion_wins_at_every_step_of_an_ingestion(disk: Disk) -> None:
    """A document that is deleted between any two calls of its ingestion is gone, and stays so."""
    Site(disk).create_index()
    for number in range(1, 200):
        name = f"leave-{number}"
        faults = Faults()
        site = Site(disk, faults)
        document_id = site.submit(text(OLD), name).document.document_id
        target = len(faults.calls) + number

        def delete_then(
            call: str, faults: Faults = faults, target: int = target, document_id: str = document_id
        ) -> None:
            if len(faults.calls) == target:
                in_a_thread(lambda: Site(disk).delete(document_id))

        faults.before = delete_then
        site.work()
        Site(disk).settle()
        contents = Contents.of(disk.folder)
        if len(faults.calls) < target:
            assert contents.visible() == {name: OLD}
            return
        assert contents.traces(document_id) == ["documents/document"]
        contents.assert_settled()
    raise AssertionError("It never comes to an end.")


def delete_at(disk: Disk, faults: Faults, target: int, document_id: str, call: str) -> None:
    if len(faults.calls) == target:
        in_a_thread(lambda: Site(disk).delete(document_id))
