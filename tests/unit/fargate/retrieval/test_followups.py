"""How a follow-up is made to stand alone."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.contracts.asking import Turn
from fargate.retrieval.followups import ADDED_WORDS, standalone


def said(*contents: str) -> list[Turn]:
    """Give turns of user and assistant in turn."""
    return [Turn(role=("user", "assistant")[place % 2], content=content) for place, content in enumerate(contents)]


def test_a_follow_up_gets_the_words_of_the_turn_before() -> None:
    """What it refers to stands there."""
    turns = said("What is the parental leave in Norway?", "Twelve months.")
    assert standalone("Who pays for it?", turns, "en") == "Who pays for it? parental leave norway"


def test_a_question_that_stands_alone_is_left_as_it_is() -> None:
    """It has enough words of its own and refers to nothing."""
    question = "How long does a parental leave last in Norway?"
    assert standalone(question, said("Can I park my bicycle?", "Yes."), "en") == question


def test_a_question_without_turns_is_left_as_it_is() -> None:
    """There is nothing to add."""
    assert standalone("And then?", [], "en") == "And then?"


def test_words_that_the_last_answer_takes_up_come_first() -> None:
    """They are what the conversation is about."""
    turns = said("Is my bicycle insured against theft?", "Theft is insured, and damage by theft too.")
    assert standalone("Why?", turns, "en") == "Why? theft insured bicycle against"


def test_later_turns_count_more_and_old_ones_not_at_all() -> None:
    """The last two of the user are read."""
    turns = said("Alpha beta gamma?", "-", "Delta epsilon zeta?", "-", "Eta theta iota kappa?", "-")
    assert standalone("And that?", turns, "en") == "And that? eta theta iota kappa delta"


def test_words_of_the_question_are_not_added_again() -> None:
    """In whatever case they stand."""
    assert standalone("Theft?", said("Insured against THEFT?"), "en") == "Theft? insured against"


def test_a_short_question_follows_in_every_language_with_stop_words() -> None:
    """Its stop words are not added."""
    turns = said("Wie lange dauert die Elternzeit?")
    assert standalone("Und bezahlt?", turns, "de") == "Und bezahlt? lange dauert elternzeit"


def test_a_language_without_stop_words_is_left_alone() -> None:
    """What its telling words are cannot be told."""
    assert standalone("なぜ?", said("育児休暇は?"), "ja") == "なぜ?"


@given(
    st.text(max_size=60),
    st.lists(st.builds(Turn, role=st.sampled_from(["user", "assistant"]), content=st.text(max_size=60)), max_size=6),
    st.sampled_from(["en", "ar", "ja"]),
)
def test_the_question_stays_and_few_words_are_added(question: str, turns: Sequence[Turn], language: str) -> None:
    """Whatever was said."""
    reworded = standalone(question, turns, language)
    assert reworded.startswith(question)
    assert len(reworded) <= len(question) + ADDED_WORDS * 200
