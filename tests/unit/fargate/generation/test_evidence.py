"""The place in a passage that best says a statement."""

from __future__ import annotations

from fargate.generation.evidence import locate
from tests.fakes.passages import passage

TEXT = (
    "Cars are washed on Fridays. Everybody has thirty days of leave. It is asked for in writing.\n\n- Dogs stay home."
)


def test_the_sentence_that_says_it_is_found_at_its_place_in_the_document() -> None:
    """Offsets are the document's, not the passage's."""
    span = locate("Leave is thirty days for everybody", passage(TEXT, start=100))
    assert span is not None
    assert span.quote == "Everybody has thirty days of leave."
    assert TEXT[span.start - 100 : span.end - 100] == span.quote


def test_a_statement_of_two_sentences_takes_both() -> None:
    """The run grows while a neighbour holds words that are missing."""
    span = locate("Everybody has thirty days of leave, asked for in writing", passage(TEXT))
    assert span is not None
    assert span.quote == "Everybody has thirty days of leave. It is asked for in writing."


def test_a_passage_that_says_nothing_of_it_has_no_place() -> None:
    """Nor has an empty one."""
    assert locate("The moon is made of cheese", passage(TEXT)) is None
    assert locate("The moon is made of cheese", passage("")) is None


def test_code_is_looked_at_line_by_line() -> None:
    """A passage without a sentence has lines."""
    span = locate("Run the command ragstone up", passage("```\nls\nragstone up --verbose\n```"))
    assert span is not None
    assert span.quote == "ragstone up --verbose"
