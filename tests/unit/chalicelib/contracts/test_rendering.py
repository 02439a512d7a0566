"""Entities as the wire shows them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from chalicelib.contracts import rendering
from chalicelib.domain.access import Principal, Role, Tenant
from chalicelib.domain.credentials import ApiKey
from chalicelib.domain.documents import Document, DocumentStatus, DocumentVersion, Published, Rejection
from chalicelib.domain.identifiers import AttemptId, ChunkId, DocumentId, JobId, KeyId, ReleaseId, RunId, TenantId
from chalicelib.domain.indexes import ChunkContext, Component, Generation, GenerationStatus, Index, Recipe
from chalicelib.domain.jobs import Job, JobKind, JobStatus, Progress
from chalicelib.domain.runs import Citation, Claim, Ending, Passage, Reasons, Run, RunKind, Verdict

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ATTEMPT = AttemptId("att_1")
DOCUMENT = Document(
    document_id=DocumentId("doc_1"),
    index="handbook",
    name="leave.md",
    media_type=None,
    status=DocumentStatus.PROCESSING,
    latest_version=2,
    size_bytes=7,
    created_at=AT,
    updated_at=AT,
    acl=("hr", "board"),
)
PUBLISHED = Published(1, ATTEMPT, 1, 3, 4, "Leave", "en", "0" * 64)
PASSAGE = Passage(
    chunk_id=ChunkId("chk_1"),
    document_id=DocumentId("doc_1"),
    external_id=None,
    name="leave.md",
    version=1,
    page=2,
    heading_path=("Leave",),
    text="30 days.",
    start=0,
    end=8,
    score=0.5,
    reasons=Reasons(dense_rank=1, matched_terms=("day",)),
)


def test_a_document_shows_the_version_that_answers() -> None:
    """Its pages and chunks are those of the published version, and none before there is one."""
    before, after = DOCUMENT, replace(DOCUMENT, published=PUBLISHED)
    shown = [rendering.document_view(document) for document in (before, after)]
    assert [(one.version, one.pages, one.chunks) for one in shown] == [(0, None, 0), (1, 4, 3)]
    assert [one.latest_version for one in shown] == [2, 2]
    assert shown[0].acl == ["hr", "board"]


def test_a_document_says_why_it_failed() -> None:
    """Code and sentence."""
    shown = rendering.document_view(replace(DOCUMENT, error=Rejection("encrypted", "It needs a password.")))
    assert shown.error is not None
    assert (shown.error.code, shown.error.detail) == ("encrypted", "It needs a password.")


def test_a_version_says_whether_it_is_the_published_one() -> None:
    """Of the document as it stands."""
    version = DocumentVersion(DocumentId("doc_1"), 1, ATTEMPT, 7, None, None, "leave.md", AT)
    assert rendering.version_view(version, replace(DOCUMENT, published=PUBLISHED)).published
    assert not rendering.version_view(replace(version, number=2), replace(DOCUMENT, published=PUBLISHED)).published
    assert not rendering.version_view(version, DOCUMENT).published


def test_an_index_shows_the_parameters_of_its_recipe_beside_their_names() -> None:
    """As they are written in a request."""
    recipe = Recipe(chunker=Component("fixed", {"max_tokens": 64}), context=ChunkContext.NONE)
    index = Index("handbook", "All", Generation(3, recipe, GenerationStatus.LIVE, AT), AT, AT)
    shown = rendering.index_view(index).model_dump(mode="json")
    assert shown["recipe"]["chunker"] == {"name": "fixed", "max_tokens": 64}
    assert shown["recipe"]["context"] == "none"
    assert rendering.recipe_model(recipe).entity() == recipe
    assert (shown["generation"], shown["status"]) == (3, "live")


def test_a_job_shows_its_progress_and_its_error() -> None:
    """Field by field."""
    progress = Progress(3, 9, "embed", 1.5, 4.0)
    job = Job(
        JobId("job_1"),
        JobKind.INGEST,
        JobStatus.FAILED,
        AT,
        AT,
        progress=progress,
        error=Rejection("empty", "No text."),
    )
    shown = rendering.job_view(job).model_dump(mode="json")
    assert shown["progress"] == {"done": 3, "total": 9, "stage": "embed", "rate_per_s": 1.5, "eta_s": 4.0}
    assert shown["error"] == {"code": "empty", "detail": "No text."}


def test_a_passage_says_why_only_when_asked() -> None:
    """Reasons are for those who explain."""
    assert rendering.passage_view(PASSAGE, explain=False).explain is None
    explained = rendering.passage_view(PASSAGE, explain=True).explain
    assert explained is not None
    assert (explained.dense_rank, explained.matched_terms) == (1, ["day"])


def test_a_run_shows_everything_it_recorded() -> None:
    """Answer and evidence, under the names of the wire."""
    citation = Citation(1, ChunkId("chk_1"), DocumentId("doc_1"), "leave.md", 2, ("Leave",), "30 days.", 0, 8)
    run = Run(
        run_id=RunId("run_1"),
        kind=RunKind.QUERY,
        created_at=AT,
        created_by="ada",
        index="handbook",
        release_id=ReleaseId("rel_1"),
        question="How many?",
        passages=[PASSAGE],
        request={"question": "How many?"},
        timings_ms={"total": 1.0},
        trace_id="1-0-0",
        answer="30 days. [1]",
        abstained=False,
        citations=[citation],
        claims=[Claim("30 days.", Verdict.SUPPORTED, (1,))],
        model="local/extractive",
        ended=Ending.LENGTH,
    )
    shown = rendering.run_view(run).model_dump(mode="json")
    assert (shown["release"], shown["created_by"], shown["answer"]) == ("rel_1", "ada", "30 days. [1]")
    assert (shown["citations"][0]["quote"], shown["ended"]) == ("30 days.", "length")
    assert shown["claims"] == [
        {"text": "30 days.", "verdict": "supported", "citations": [1], "evidence": [], "reason": ""}
    ]
    assert shown["passages"][0]["explain"]["dense_rank"] == 1


def test_an_api_key_never_shows_its_digest() -> None:
    """Nor its tenant, which its reader knows."""
    key = ApiKey(
        KeyId("key_1"), TenantId("acme"), "ci", "d" * 64, frozenset({Role.READER}), frozenset({"b", "a"}), AT, "ada"
    )
    shown = rendering.key_view(key).model_dump(mode="json")
    assert "d" * 64 not in str(shown)
    assert shown["groups"] == ["a", "b"]


def test_the_caller_sees_the_permissions_of_all_its_roles() -> None:
    """Each once, in order."""
    principal = Principal(Tenant(TenantId("acme")), "ada", frozenset({Role.READER, Role.SERVICE}))
    shown = [permission.value for permission in rendering.me(principal).permissions]
    assert shown == ["ask", "feedback:write", "models:use", "self"]
