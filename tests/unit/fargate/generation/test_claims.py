"""A claim is supported only by a quote that stands where its citation says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chalicelib.domain.identifiers import ChunkId, DocumentId
from chalicelib.domain.runs import Citation, Verdict
from fargate.generation.claims import check_claims
from fargate.generation.drafts import Draft, Statement
from tests.fakes.passages import passage

TEXT = "Leave is **thirty** days. Ask early."
PASSAGE = passage(TEXT, start=100)
CITATION = Citation(
    1, PASSAGE.chunk_id, PASSAGE.document_id, "document 1", None, ("Top",), "Leave is **thirty** days.", 100, 125
)


def verdict(statement: Statement, *citations: Citation) -> Verdict:
    draft = Draft(statement.text, citations, [statement])
    return check_claims(draft, [PASSAGE])[0].verdict


@pytest.mark.parametrize("text", ["Leave is **thirty** days.", "Leave is thirty days."])
def test_a_quote_supports_itself(text: str) -> None:
    """As it stands, or without Markdown's signs."""
    assert verdict(Statement(text, (1,)), CITATION) is Verdict.SUPPORTED


@pytest.mark.parametrize(
    "wrong",
    [
        replace(CITATION, quote="Leave is **forty** days."),
        replace(CITATION, start=101, end=126),
        replace(CITATION, start=0, end=25),
        replace(CITATION, chunk_id=ChunkId("chk_9_00000")),
        replace(CITATION, document_id=DocumentId("doc_9")),
        replace(CITATION, quote="", end=100),
        replace(CITATION, marker=2),
    ],
)
def test_a_quote_that_does_not_stand_there_is_misattributed(wrong: Citation) -> None:
    """Another text, another place, another passage, another document, nothing at all, or a marker that is not there."""
    assert verdict(Statement("Leave is thirty days.", (1,)), wrong) is Verdict.MISATTRIBUTED


def test_one_wrong_quote_among_right_ones_is_misattributed() -> None:
    """Every marker of a statement must lead to what it says."""
    wrong = replace(CITATION, marker=2, quote="Ask late.")
    assert verdict(Statement("Leave is thirty days.", (1, 2)), CITATION, wrong) is Verdict.MISATTRIBUTED


def test_a_statement_without_citations_is_unsupported() -> None:
    """However true."""
    assert verdict(Statement("Leave is thirty days."), CITATION) is Verdict.UNSUPPORTED


def test_a_reworded_statement_is_left_to_a_judge() -> None:
    """Its quote stands, but whether that says the same is not for this check."""
    assert verdict(Statement("You have a month of leave.", (1,)), CITATION) is Verdict.UNCHECKED
