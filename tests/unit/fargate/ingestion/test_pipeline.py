"""One version from bytes to publication, and what happens when several get in each other's way."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from chalicelib.contracts.rendering import document_view
from chalicelib.domain.documents import Block, BlockKind, Chunk, ParsedDocument, Span
from chalicelib.domain.identifiers import AttemptId, ChunkId, DocumentId, JobId, chunk_id
from chalicelib.ports.models import Embeddings, Purpose
from chalicelib.ports.queue import Delivery
from chalicelib.ports.vectors import VectorQuery
from fargate.ingestion.artefacts import Artefacts
from fargate.ingestion.cutting import MAX_CHUNK_CHARACTERS, embedded_text, name_chunks
from tests.fakes.ingestion import ADA, LEASE_S, Crash, Disk, Faults, HashEmbedder, Site, direction
from tests.fakes.ingestion_reader import Contents


def test_every_paragraph_becomes_a_chunk_with_its_vector_and_its_metadata(disk: Disk, site: Site) -> None:
    """What is stored is what was cut: text, vector, the owner's metadata and the platform's own."""
    document = site.submit("One.\n\nTwo.\n\nThree.", metadata={"team": "hr"}, acl=["hr", "board"]).document
    site.work()
    contents = Contents.of(disk.folder)
    assert contents.visible() == {"leave": ["One.", "Two.", "Three."]}
    (index,) = disk.vectors.indexes()
    assert index.name == "acme.handbook.g1"
    stored = disk.vectors.get(index, sorted(contents.vectors))
    assert [record.vector for record in stored] == [direction(text) for text in ("One.", "Two.", "Three.")]
    attempt = contents.document()["published"]["attempt"]
    assert {"_attempt": attempt, **contents.metadata()[0]} == {
        "team": "hr", "_document": document.document_id, "_acl": ["hr", "board"], "_attempt": attempt
    }  # fmt: skip
    rows = sorted(data["text"] for _, _, data in contents.rows["chunks"])
    assert rows == ["One.", "Three.", "Two."]


def test_the_published_version_says_what_it_is(disk: Disk, site: Site) -> None:
    """The document tells its version, its size in chunks, the hash of its bytes, and whose attempt readers see."""
    site.submit("One.\n\nTwo.")
    site.work()
    found = Contents.of(disk.folder).document()
    assert found["status"] == "ready"
    published = dict(found["published"])
    assert published.pop("attempt").startswith("att_")
    assert published == {
        "version": 1, "generation": 1, "chunks": 2, "pages": None, "title": "0815", "language": "en",
        "sha256": hashlib.sha256(b"One.\n\nTwo.").hexdigest(), "warnings": [],
    }  # fmt: skip


INFLECTED = {
    "en": ("The leave policies of the company hold for all employees.", "policy"),
    "de": ("Die Häuser der Gesellschaft stehen an der Straße zum Bahnhof.", "Hauses"),
    "ar": ("الكِتَابُ موجود في المكتبة العامة بالقرب من الجامعة.", "كتاب"),
    "ja": ("有給休暇は入社後六か月を経過した日から付与されます。", "休暇"),
}


def test_documents_of_four_languages_are_found_by_inflected_words(disk: Disk, site: Site) -> None:
    """Each text tells its language, which the document shows, and is found by another form of a word of it."""
    for language, (text, _) in INFLECTED.items():
        site.submit(text, external_id=language)
    site.settle()
    contents = Contents.of(disk.folder)
    (index,) = disk.vectors.indexes()
    for language, (text, question) in INFLECTED.items():
        assert contents.document(language)["published"]["language"] == language
        (hit,) = disk.vectors.query(index, VectorQuery(10, text=question))
        assert disk.vectors.get(index, [hit.key])[0].text == text


def test_the_language_that_was_said_holds(disk: Disk, site: Site) -> None:
    """Whatever the text tells; another one said later is a new version, whose vectors are taken over."""
    text, _ = INFLECTED["de"]
    site.submit(text, language="nl")
    site.work()
    assert Contents.of(disk.folder).document()["published"]["language"] == "nl"
    site.submit(text, language="de")
    site.work()
    contents = Contents.of(disk.folder)
    (index,) = disk.vectors.indexes()
    assert [one.language for one in disk.vectors.get(index, sorted(contents.vectors))] == ["de"]
    assert site.faults.calls.count("embedder.embed") == 1
    contents.assert_settled()


def test_a_text_that_does_not_tell_is_in_the_language_of_its_index(disk: Disk) -> None:
    """A word or two may be of any."""
    site = Site(disk)
    site.create_index(language="de")
    site.submit("Urlaub")
    site.work()
    assert Contents.of(disk.folder).document()["published"]["language"] == "de"


def test_what_the_parser_left_out_is_said_on_the_document(site: Site) -> None:
    """Its warnings are the owner's to see, through the same view as its status."""

    async def careful(*_: object, **__: object) -> ParsedDocument:
        block = Block(BlockKind.TEXT, 0, 4)
        return ParsedDocument("One.", (block,), "a", "text/plain", warnings=("macros_left_out",))

    site.faults.instead["sandbox.parse"] = careful
    document_id = DocumentId(site.submit("One.").document.document_id)
    site.work()
    assert document_view(site.stores.documents.get(ADA.tenant, document_id)).warnings == ["macros_left_out"]


def test_two_deliveries_of_one_message_at_the_same_time_do_the_work_of_one(disk: Disk, site: Site) -> None:
    """A second worker that has the same message changes nothing."""
    site.submit("One.\n\nTwo.\n\nThree.")
    (delivery,) = site.receive()

    async def both() -> None:
        await asyncio.gather(site.worker.handle(delivery), Site(disk).worker.handle(delivery))

    asyncio.run(both())
    site.settle()
    contents = Contents.of(disk.folder)
    assert contents.visible() == {"leave": ["One.", "Two.", "Three."]}
    contents.assert_settled()


def test_a_message_that_was_done_already_embeds_nothing(disk: Disk, site: Site) -> None:
    """When an acknowledgement was lost, the message comes again and is only acknowledged."""
    site.submit("One.")
    (delivery,) = site.receive()
    asyncio.run(site.worker.handle(delivery))
    again = Site(disk)
    asyncio.run(again.worker.handle(delivery))
    assert "embedder.embed" not in again.faults.calls
    assert Contents.of(disk.folder).visible() == {"leave": ["One."]}


@pytest.mark.parametrize("position", range(1, 21))
def test_a_worker_that_lost_its_lease_anywhere_does_no_harm(disk: Disk, site: Site, position: int) -> None:
    """While it stood still another did the work, and then a newer version too; what it still writes goes again."""
    site.submit("Old.\n\nOlder.\n\nOldest.")
    (delivery,) = site.receive()
    faults = Faults()
    slow = Site(disk, faults)
    faults.before = partial(_at_call, faults, position, partial(_others_go_on, disk))
    asyncio.run(slow.worker.handle(delivery))
    Site(disk).settle()
    contents = Contents.of(disk.folder)
    assert contents.visible() == {"leave": ["New."]} or len(faults.calls) < position
    contents.assert_settled()


def _at_call(faults: Faults, position: int, act: Callable[[], object], call: str) -> None:
    if len(faults.calls) == position:
        with ThreadPoolExecutor(1) as process:
            process.submit(act).result()


def _others_go_on(disk: Disk) -> None:
    disk.clock.advance(LEASE_S + 1)
    other = Site(disk)
    other.work()
    other.submit("New.")
    other.work()


def test_an_older_version_that_is_late_gives_way(disk: Disk, site: Site) -> None:
    """When the newer version was published first, the older one leaves nothing behind, and its job says why."""
    site.submit("Old.")
    site.submit("New.")
    first, second = site.receive()
    asyncio.run(site.worker.handle(second))
    asyncio.run(site.worker.handle(first))
    contents = Contents.of(disk.folder)
    assert contents.visible() == {"leave": ["New."]}
    assert sorted((job["status"], (job["error"] or {}).get("code")) for job in contents.jobs()) == [
        ("cancelled", "superseded"),
        ("succeeded", None),
    ]
    contents.assert_settled()


def test_the_status_speaks_of_the_latest_version(disk: Disk, site: Site) -> None:
    """A version that is published while a newer one waits leaves the document pending."""
    site.submit("Old.")
    site.submit("New.")
    first, second = site.receive()
    asyncio.run(site.worker.handle(first))
    found = Contents.of(disk.folder).document()
    assert (found["status"], found["published"]["version"]) == ("pending", 1)
    asyncio.run(site.worker.handle(second))
    found = Contents.of(disk.folder).document()
    assert (found["status"], found["published"]["version"]) == ("ready", 2)


def test_unchanged_bytes_are_not_embedded_again(disk: Disk, site: Site) -> None:
    """The same bytes under the same name raise the version's number; the attempt that readers see stays."""
    site.submit("One.\n\nTwo.", metadata={"year": 2025})
    site.work()
    before = Contents.of(disk.folder).document()["published"]
    again = Site(disk)
    again.submit("One.\n\nTwo.", metadata={"year": 2026})
    again.work()
    contents = Contents.of(disk.folder)
    assert contents.document()["published"] == {**before, "version": 2}
    assert [one["year"] for one in contents.metadata()] == [2026, 2026]
    assert not {"embedder.embed", "sandbox.parse", "blobs.open"} & set(again.faults.calls)


def test_a_changed_document_embeds_only_what_changed(disk: Disk, site: Site) -> None:
    """Chunks whose text stood in the version before take over its vectors, wherever they stand now."""
    site.submit("One.\n\nTwo.\n\nThree.")
    site.work()
    asked: list[str] = []

    async def listening(texts: Sequence[str], purpose: Purpose) -> Embeddings:
        asked.extend(texts)
        return await HashEmbedder().embed(texts, purpose)

    site.faults.instead["embedder.embed"] = listening
    accepted = site.submit("Zero.\n\nThree.\n\nOne.\n\nTwo.")
    site.work()

    assert asked == ["Zero."]
    contents = Contents.of(disk.folder)
    assert contents.visible() == {"leave": ["Zero.", "Three.", "One.", "Two."]}
    (index,) = disk.vectors.indexes()
    stored = disk.vectors.get(index, sorted(contents.vectors))
    assert [one.vector for one in stored] == [direction(one.text) for one in stored]
    job = site.stores.jobs.get(ADA.tenant, JobId(accepted.job.job_id))
    assert job.result is not None
    assert job.result["embedded"] == 1
    contents.assert_settled()


def test_the_same_bytes_under_another_name_are_read_again(disk: Disk, site: Site) -> None:
    """A name may decide which parser reads the bytes, so a renamed file is a changed one."""
    site.submit("One.")
    site.work()
    again = Site(disk)
    again.submit("One.", name="leave.md")
    again.work()
    assert "sandbox.parse" in again.faults.calls
    Contents.of(disk.folder).assert_settled()


@pytest.mark.parametrize("position", range(1, 21))
def test_bytes_that_were_replaced_meanwhile_are_not_taken_for_the_same(disk: Disk, site: Site, position: int) -> None:
    """If another version comes between any two steps, the unchanged bytes are ingested after all."""
    site.submit("Mine.")
    site.work()
    site.submit("Other.")
    site.submit("Mine.")
    second, third = site.receive()
    faults = Faults()
    slow = Site(disk, faults)
    faults.before = partial(_at_call, faults, position, partial(_handle_elsewhere, disk, second))
    asyncio.run(slow.worker.handle(third))
    contents = Contents.of(disk.folder)
    assert contents.visible() == {"leave": ["Mine."]}
    assert contents.document()["published"]["version"] == 3
    site.settle()
    Contents.of(disk.folder).assert_settled()


def _handle_elsewhere(disk: Disk, delivery: Delivery) -> None:
    asyncio.run(Site(disk).worker.handle(delivery))


def test_a_refused_document_says_why_and_is_not_tried_again(disk: Disk, site: Site) -> None:
    """The owner sees the reason on the document and on the job; the message is done with."""
    site.submit("REFUSE this.")
    site.work()
    contents = Contents.of(disk.folder)
    why = {"code": "unreadable", "detail": "leave.txt cannot be read."}
    assert (contents.document()["status"], contents.document()["error"]) == ("failed", why)
    assert [(job["status"], job["error"]) for job in contents.jobs()] == [("failed", why)]
    disk.clock.advance(3_600)
    assert site.receive() == []


def test_a_document_of_white_space_is_refused(disk: Disk, site: Site) -> None:
    """What holds no text cannot be searched, and its owner is told."""
    site.submit(" \n\n \t")
    site.work()
    assert Contents.of(disk.folder).document()["error"]["code"] == "empty"


def test_a_document_whose_index_is_gone_is_deleted_by_its_own_job(disk: Disk, site: Site) -> None:
    """A submission that slipped in while its index went is not left behind."""
    document = site.submit("One.").document
    (delivery,) = site.receive()
    site.delete_index()
    asyncio.run(site.worker.handle(delivery))
    contents = Contents.of(disk.folder)
    assert contents.traces(document.document_id) == ["documents/document"]
    assert contents.jobs_of(document.document_id)[0]["status"] == "cancelled"


def test_a_deleted_external_id_begins_a_new_document(disk: Disk, site: Site) -> None:
    """After deletion the same external id is free at once; the old document stays deleted."""
    first = site.submit("Old.").document.document_id
    site.work()
    site.delete(first)
    second = site.submit("New.").document
    assert (second.document_id != first, second.latest_version) == (True, 1)
    site.settle()
    assert Contents.of(disk.folder).visible() == {"leave": ["New."]}


def test_the_job_shows_progress_while_it_runs_but_not_for_every_step(disk: Disk, site: Site) -> None:
    """A job writes at its start and its end, and in between once a second with count, rate and time left."""
    text = "\n\n".join(f"Paragraph {number}." for number in range(8))
    site.submit(text)
    (delivery,) = site.receive()
    seen = []
    faults = Faults()

    def watch(call: str) -> None:
        if call == "embedder.embed":
            seen.append(Contents.of(disk.folder).jobs()[0]["progress"])
            disk.clock.advance(0.6)

    faults.before = watch
    asyncio.run(Site(disk, faults).worker.handle(delivery))
    assert [(one["stage"], one["done"], one["total"]) for one in seen] == [
        ("parsing", 0, 0), ("parsing", 0, 0), ("embedding", 4, 8), ("embedding", 4, 8),
    ]  # fmt: skip
    assert seen[2]["rate_per_s"] == pytest.approx(4 / 1.2)
    assert seen[2]["eta_s"] == pytest.approx(1.2)
    assert Contents.of(disk.folder).jobs()[0]["progress"] == {
        "done": 8, "total": 8, "stage": "done", "rate_per_s": None, "eta_s": None
    }  # fmt: skip


def test_a_crash_while_two_share_the_work_leaves_nothing(disk: Disk, site: Site) -> None:
    """One of two deliveries dies in the middle of its vectors; the other one's are whole."""
    site.submit("One.\n\nTwo.\n\nThree.")
    (delivery,) = site.receive()
    faults = Faults()
    dying = Site(disk, faults)
    faults.at = 16
    with pytest.raises(Crash):
        asyncio.run(dying.worker.handle(delivery))
    disk.clock.advance(timedelta(hours=1).total_seconds())
    site.settle()
    Contents.of(disk.folder).assert_settled()


@pytest.mark.parametrize(
    ("title", "path", "text", "embedded"),
    [
        ("Leave", (), "30 days.", "Leave\n30 days."),
        ("Leave", ("Unpaid",), "On request.", "Leave > Unpaid\nOn request."),
        ("Leave", ("Leave",), "30 days.", "Leave\n30 days."),
        ("Leave", ("Leave", "Unpaid"), "# Leave\n\n## Unpaid\n\nOn request.", "# Leave\n\n## Unpaid\n\nOn request."),
        ("LEAVE", (), "Leave is 30 days.", "Leave is 30 days."),
        ("0815", (), "30 days.", "30 days."),
        ("", (), "30 days.", "30 days."),
    ],
)
def test_a_chunk_is_embedded_below_the_headings_it_does_not_repeat(
    title: str, path: tuple[str, ...], text: str, embedded: str
) -> None:
    """Title and headings are said once: where the text opens with them, they are not put before it."""
    assert embedded_text(title, path, text) == embedded


def test_a_span_too_long_for_an_entry_becomes_several_chunks() -> None:
    """A word without end is one token and yet must fit; nothing of the text is lost."""
    text = "x" * (2 * MAX_CHUNK_CHARACTERS + 5)
    parsed = ParsedDocument(text, (Block(BlockKind.TEXT, 0, len(text)),), "t", "text/plain")
    span = Span(0, len(text), 1, BlockKind.TEXT, (), None)
    chunks = name_chunks(parsed, [span], DocumentId("doc_1"), AttemptId("att_1"))
    assert [len(chunk.text) for chunk in chunks] == [MAX_CHUNK_CHARACTERS, MAX_CHUNK_CHARACTERS, 5]
    assert "".join(chunk.text for chunk in chunks) == text
    assert [chunk.chunk_id for chunk in chunks] == ["chk_1_00000", "chk_1_00001", "chk_1_00002"]


def test_submissions_of_one_external_id_at_once_become_versions_in_turn(disk: Disk, site: Site) -> None:
    """However they race, each is a version of the same document, and the last one is what is found."""
    with ThreadPoolExecutor(4) as clients:
        answers = list(clients.map(lambda number: Site(disk).submit(f"Text {number}."), range(4)))
    assert len({answer.document.document_id for answer in answers}) == 1
    assert sorted(answer.document.latest_version for answer in answers) == [1, 2, 3, 4]
    site.settle()
    contents = Contents.of(disk.folder)
    latest = next(number for number, answer in enumerate(answers) if answer.document.latest_version == 4)
    assert contents.visible() == {"leave": [f"Text {latest}."]}
    assert len([path for path in contents.blobs if path.startswith("raw/")]) == 4
    contents.assert_settled()
    assert ADA.subject == contents.jobs()[0]["created_by"]


def test_a_try_that_cut_more_finely_leaves_nothing_that_is_seen(disk: Disk, site: Site) -> None:
    """Chunks beyond the published number are not shown, and the next sweep takes them."""
    accepted = site.submit("One.\n\nTwo.")
    attempt = site.stores.documents.version(ADA.tenant, DocumentId(accepted.document.document_id), 1).attempt
    site.work()
    site.stores.chunks.put(ADA.tenant, [chunk_named(site, accepted.document.document_id, chunk_id(attempt, 2))])
    published = site.stores.documents.get(ADA.tenant, DocumentId(accepted.document.document_id)).published
    assert published is not None
    assert [published.shows(chunk_id(attempt, place)) for place in range(3)] == [True, True, False]

    Artefacts(site.stores, disk.clock).sweep(ADA.tenant, DocumentId(accepted.document.document_id))

    contents = Contents.of(disk.folder)
    assert contents.visible() == {"leave": ["One.", "Two."]}
    contents.assert_settled()


def chunk_named(site: Site, document_id: str, name: str) -> Chunk:
    attempt = AttemptId("att_" + name.removeprefix("chk_").rpartition("_")[0])
    page, _ = site.stores.chunks.page(ADA.tenant, DocumentId(document_id), attempt, limit=1, cursor=None)
    return replace(page[0], chunk_id=ChunkId(name))
