"""Facts that are written differently and mean the same, and those that do not."""

from __future__ import annotations

import pytest

from chalicelib.domain.runs import Verdict
from fargate.generation.claim_facts import names
from fargate.generation.claims import compare
from tests.fakes.passages import passage


@pytest.mark.parametrize(
    ("statement", "source"),
    [
        ("The volume holds 1,000 GB of data.", "The volume holds 1000 gigabytes of data."),
        ("Der Band fasst 1.000 GB Daten.", "Der Band fasst 1000 GB Daten."),
        ("Everybody has 30 days of leave.", "Everybody has thirty days of leave."),
        ("The discount on volumes is 25%.", "The discount on volumes is 25 percent."),
        ("The contract ended on 5 March 2024.", "The contract ended on 2024-03-05."),
        ("The contract ended in March 2024.", "The contract ended on March 5, 2024."),
        ("Instances can't be stopped by readers.", "Instances cannot be stopped by readers."),
    ],
)
def test_another_notation_is_supported(statement: str, source: str) -> None:
    """Separators, words for figures, units, dates, contractions."""
    assert compare(statement, [passage(source)]).verdict is Verdict.SUPPORTED


@pytest.mark.parametrize(
    ("statement", "source", "reason"),
    [
        ("Everybody has 31 days of leave.", "Everybody has thirty days of leave.", "number_not_in_source"),
        ("Everybody has thirty hours of leave.", "Everybody has thirty days of leave.", "unit_differs"),
        ("The contract ended on 6 March 2024.", "The contract ended on 2024-03-05.", "date_not_in_source"),
        ("The meeting was held in Paris by Anna.", "The meeting was held in London by Anna.", "name_not_in_source"),
        ("You can stop the instance.", "You can't stop the instance.", "negation_differs"),
        ("Der Zugang ist nicht erlaubt.", "Der Zugang ist erlaubt.", "negation_differs"),
        ("L'accès n'est pas permis aux lecteurs.", "L'accès est permis aux lecteurs.", "negation_differs"),
        ("Encryption is enabled on the volume.", "Encryption is disabled on the volume.", "opposite_words"),
        ("The volume is encrypted at rest.", "The volume is unencrypted at rest.", "opposite_words"),
        ('The manual says "leave is for everybody who asks".', "Leave is for those who ask.", "quote_not_there"),
    ],
)
def test_another_fact_is_rejected_with_its_reason(statement: str, source: str, reason: str) -> None:
    """Whatever share of the words is the same."""
    found = compare(statement, [passage(source)])
    assert found.verdict in (Verdict.UNSUPPORTED, Verdict.MISATTRIBUTED)
    assert found.reason == reason


def test_a_figure_of_another_sentence_does_not_pass() -> None:
    """The passage holds both, but says something else with each."""
    source = passage("Managers have forty days of leave.\n\nParking costs 12 dollars.")
    assert compare("Managers have twelve days of leave.", [source]).verdict is not Verdict.SUPPORTED


def test_names_are_capitals_within_a_sentence_and_identifiers() -> None:
    """The first word of a sentence is none, nor are German nouns."""
    assert names("The team of Anna uses Amazon EBS and `ec2-user`. It works.") == ["anna", "amazon", "ebs", "ec2-user"]
    assert names("Der Zugang und die Daten sind für die GmbH.") == ["gmbh"]
