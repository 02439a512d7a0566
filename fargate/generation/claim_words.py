"""The words of a statement that carry what it says, in forms that match those of a passage."""

from __future__ import annotations

from chalicelib.domain.stop_words import STOP_WORDS
from chalicelib.domain.words import words_of
from fargate.generation.claim_facts import FACT_WORDS

STEM = 6
"""Longer words count by their first characters: endings differ between a passage and what is made of it."""

_CONTRACTED = "can cannot don doesn isn aren wasn weren won hasn haven didn couldn shouldn wouldn t s ll re ve"
_IDLE = frozenset().union(_CONTRACTED.split(), FACT_WORDS, *STOP_WORDS.values())
"""Negations and what belongs to a figure or a date are compared by themselves."""


def content_words(text: str) -> set[str]:
    """
    Give the words of *text* that carry something, case-folded and cut to `STEM` characters.

    Left out are stop words of any language and figures, which are compared by what they come to. Where nothing else is
    said, all words count.
    """
    words = {word.casefold() for word in words_of(text)}
    return {stem(word) for word in words if carries(word)} or {stem(word) for word in words}


def carries(word: str) -> bool:
    """Say whether the case-folded *word* is neither a stop word nor a figure."""
    return word not in _IDLE and not word.isdecimal()


def stem(word: str) -> str:
    """Give *word* as it is compared: its first characters; without the English plural where it is short."""
    return word[:STEM] if len(word) > STEM else word.removesuffix("s") if len(word) > 3 else word
