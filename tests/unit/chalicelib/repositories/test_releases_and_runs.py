"""Releases, aliases and runs as they are stored."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chalicelib.adapters.sqlite_table import SqliteTable
from chalicelib.domain.access import Tenant
from chalicelib.domain.documents import BlockKind
from chalicelib.domain.identifiers import ChunkId, DocumentId, RunId, TenantId
from chalicelib.domain.indexes import Recipe
from chalicelib.domain.releases import Release, ReleaseConfig, ReleaseStatus
from chalicelib.domain.runs import Citation, Claim, Passage, Reasons, Run, RunKind, Verdict
from chalicelib.errors import NotFound
from chalicelib.ports.table import Operation, Put, Table
from chalicelib.repositories import keys
from chalicelib.repositories.releases import Releases, release_item
from chalicelib.repositories.remembered_answers import RememberedAnswers
from chalicelib.repositories.runs import Mentions, Runs
from tests.fakes.clock import HandClock
from tests.fakes.releases import go_live

ACME = Tenant(TenantId("acme"))
RIVAL = Tenant(TenantId("rival"))
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
RELEASE = Release(ReleaseConfig("handbook", 1, Recipe()), ReleaseStatus.LIVE, NOW, "ann")
PASSAGE = Passage(
    ChunkId("chk_1_00000"), DocumentId("doc_1"), None, "leave.md", 1, 2, ("Leave",), "Thirty days.", 10, 22, 0.5,
    {"team": "hr"}, Reasons(dense_rank=1, dense_score=0.7, matched_terms=("days",)),
)  # fmt: skip
RUN = Run(
    RunId("run_1"), RunKind.QUERY, NOW, "ann", "handbook", RELEASE.release_id, "How many days?", [PASSAGE], {},
    {"total": 1.5}, "1-00000000-000000000000000000000000", answer="Thirty days. [1]", abstained=False,
    citations=[Citation(1, PASSAGE.chunk_id, PASSAGE.document_id, "leave.md", 2, ["Leave"], "Thirty days.", 10, 22)],
    claims=[Claim("Thirty days.", Verdict.SUPPORTED, [1])],
)  # fmt: skip


@pytest.fixture
def clock() -> HandClock:
    return HandClock(NOW)


@pytest.fixture
def table(tmp_path: Path, clock: HandClock) -> Iterator[Table]:
    table = SqliteTable(tmp_path / "table.sqlite", clock)
    yield table
    table.close()


def test_a_release_is_found_by_its_id_and_by_its_alias(table: Table) -> None:
    """Both name the same stored configuration."""
    live, releases = go_live(table, ACME, RELEASE.config, NOW), Releases(table)
    assert releases.resolve(ACME, "live") == live
    assert releases.resolve(ACME, RELEASE.release_id) == live


def test_the_first_writing_of_a_release_stays(table: Table) -> None:
    """The same content again changes neither its maker nor its time."""
    releases = Releases(table)
    releases.add(ACME, RELEASE)
    releases.add(ACME, replace(RELEASE, created_by="bob", status=ReleaseStatus.ADHOC))
    assert releases.get(ACME, RELEASE.release_id).created_by == "ann"


def test_a_release_that_a_question_makes_meanwhile_is_still_written_down(tmp_path: Path, clock: HandClock) -> None:
    """Who writes one down gets a draft, and never what only a question made."""
    rivals = [replace(RELEASE, status=ReleaseStatus.ADHOC)]

    class Asked(SqliteTable):
        def write(self, *operations: Operation) -> None:
            if rivals:
                super().write(Put(release_item(ACME, rivals.pop()), if_absent=True))
            super().write(*operations)

    table = Asked(tmp_path / "asked.sqlite", clock)
    try:
        releases = Releases(table)
        assert releases.create(ACME, replace(RELEASE, status=ReleaseStatus.DRAFT)).status is ReleaseStatus.DRAFT
        listed, _ = releases.list(ACME, limit=10, cursor=None)
        assert [one.status for one in listed] == [ReleaseStatus.DRAFT]
    finally:
        table.close()


def test_a_release_that_others_changed_is_read_as_it_stands_now(table: Table) -> None:
    """What was read before is only given again while the row is the same."""
    releases, key = Releases(table), keys.release(ACME, RELEASE.release_id)
    releases.add(ACME, RELEASE)
    assert releases.get(ACME, RELEASE.release_id) is releases.get(ACME, RELEASE.release_id)
    stored = table.get(key)
    assert stored is not None
    table.write(Put(replace(stored, data={**stored.data, "status": "retired"})))
    assert releases.get(ACME, RELEASE.release_id).status is ReleaseStatus.RETIRED


def test_a_release_of_another_tenant_is_missing(table: Table) -> None:
    """Isolation begins with the key."""
    go_live(table, ACME, RELEASE.config, NOW)
    releases = Releases(table)
    for name in (RELEASE.release_id, "live"):
        with pytest.raises(NotFound):
            releases.resolve(RIVAL, name)
    assert releases.alias(RIVAL, "live") is None


def test_a_query_run_is_kept_whole(table: Table) -> None:
    """What was answered can be explained later."""
    runs = Runs(table, retention_days=30)
    runs.add(ACME, RUN)
    stored = runs.get(ACME, RUN.run_id)
    assert stored.answer == "Thirty days. [1]"
    assert stored.citations[0].quote == "Thirty days."
    assert stored.passages[0].text == "Thirty days."
    assert stored.passages[0].reasons.dense_score == 0.7


def test_of_a_retrieve_run_the_texts_are_not_kept(table: Table) -> None:
    """They are read again from the chunks, where permissions and deletion hold."""
    runs = Runs(table, retention_days=30)
    runs.add(ACME, replace(RUN, kind=RunKind.RETRIEVE))
    assert runs.get(ACME, RUN.run_id).passages[0].text == ""
    assert runs.get(ACME, RUN.run_id).passages[0].heading_path == []
    assert runs.get(ACME, RUN.run_id).passages[0].start == 10


def test_a_deleted_document_is_taken_out_of_the_runs_that_quote_it(table: Table) -> None:
    """Its passages go, and with a citation of it the whole answer; another tenant's runs are not looked at."""
    runs, mentions = Runs(table, retention_days=30), Mentions(table)
    document_id = RUN.passages[0].document_id
    runs.add(ACME, RUN)
    runs.add(RIVAL, RUN)
    assert list(mentions.of(ACME, document_id)) == [RUN.run_id]

    mentions.forget(ACME, document_id)

    cut = runs.get(ACME, RUN.run_id)
    assert (cut.question, cut.answer, cut.passages, cut.citations, cut.claims) == (RUN.question, None, [], [], [])
    assert list(mentions.of(ACME, document_id)) == []
    assert runs.get(RIVAL, RUN.run_id).answer == RUN.answer


def test_an_answer_stands_when_only_a_passage_it_does_not_cite_is_deleted(table: Table) -> None:
    """The passage goes, the answer stays."""
    other = replace(RUN.passages[0], document_id=DocumentId("doc_other"))
    runs = Runs(table, retention_days=30)
    runs.add(ACME, replace(RUN, passages=[*RUN.passages, other]))
    Mentions(table).forget(ACME, DocumentId("doc_other"))
    cut = runs.get(ACME, RUN.run_id)
    assert (cut.answer, [one.document_id for one in cut.passages]) == (RUN.answer, [RUN.passages[0].document_id])


def test_a_run_is_forgotten_after_its_time(table: Table, clock: HandClock) -> None:
    """Retention is counted from the answer."""
    runs = Runs(table, retention_days=1)
    runs.add(ACME, RUN)
    clock.advance(86_399)
    assert runs.get(ACME, RUN.run_id).run_id == RUN.run_id
    clock.advance(2)
    with pytest.raises(NotFound):
        runs.get(ACME, RUN.run_id)


def test_runs_are_listed_newest_first_and_to_their_tenant_only(table: Table) -> None:
    """Pages follow each other without gap."""
    runs = Runs(table, retention_days=1)
    for number in range(5):
        runs.add(ACME, replace(RUN, run_id=RunId(f"run_{number}")))
    first, cursor = runs.list(ACME, limit=3, cursor=None)
    second, end = runs.list(ACME, limit=3, cursor=cursor)
    assert [run.run_id for run in [*first, *second]] == ["run_4", "run_3", "run_2", "run_1", "run_0"]
    assert end is None
    assert runs.list(RIVAL, limit=3, cursor=None) == ([], None)


def test_kinds_of_blocks_have_stable_names() -> None:
    """They are stored, so renaming one would orphan what is stored."""
    assert [kind.value for kind in BlockKind] == ["heading", "text", "list", "table", "code"]


def test_a_run_is_remembered_by_what_it_answered_until_its_time_is_up(table: Table, clock: HandClock) -> None:
    """Of its own tenant only."""
    runs = Runs(table, 30)
    remembered = RememberedAnswers(table, runs)
    runs.add(ACME, RUN)
    remembered.remember(ACME, "print", RUN, 60)
    assert remembered.find(ACME, "print") == runs.get(ACME, RUN.run_id)
    assert remembered.find(ACME, "another") is None
    assert remembered.find(RIVAL, "print") is None
    clock.advance(61)
    assert remembered.find(ACME, "print") is None


def test_an_answer_whose_document_was_deleted_is_remembered_no_more(table: Table) -> None:
    """Only the run is referred to, and deletion took the answer out of that."""
    runs = Runs(table, 30)
    remembered = RememberedAnswers(table, runs)
    runs.add(ACME, RUN)
    remembered.remember(ACME, "print", RUN, 60)
    Mentions(table).forget(ACME, PASSAGE.document_id)
    assert remembered.find(ACME, "print") is None
