"""Which language a text is taken to be in."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fargate.ingestion.languages import SAMPLE_CHARACTERS, language_of


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("en", "Employees get thirty days of leave a year, and more after ten years."),
        ("de", "Urlaubsanträge werden schriftlich bei der Personalabteilung gestellt."),
        ("ar", "يجب تقديم طلبات الإجازة كتابيا إلى قسم الموارد البشرية قبل أسبوعين."),
        ("ja", "有給休暇は入社後六か月を経過した日から付与されます。"),
        ("zh", "员工入职满六个月后，即可按照公司规定申请带薪年假。"),
        ("pl", "Wniosek o urlop składa się na piśmie w dziale kadr."),
    ],
)
def test_a_sentence_tells_its_language(expected: str, text: str) -> None:
    """By its letters; the varieties of a language count to it, and the same text always tells the same."""
    assert [language_of(text, otherwise="xx") for _ in range(2)] == [expected, expected]


@pytest.mark.parametrize("text", ["", "Urlaub", "README.md", "1 2 3 4 5 6 7 8 9 " * 10, "\udc80" * 40])
def test_what_does_not_tell_is_left_to_the_index(text: str) -> None:
    """Too short, or no language at all."""
    assert language_of(text, otherwise="fi") == "fi"


def test_a_foreign_preface_does_not_decide() -> None:
    """The middle and the end have a say, however long the text."""
    preface = "This edition was prepared for the members of the society in London. " * 9
    body = "Urlaubsanträge werden schriftlich bei der Personalabteilung gestellt. " * 500
    assert len(preface) > SAMPLE_CHARACTERS
    assert language_of(preface + body, otherwise="en") == "de"


def test_the_model_is_loaded_when_it_is_needed() -> None:
    """Neither the service nor a text too short to tell pays for it."""
    code = (
        "import sys; from fargate.ingestion.languages import language_of; import fargate.ingestion.pipeline;"
        "language_of('Urlaub', otherwise='de'); print('py3langid' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
