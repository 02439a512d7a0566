"""What a stranger meets after `make run`."""

from __future__ import annotations

import stat
from pathlib import Path

from chalicelib.client.api import Client
from chalicelib.contracts.asking import QueryRequest, RetrieveRequest
from chalicelib.contracts.documents import DocumentCreate
from chalicelib.contracts.indexes import IndexCreate
from chalicelib.domain.documents import DocumentStatus
from fargate.standalone.first_start import SAMPLE_QUESTION, golden_cases
from tests.e2e.running import RunningPlatform, running_platform


def test_the_admin_key_is_its_owner_alone_to_read(platform: RunningPlatform) -> None:
    """File mode 0600, in a folder of mode 0700."""
    assert stat.S_IMODE((platform.folder / "admin.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(platform.folder.stat().st_mode) == 0o700


def test_the_sample_is_read_in_every_format(client: Client) -> None:
    """Markdown, HTML, PDF and DOCX are all searchable, and nothing failed."""
    documents = list(client.documents(index="sample"))
    assert {document.status for document in documents} == {DocumentStatus.READY}
    assert {Path(document.name).suffix for document in documents} == {".md", ".html", ".pdf", ".docx"}
    assert all(document.chunks > 0 for document in documents)
    assert all(document.pages for document in documents if document.name.endswith(".pdf"))


def test_the_first_question_is_answered_with_citations(client: Client) -> None:
    """Without naming an index, a release or a model."""
    answer = client.query(QueryRequest(question=SAMPLE_QUESTION))
    assert not answer.abstained
    assert "can't stop a DB instance that has a read replica" in answer.answer
    assert any(citation.name == "USER_StopInstance.md" for citation in answer.citations)
    assert [f"[{citation.marker}]" in answer.answer for citation in answer.citations] == [True] * len(answer.citations)


def test_golden_questions_find_their_documents(client: Client) -> None:
    """The sample's own questions: the document that answers is among the first ten passages of nine in ten."""
    cases = list(golden_cases())
    found = 0
    for case in cases:
        passages = client.retrieve(RetrieveRequest(question=case["question"])).passages
        found += case["document"] in {passage.external_id for passage in passages}
    assert found >= 0.9 * len(cases)


def test_a_second_start_keeps_everything_and_says_so(tmp_path: Path) -> None:
    """Ctrl-C ends it cleanly; documents, key and releases are there again."""
    question = QueryRequest(question="How many days of leave are there?", index="handbook")
    with running_platform(tmp_path / "data", RAGSTONE_SAMPLE="0") as platform:
        with platform.client() as client:
            client.create_index(IndexCreate(name="handbook"))
            leave = DocumentCreate(index="handbook", name="leave.md", text="There are thirty days of leave.")
            client.wait_for_documents([client.create_document(leave).document.document_id], timeout_s=60)
            before = client.query(question)
        first = platform.stop()
        assert platform.key in first
        platform.start()
        with platform.client() as client:
            after = client.query(question)
        second = platform.stop()
    assert not before.abstained
    assert (after.answer, after.release, after.citations) == (before.answer, before.release, before.citations)
    assert platform.key not in second


def test_without_the_sample_it_starts_empty(tmp_path: Path) -> None:
    """`RAGSTONE_SAMPLE=0`."""
    with running_platform(tmp_path / "data", RAGSTONE_SAMPLE="0") as platform, platform.client() as client:
        assert list(client.indexes()) == []


def test_a_second_process_on_the_same_folder_is_refused(platform: RunningPlatform) -> None:
    """It says who has the folder, and the first goes on."""
    second = RunningPlatform(platform.folder, platform.port + 1).command("up")
    assert second.returncode == 2
    assert "another Ragstone" in second.stdout + second.stderr


def test_a_taken_port_is_refused_by_name(platform: RunningPlatform, tmp_path: Path) -> None:
    """It names the variable to change."""
    second = RunningPlatform(tmp_path / "data", platform.port).command("up")
    assert second.returncode == 2
    assert "RAGSTONE_PORT" in second.stdout + second.stderr


def test_an_unknown_setting_is_refused_by_name(tmp_path: Path) -> None:
    """A typing error never passes silently."""
    started = RunningPlatform(tmp_path / "data", 1, {"RAGSTONE_SAMPEL": "0"}).command("up")
    assert started.returncode == 2
    assert "did you mean RAGSTONE_SAMPLE" in started.stdout + started.stderr
