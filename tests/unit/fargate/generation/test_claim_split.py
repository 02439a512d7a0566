"""Statements of an answer with the markers that belong to each."""

from __future__ import annotations

import pytest

from fargate.generation.claim_split import split


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Leave is thirty days. [1] Cars are washed. [2]", [("Leave is thirty days.", [1]), ("Cars are washed.", [2])]),
        ("Leave is thirty days [1][2]. Cars, e.g. vans, are washed [3].", [
            ("Leave is thirty days.", [1, 2]), ("Cars, e.g. vans, are washed.", [3])]),
        ("Leave is thirty days. Ask early. [1]", [("Leave is thirty days.", [1]), ("Ask early.", [1])]),
        ("These are the rules:\n\n- Ask early. [1]\n- Stay home. [2]", [("Ask early.", [1]), ("Stay home.", [2])]),
        ("Ask early.\n\nStay home. [1]", [("Ask early.", []), ("Stay home.", [1])]),
        ("请假需要申请。[1]汽车每周五清洗。[2]", [("请假需要申请。", [1]), ("汽车每周五清洗。", [2])]),
        ("| Day | Rule |\n| --- | --- |\n| Friday | Cars are washed [1] |", [("| Friday | Cars are washed |", [1])]),
    ],
)  # fmt: skip
def test_markers_go_with_what_they_stand_behind(text: str, expected: list[tuple[str, list[int]]]) -> None:
    """Prose, items, rows, in scripts with and without spaces."""
    assert [(one.text, list(one.citations)) for one in split(text)] == expected


def test_nothing_said_is_no_statement() -> None:
    """Nor are a heading, a lead-in or a question."""
    assert split("") == []
    assert split("# Rules\n\nThe rules are:\n\nWhich ones do you want?") == []
