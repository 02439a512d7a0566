"""What a release's policy makes of an answer with statements that are not borne out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from chalicelib.domain.releases import ClaimPolicy
from chalicelib.domain.runs import Claim, Verdict
from fargate.generation.abstention import nearest
from fargate.generation.claim_policy import Outcome, apply_policy
from fargate.generation.drafts import Draft, Statement
from tests.fakes.passages import passage

PASSAGES = [passage("Leave is thirty days.", 1), passage("Cars are washed.", 2), passage("Dogs stay home.", 3)]
SAID = ["Leave is thirty days.", "Cars fly.", "Dogs stay home."]


def outcome(policy: ClaimPolicy, text: str, verdicts: Sequence[Verdict]) -> Outcome:
    citations = nearest("leave cars dogs", PASSAGES)
    statements = [Statement(one, (marker,)) for marker, one in enumerate(SAID, 1)]
    claims = [Claim(one.text, verdict, one.citations) for one, verdict in zip(statements, verdicts, strict=True)]
    return apply_policy(policy, Draft(text, citations, statements), claims, "Dogs?", PASSAGES)


ONE_WRONG = [Verdict.SUPPORTED, Verdict.UNSUPPORTED, Verdict.UNCHECKED]
PROSE = "Leave is thirty days. [1] Cars fly. [2] Dogs stay home. [3]"


def test_mark_keeps_everything() -> None:
    """The verdicts tell."""
    found = outcome(ClaimPolicy.MARK, PROSE, ONE_WRONG)
    assert found.draft.text == PROSE
    assert len(found.claims) == 3
    assert found.told is None


def test_drop_leaves_the_statement_and_its_citation_out() -> None:
    """What stays is numbered anew, so that markers lead to their citations."""
    found = outcome(ClaimPolicy.DROP, PROSE, ONE_WRONG)
    assert found.draft.text == "Leave is thirty days. [1] Dogs stay home. [2]"
    assert [(one.marker, one.quote) for one in found.draft.citations] == [
        (1, "Leave is thirty days."),
        (2, "Dogs stay home."),
    ]
    assert [list(claim.citations) for claim in found.claims] == [[1], [2]]
    assert found.told is not None
    assert "1 of 3" in found.told


@pytest.mark.parametrize(
    ("verdicts", "text"),
    [
        (ONE_WRONG, "- Leave is thirty days. [1]\n- Dogs stay home. [2]"),
        ([Verdict.SUPPORTED, Verdict.SUPPORTED, Verdict.MISATTRIBUTED], "- Leave is thirty days. [1]\n- Cars fly. [2]"),
        ([Verdict.UNSUPPORTED, Verdict.SUPPORTED, Verdict.SUPPORTED], "- Cars fly. [1]\n- Dogs stay home. [2]"),
    ],
)
def test_a_list_loses_the_item_with_its_bullet(verdicts: Sequence[Verdict], text: str) -> None:
    """In the middle, at the end, at the beginning."""
    listed = "- Leave is thirty days. [1]\n- Cars fly. [2]\n- Dogs stay home. [3]"
    assert outcome(ClaimPolicy.DROP, listed, verdicts).draft.text == text


def test_a_text_that_does_not_hold_its_statements_is_put_together_from_them() -> None:
    """As where a marker stands within a statement."""
    found = outcome(ClaimPolicy.DROP, "Leave [1] is thirty days. Cars fly [2]. Dogs [3] stay home.", ONE_WRONG)
    assert found.draft.text == "Leave is thirty days. [1] Dogs stay home. [2]"


@pytest.mark.parametrize("policy", [ClaimPolicy.DROP, ClaimPolicy.REFUSE])
def test_an_answer_of_which_nothing_is_left_is_an_abstention(policy: ClaimPolicy) -> None:
    """With what came nearest."""
    found = outcome(policy, PROSE, [Verdict.UNSUPPORTED] * 3)
    assert found.draft.abstained
    assert [one.name for one in found.draft.nearest] == ["document 1", "document 2", "document 3"]
    assert not found.claims
    assert not found.draft.citations


def test_refuse_gives_nothing_of_an_answer_with_one_wrong_statement() -> None:
    """However right the others are."""
    found = outcome(ClaimPolicy.REFUSE, PROSE, ONE_WRONG)
    assert found.draft.abstained
    assert "Cars fly" not in found.draft.text


def test_what_is_unchecked_is_not_rejected() -> None:
    """Only what is known to be wrong is."""
    kept = outcome(ClaimPolicy.REFUSE, PROSE, [Verdict.SUPPORTED, Verdict.UNCHECKED, Verdict.SUPPORTED])
    assert kept.draft.text == PROSE
    assert replace(kept.draft, text="").abstained is False
