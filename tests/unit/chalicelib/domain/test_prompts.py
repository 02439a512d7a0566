"""Templates: what they may hold, and what becomes of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.prompts import Part, PromptVersion, faults, filled, parts_of

USER = "{{passages}}\n{{question}}"


def test_variables_are_replaced_once() -> None:
    """Braces in what takes their place stay what they are: a question cannot bring in the passages a second time."""
    values = {"question": "What is {{passages}} or {{index}}?", "passages": "{{question}} $question %s {0}"}
    assert filled("{{ passages }}|{{question}}", values) == f"{values['passages']}|{values['question']}"


@given(st.text(), st.text())
def test_no_value_is_read_as_a_template(question: str, passages: str) -> None:
    """Whatever people ask and documents say."""
    assert filled("[{{passages}}][{{question}}]", {"question": question, "passages": passages}) == (
        f"[{passages}][{question}]"
    )


def test_four_braces_come_to_two() -> None:
    """For prompts that speak of templates; a single brace is a brace."""
    assert filled("{{{{x}} {y} }} {{index}}", {"index": "i"}) == "{{x}} {y} }} i"


@pytest.mark.parametrize(
    ("system", "user", "part", "says"),
    [
        ("{{nope}}", USER, Part.SYSTEM, "no variable 'nope'"),
        ("{{question}}", USER, Part.SYSTEM, "no variable 'question'"),
        ("{{passages}}", USER, Part.SYSTEM, "no variable 'passages'"),
        ("Be {{", USER, Part.SYSTEM, "four for two"),
        ("{{index.__class__}}", USER, Part.SYSTEM, "four for two"),
        ("{{7*7}}", USER, Part.SYSTEM, "four for two"),
        ("{{index|safe}}", USER, Part.SYSTEM, "four for two"),
        ("{{#index}}x{{/index}}", USER, Part.SYSTEM, "four for two"),
        ("", "{{question}}", Part.USER, "{{passages}} must stand here exactly once"),
        ("", "{{passages}}", Part.USER, "{{question}} must stand here exactly once"),
        ("", USER + "{{ question }}", Part.USER, "{{question}} must stand here exactly once"),
        ("", USER + "{{Question}}", Part.USER, "no variable 'Question'"),
        ("", "", Part.USER, "{{passages}}"),
    ],
)
def test_what_is_no_prompt_is_told(system: str, user: str, part: Part, says: str) -> None:
    """With the template it stands in, and what to write."""
    found = faults(system, user)
    assert found[0].part is part
    assert says in found[0].message


def test_a_prompt_without_faults_can_be_filled() -> None:
    """With every variable of each part."""
    system, user = "{{index}} {{date}}", USER + "{{index}}{{date}}{{{{"
    assert faults(system, user) == []
    values = {"index": "i", "date": "d", "passages": "p", "question": "q"}
    assert (filled(system, values), filled(user, values)) == ("i d", "p\nqid{{")


@pytest.mark.parametrize(
    ("reference", "parts"),
    [("helpdesk", ("helpdesk", None)), ("help-desk@12", ("help-desk", 12)), ("a:production", ("a", "production"))],
)
def test_a_reference_has_a_version_a_label_or_neither(reference: str, parts: tuple[str, int | str | None]) -> None:
    """As requests write it."""
    assert parts_of(reference) == parts


def test_a_version_knows_its_reference() -> None:
    """It is what `parts_of` reads."""
    version = PromptVersion("helpdesk", 3, "", USER, datetime(2026, 1, 1, tzinfo=UTC), "ann")
    assert parts_of(version.reference) == ("helpdesk", 3)
