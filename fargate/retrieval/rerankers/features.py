"""What tells a passage that answers a question from one that only resembles it: numbers, each good where it is high."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.runs import Passage
from chalicelib.domain.stop_words import STOP_WORDS
from chalicelib.domain.words import words_of

_SHORTEST_STEM = 4
_LONGEST_STEM = 6
_ASKING_WORDS = """
    what which who whom whose when where why how do does did can could should would has have had i you he she we me my
    your our am been being than from so also may might must were shall here
"""
_ASKING = frozenset(_ASKING_WORDS.split())


@dataclass(frozen=True, slots=True)
class Pool:
    """
    A question among its passages, as words: stop words left out, the others cut to their beginnings.

    *asked* holds each word of the question once, *said* the words of each passage, of its name and of its headings.
    *rarity* tells how rare a word is in the pool, as BM25 has it: ln(1 + (n - df + .5) / (df + .5)).
    """

    asked: Sequence[str]
    said: Sequence[Collection[str]]
    fused_scores: Sequence[float]
    rarity: Mapping[str, float]

    @classmethod
    def of(cls, question: str, language: str, passages: Sequence[Passage]) -> Pool:
        """Read the *passages* of a *question*; all are taken for texts in *language*."""
        ignored = STOP_WORDS.get(language, frozenset()) | (_ASKING if language == "en" else frozenset())
        said = [frozenset(_stems(_read(one), ignored)) for one in passages]
        holding = Counter(word for words in said for word in words)
        rarity = {word: math.log(1 + (len(passages) - df + 0.5) / (df + 0.5)) for word, df in holding.items()}
        asked = list(dict.fromkeys(_stems(question, ignored)))
        return cls(asked, said, [one.score for one in passages], rarity)


def fused(pool: Pool) -> list[float]:
    """Give what the fusion said."""
    return list(pool.fused_scores)


def coverage(pool: Pool) -> list[float]:
    """
    Give how much of the question each passage speaks of, each word counted by its rarity; 0 to 1.

    Other than BM25 it asks neither how often, nor how long the passage is, nor how rare the word is elsewhere: among
    passages that are all about the topic, the word that only some of them have is the one that was asked about.
    """
    weights = {word: pool.rarity.get(word, 0.0) for word in pool.asked}
    total = math.fsum(weights.values())
    return [
        math.fsum(weight for word, weight in weights.items() if word in words) / total if total else 0.0
        for words in pool.said
    ]


FEATURES: Mapping[str, Callable[[Pool], list[float]]] = {"fused": fused, "coverage": coverage}


def scaled_features(question: str, language: str, passages: Sequence[Passage]) -> NDArray[np.float64]:
    """
    Give a row for each passage and a column for each of `FEATURES`: mean 0 and deviation 1, or 0 where all are alike.

    The row of a passage does not depend on the order of *passages*.
    """
    pool = Pool.of(question, language, passages)
    values = np.array([feature(pool) for feature in FEATURES.values()], np.float64).T
    if not len(values):
        return np.empty((0, len(FEATURES)))
    deviations = values.std(axis=0)
    return np.asarray((values - values.mean(axis=0)) / np.where(deviations > 1e-9, deviations, np.inf))


def _read(passage: Passage) -> str:
    return "\n".join((PurePath(passage.name).stem, *passage.heading_path, passage.context, passage.text))


def _stems(text: str, ignored: Collection[str]) -> list[str]:
    return [_stem(word) for word in map(str.casefold, words_of(text)) if word not in ignored]


def _stem(word: str) -> str:
    """
    Cut a word to four to six letters, and always by one if it has more: "cell" for "cells".

    Words cut to their beginnings meet their other forms without a stemmer for each language: McNamee and Mayfield,
    "Character N-Gram Tokenization for European Language Text Retrieval", Information Retrieval 7, 2004.
    """
    return word if len(word) <= _SHORTEST_STEM else word[: max(_SHORTEST_STEM, min(_LONGEST_STEM, len(word) - 1))]
