"""Metadata and access lists change without a new version, at once for permissions, soon for what is searched."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.contracts.documents import DocumentAccepted, DocumentChange
from chalicelib.domain.access import Principal
from chalicelib.domain.identifiers import DocumentId
from chalicelib.errors import Conflict, InvalidRequest, NotFound
from tests.fakes.identities import principal
from tests.fakes.ingestion import ADA, Disk, Site
from tests.fakes.ingestion_reader import Contents

TEXT = "One.\n\nTwo.\n\nThree.\n\nFour.\n\nFive."


def change(site: Site, document_id: str, who: Principal = ADA, **fields: Any) -> DocumentAccepted:
    return asyncio.run(site.service.change(who, DocumentId(document_id), DocumentChange(**fields)))


def tags(disk: Disk) -> list[tuple[Any, Any]]:
    """Give what every vector of the document says of its year and its groups."""
    return sorted({(one.get("year"), tuple(one["_acl"])) for one in Contents.of(disk.folder).metadata()})


@pytest.fixture
def document_id(site: Site) -> str:
    """Give a document whose text can be searched."""
    document_id = site.submit(TEXT, metadata={"year": 2025, "team": "hr"}, acl=["hr"]).document.document_id
    site.work()
    return document_id


def test_a_change_holds_at_once_and_reaches_every_vector(disk: Disk, site: Site, document_id: str) -> None:
    """What is given is replaced as a whole, the rest stays, and nothing is embedded again."""
    embedded = site.faults.calls.count("embedder.embed")
    answer = change(site, document_id, metadata={"year": 2026})
    assert (answer.document.metadata, answer.document.acl) == ({"year": 2026}, ["hr"])
    assert (answer.job.kind, answer.job.status) == ("retag", "queued")
    assert Contents.of(disk.folder).document()["metadata"] == {"year": 2026}
    assert tags(disk) == [(2025, ("hr",))]
    site.work()
    assert tags(disk) == [(2026, ("hr",))]
    assert site.faults.calls.count("embedder.embed") == embedded
    (job,) = [one for one in Contents.of(disk.folder).jobs() if one["kind"] == "retag"]
    assert (job["status"], job["result"]) == ("succeeded", {"document_id": document_id, "chunks": 5})
    change(site, document_id, metadata={}, acl=["all"])
    site.work()
    assert tags(disk) == [(None, ("all",))]


def test_a_change_of_an_older_revision_is_a_conflict(site: Site, document_id: str) -> None:
    """Two who read the same cannot undo each other's change unawares."""
    read = site.stores.documents.get(ADA.tenant, DocumentId(document_id))
    changed = change(site, document_id, acl=["it"], if_revision=read.version)
    assert changed.document.revision == read.version + 1
    with pytest.raises(Conflict, match="has changed since"):
        change(site, document_id, acl=["board"], if_revision=read.version)
    assert change(site, document_id, acl=["board"], if_revision=changed.document.revision).document.acl == ["board"]


@pytest.mark.parametrize(
    "fields", [{"metadata": {"note": "x" * 2_000}}, {"acl": [f"group-{n:058}" for n in range(20)]}]
)
def test_what_is_left_and_what_is_new_must_fit_together(disk: Disk, site: Site, fields: Any) -> None:
    """The limit is that of one vector, which carries both; nothing is changed by what does not fit."""
    given = {"metadata": {"note": "x" * 1_500}} if "acl" in fields else {"acl": [f"group-{n}" for n in range(20)]}
    document_id = site.submit("One.", **given).document.document_id
    before = Contents.of(disk.folder).document()
    with pytest.raises(InvalidRequest, match="at most 2048"):
        change(site, document_id, **fields)
    assert Contents.of(disk.folder).document() == before


@pytest.mark.parametrize("who", [replace(ADA, indexes=frozenset({"other"})), principal("rival")])
def test_a_document_out_of_reach_is_missing(site: Site, document_id: str, who: Principal) -> None:
    """For whoever may not use its index, and for another tenant."""
    with pytest.raises(NotFound):
        change(site, document_id, who, acl=["all"])


def test_a_deleted_document_cannot_be_changed(disk: Disk, site: Site, document_id: str) -> None:
    """Nothing brings it back; a change that waits when it is deleted comes to nothing."""
    change(site, document_id, acl=["it"])
    site.delete(document_id)
    with pytest.raises(Conflict, match="was deleted"):
        change(site, document_id, acl=["all"])
    site.settle()
    contents = Contents.of(disk.folder)
    assert [job["status"] for job in contents.jobs() if job["kind"] == "retag"] == ["cancelled"]
    contents.assert_settled()
