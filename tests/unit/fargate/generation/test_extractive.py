"""Answers made of the documents' own sentences, or none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.indexes import Component, Recipe
from chalicelib.domain.releases import GenerationSettings, ReleaseConfig
from chalicelib.domain.runs import Passage
from chalicelib.errors import Unavailable
from fargate.generation.claims import check_claims
from fargate.generation.drafts import Draft
from fargate.generation.extractive import MAX_PASSAGES, ExtractiveAnswerer
from tests.fakes.embedder import BagOfWords
from tests.fakes.passages import passage

LEAVE = "## Leave\n\nEverybody has **thirty days** of leave. Ask your manager early. Cars are washed on Fridays."
QUESTION = "how many days of leave has everybody"


def answered(
    passages: Sequence[Passage], question: str = QUESTION, embedder: BagOfWords | None = None, **wanted: float
) -> tuple[list[str], Draft]:
    """Give the pieces and the draft."""
    config = ReleaseConfig("handbook", 1, Recipe(), answer=GenerationSettings(**wanted))  # type: ignore[arg-type]

    async def write() -> tuple[list[str], Draft]:
        answerer = ExtractiveAnswerer({"local/minilm": embedder or BagOfWords()})
        *pieces, draft = [piece async for piece in answerer.write(question, passages, config)]
        assert isinstance(draft, Draft)
        return [piece for piece in pieces if isinstance(piece, str)], draft

    return asyncio.run(write())


def test_the_sentence_that_answers_is_quoted_with_its_place() -> None:
    """The answer shows it without Markdown, the quote is what stands in the document."""
    _, draft = answered([passage(LEAVE, start=1_000, cosine=0.9)], max_sentences=1)
    assert draft.text == "Everybody has thirty days of leave. [1]"
    (citation,) = draft.citations
    assert citation.quote == "Everybody has **thirty days** of leave."
    assert LEAVE[citation.start - 1_000 : citation.end - 1_000] == citation.quote
    assert (citation.marker, citation.document_id, citation.heading_path) == (1, "doc_1", ("Top",))
    assert not draft.abstained


def test_the_pieces_are_the_words_of_the_answer() -> None:
    """Put together they are the whole text."""
    pieces, draft = answered([passage(LEAVE, cosine=0.9)], max_sentences=1)
    assert "".join(pieces) == draft.text
    assert len(pieces) == len(draft.text.split())


def test_nothing_is_answered_when_the_best_sentence_is_worth_too_little() -> None:
    """The text says which documents were searched; there are no citations and no claims."""
    found = [passage("Cars are washed on Fridays.", number, cosine=0.1) for number in (1, 2, 3, 4, 5)]
    pieces, draft = answered(found)
    assert draft.abstained
    assert (draft.citations, draft.statements) == ((), ())
    assert "document 1, document 2, document 3 and 2 more" in draft.text
    assert "".join(pieces) == draft.text


@pytest.mark.parametrize("found", [[], [passage("---")]])
def test_without_a_sentence_nothing_is_answered(found: list[Passage]) -> None:
    """No passage at all, or none that says anything."""
    _, draft = answered(found, abstain_below=-1)
    assert draft.abstained


def test_the_passage_counts_as_much_as_its_sentence() -> None:
    """Of two equal sentences the one from the nearer passage answers."""
    same = "Everybody has thirty days."
    _, draft = answered([passage(same, 1, cosine=0.2), passage(same, 2, cosine=0.9)], max_sentences=1)
    assert draft.citations[0].document_id == "doc_2"


def test_a_passage_that_only_the_lexical_leg_found_is_compared_too() -> None:
    """Its cosine is not known, so it is embedded."""
    embedder = BagOfWords()
    _, draft = answered([passage(LEAVE)], embedder=embedder, abstain_below=0.3)
    assert not draft.abstained
    assert LEAVE in embedder.embedded


def test_sentences_stand_in_reading_order_and_none_twice() -> None:
    """Best passage first; what says the same is said once, also where two passages overlap."""
    text = "Days of leave: everybody has thirty. Everybody has thirty days of leave."
    found = [passage(text, 1, cosine=0.9), passage("Everybody has thirty days of leave.", 2, cosine=0.9)]
    _, draft = answered(found)
    places = [citation.start for citation in draft.citations]
    assert places == sorted(places)
    assert [citation.marker for citation in draft.citations] == list(range(1, len(places) + 1))
    assert len({citation.quote for citation in draft.citations}) == len(draft.citations)


def test_questions_and_headings_do_not_answer() -> None:
    """Though they are nearer to the question than anything; unless there is nothing else."""
    text = "How many days of leave has everybody?\n\nDays of leave\n\nEverybody has thirty days of leave."
    _, draft = answered([passage(text, cosine=0.9)])
    assert [citation.quote for citation in draft.citations] == ["Everybody has thirty days of leave."]
    _, only = answered([passage("Days of leave: thirty", cosine=0.9)])
    assert not only.abstained


def test_what_was_embedded_is_the_usage_and_costs_nothing() -> None:
    """The question and the sentences; the passage's cosine was known."""
    _, draft = answered([passage("Thirty days. Ask early.", cosine=0.9)], question="how many days")
    assert draft.usage.input_tokens == 3 + 2 + 2
    assert (draft.usage.cost_usd_micros, draft.usage.unpriced) == (0, False)


def test_an_embedder_that_does_not_run_here_is_said_so() -> None:
    """The message names it."""
    config = ReleaseConfig("handbook", 1, Recipe(embedder=Component("other/one")))

    async def write() -> None:
        async for _ in ExtractiveAnswerer({}).write(QUESTION, [passage(LEAVE)], config):
            pass

    with pytest.raises(Unavailable, match="other/one"):
        asyncio.run(write())


KEPT = "Everybody has thirty days of leave. Everybody takes days of leave in winter."


@pytest.mark.parametrize(
    ("question", "sentences"),
    [("days of leave for everybody", 1), ("days of leave for everybody when winter comes to Leipzig", 2)],
)
def test_nothing_is_added_to_a_sentence_that_says_what_was_asked(question: str, sentences: int) -> None:
    """Once two thirds of the question's words are said, what comes next is rarely the answer."""
    _, draft = answered([passage(KEPT, cosine=0.9)], question, abstain_below=0.1)
    assert len(draft.citations) == sentences


words = st.lists(st.sampled_from(["leave", "days", "**thirty**", "[1]", "|", "\n\n", "- ", "Dr.", "end.", "why?"]))


@settings(deadline=None)
@given(st.lists(words.map(" ".join), max_size=6), st.floats(0, 1), st.integers(1, 5))
def test_every_quote_is_exact_and_every_claim_is_supported(texts: list[str], cosine: float, at_most: int) -> None:
    """Whatever the passages hold: as many markers as citations, from few passages, at most as many as wanted."""
    found = [passage(text, number, start=number * 7, cosine=cosine) for number, text in enumerate(texts)]
    _, draft = answered(found, abstain_below=0.2, max_sentences=at_most)
    by_chunk = {one.chunk_id: one for one in found}
    for citation in draft.citations:
        source = by_chunk[citation.chunk_id]
        assert source.text[citation.start - source.start : citation.end - source.start] == citation.quote
        assert draft.text.count(f"[{citation.marker}]") == 1
    assert len(draft.citations) == len(draft.statements) <= at_most
    assert len({citation.chunk_id for citation in draft.citations}) <= MAX_PASSAGES
    assert {claim.verdict.value for claim in check_claims(draft, found)} <= {"supported"}
    assert draft.abstained == (not draft.citations)
