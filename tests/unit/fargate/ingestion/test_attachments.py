"""Files found in documents: who can read them, how they change with what holds them, and how they go."""

from __future__ import annotations

import asyncio
from typing import Any

from chalicelib.domain.access import Principal
from chalicelib.domain.documents import Attachment, Document, DocumentStatus
from chalicelib.domain.identifiers import AttemptId, DocumentId
from chalicelib.repositories.documents import DocumentFilter
from fargate.ingestion.attachments import MAX_ATTACHMENTS, MAX_DEPTH, Attachments
from tests.fakes.ingestion import ADA, Disk, Site
from tests.fakes.ingestion_reader import Contents

LETTER = "Dear all, see the form.\n\n@@form.txt Fill this in."


def attached(site: Site, holder: str) -> list[Document]:
    wanted = DocumentFilter(attached_to=DocumentId(holder))
    return site.stores.documents.list(ADA.tenant, wanted, limit=200, cursor=None)[0]


def reads(site: Site, principal: Principal, document_id: str) -> bool:
    return bool(site.stores.documents.readable(principal, [DocumentId(document_id)]))


def hold(site: Site, **fields: Any) -> tuple[str, str]:
    """Submit a letter with a form; give the ids of both."""
    letter = site.submit(LETTER, **fields).document.document_id
    site.settle()
    (form,) = attached(site, letter)
    return letter, form.document_id


def test_an_attachment_becomes_a_searchable_document(disk: Disk, site: Site) -> None:
    """It bears its own name, its holder's metadata and groups, and the holder's text does not hold it."""
    letter, form = hold(site, metadata={"team": "hr"}, acl=["hr"])
    found = site.stores.documents.get(ADA.tenant, DocumentId(form))
    assert (found.name, found.status, found.metadata, tuple(found.acl)) == (
        "form.txt", DocumentStatus.READY, {"team": "hr"}, ("hr",),
    )  # fmt: skip
    assert found.holder is not None
    assert found.holder.document_id == letter
    texts = Contents.of(disk.folder).visible()
    assert texts["leave"] == ["Dear all, see the form."]
    assert texts[None] == ["Fill this in."]  # type: ignore[index]


def test_an_attachment_is_read_by_whoever_reads_its_holder(site: Site) -> None:
    """Groups taken from the holder are taken from the attachment at once, before any worker did anything."""
    letter, form = hold(site, acl=["hr"])
    hr = Principal(ADA.tenant, "eve", ADA.roles, frozenset({"hr"}))
    assert reads(site, hr, form)

    site.submit(LETTER, acl=["board"])

    assert not reads(site, hr, letter)
    assert not reads(site, hr, form)
    site.settle()
    board = Principal(ADA.tenant, "kim", ADA.roles, frozenset({"board"}))
    (form_now,) = attached(site, letter)
    assert reads(site, board, form_now.document_id)


def test_readers_see_the_attachments_of_the_version_they_see(site: Site) -> None:
    """A new version's attachment can be read when that version can, and then the old one's no longer."""
    letter, old = hold(site)
    accepted = site.submit("Dear all, the new form.\n\n@@new.txt Fill this in now.")
    (delivery,) = site.receive()
    site.faults.before = lambda call: seen.append(readable()) if call == "vectors.put" else None
    seen: list[list[str]] = []

    def readable() -> list[str]:
        site.faults.before, before = None, site.faults.before
        names = [one.name for one in attached(site, letter) if reads(site, ADA, one.document_id)]
        site.faults.before = before
        return names

    asyncio.run(site.worker.handle(delivery))

    assert seen == [["form.txt"]]
    assert readable() == ["new.txt"]
    assert accepted.document.document_id == letter
    assert site.stores.documents.get(ADA.tenant, DocumentId(old)).status is DocumentStatus.DELETED


def test_unchanged_content_keeps_its_attachments_and_hands_down_new_metadata(site: Site) -> None:
    """The same bytes with new metadata change what the attachment can be filtered by, and embed nothing."""
    letter, form = hold(site, metadata={"year": 2025})
    site.submit(LETTER, metadata={"year": 2026})
    calls = len(site.faults.calls)
    site.settle()
    (kept,) = attached(site, letter)
    assert kept.document_id == form
    assert kept.metadata == {"year": 2026}
    assert "embedder.embed" not in site.faults.calls[calls:]


def test_attachments_go_with_their_holder(disk: Disk, site: Site) -> None:
    """Of a deleted letter nothing is left, nor of what it held, however deep."""
    letter, form = hold(site)
    site.delete(letter)
    site.settle()
    contents = Contents.of(disk.folder)
    assert contents.traces(letter) == ["documents/document"]
    assert contents.traces(form) == ["documents/document"]
    contents.assert_settled()


def test_a_deleted_attachment_is_not_revived_by_its_holder(site: Site) -> None:
    """A second delivery of the holder's message finds the tombstone and lets it be."""
    site.submit(LETTER)
    (delivery,) = site.receive()
    asyncio.run(site.worker.handle(delivery))
    (form,) = site.stores.documents.list(ADA.tenant, DocumentFilter(), limit=9, cursor=None)[0][:1]
    site.delete(form.document_id)
    site.settle()
    asyncio.run(site.worker.handle(delivery))
    site.settle()
    assert site.stores.documents.get(ADA.tenant, form.document_id).status is DocumentStatus.DELETED


def test_what_is_attached_too_deeply_or_too_often_stays_out(site: Site) -> None:
    """Letters in letters end at the third; a document gives at most a hundred."""
    document = site.stores.documents.get(ADA.tenant, DocumentId(site.submit("One.").document.document_id))
    one = Attachment("a.txt", None, b"a")
    attachments, depth = Attachments(site.stores, site.clock), 0
    while attachments.take_in(ADA.tenant, document, found_by(site, document), [one], created_by="ada"):
        (document,) = attached(site, document.document_id)
        depth += 1
    assert depth == MAX_DEPTH
    top = site.stores.documents.get(ADA.tenant, DocumentId(site.submit("Two.", "two").document.document_id))
    many = [one] * (MAX_ATTACHMENTS + 1)
    assert attachments.take_in(ADA.tenant, top, found_by(site, top), many, created_by="ada") == MAX_ATTACHMENTS


def found_by(site: Site, document: Document) -> AttemptId:
    return site.stores.documents.version(ADA.tenant, document.document_id, 1).attempt
