"""The question as it is searched: a follow-up is made to stand alone, with words of the turns before it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass

from chalicelib.contracts.asking import Turn
from chalicelib.domain.indexes import Component
from chalicelib.domain.stop_words import STOP_WORDS
from chalicelib.errors import InvalidRequest

ADDED_WORDS = 5
TURNS_READ = 2
"""How many of the user's earlier turns are read."""
FEW_WORDS = 2
"""A question of so many words of its own, or fewer, is taken for a follow-up."""

_WORD = re.compile(r"\w{1,64}(?:[-'’]\w{1,64})?")
_OPENINGS = ("and ", "also ", "but ", "how about ", "i mean ", "ok ", "or ", "so ", "then ", "what about ", "why")
_REFERRING_WORDS = (
    "another both else former he hers him his her here it its it's latter one ones other same she so such that them "
    "there these they this those which"
)
_WORDS_SAYING_LITTLE = (
    "about am any been can could did do does doing done explain from get give good had has have hello help hi how i "
    "i'd i'm just know let like make many may me mean more most much must my need our please really shall should show "
    "some tell thank thanks than thing things think too us use used very want way ways we were what what's when where "
    "who whom whose why work would yes you your"
)
_REFERRING = frozenset(_REFERRING_WORDS.split())
_SAYING_LITTLE = frozenset(_WORDS_SAYING_LITTLE.split())


@dataclass(frozen=True, slots=True)
class Transform:
    """An entry of the registry; *function* takes the question, the turns before it and the index's language."""

    name: str
    description: str
    function: Callable[[str, Sequence[Turn], str], str]


def standalone(question: str, turns: Sequence[Turn], language: str) -> str:
    """
    Give *question*, with the most telling words of *turns* (oldest first) behind it where it seems to follow them.

    It does when it has few words of its own, refers to something (English only), or opens as a follow-up does. Telling
    are words of the user's last two turns, the later the more so, and those that the last answer takes up again. That
    terms of earlier turns resolve a follow-up: Voskarides and others, SIGIR 2020 (QuReTeC, a trained model); the rules
    are ours. A language without a list of stop words is left alone, since its telling words cannot be told.
    """
    stop_words = STOP_WORDS.get(language)
    if stop_words is None or not turns:
        return question
    ignored = stop_words | _REFERRING | _SAYING_LITTLE if language == "en" else stop_words
    if not _follows(question, ignored, language):
        return question
    return " ".join([question, *_telling(question, turns, ignored)])


def _follows(question: str, ignored: Set[str], language: str) -> bool:
    folded = question.casefold().lstrip()
    if len(set(_own_words(question, ignored))) <= FEW_WORDS:
        return True
    return language == "en" and (folded.startswith(_OPENINGS) or not _REFERRING.isdisjoint(_WORD.findall(folded)))


def _telling(question: str, turns: Sequence[Turn], ignored: Set[str]) -> list[str]:
    """Give at most `ADDED_WORDS` words that *question* lacks, most telling first; equal ones as they were said."""
    asked = [turn.content for turn in turns if turn.role == "user"][-TURNS_READ:]
    answered = [turn.content for turn in turns if turn.role == "assistant"][-1:]
    weights: defaultdict[str, float] = defaultdict(float)
    for age, text in enumerate(reversed(asked), 1):
        for word in dict.fromkeys(_own_words(text, ignored)):
            weights[word] += 1 / age
    repeated = Counter(word for text in answered for word in _own_words(text, ignored))
    for word in weights:
        weights[word] += min(repeated[word], 5) / 5
    present = {word.casefold() for word in _WORD.findall(question)}
    ordered = sorted(weights, key=lambda word: -weights[word])
    return [word for word in ordered if word not in present][:ADDED_WORDS]


def _own_words(text: str, ignored: Set[str]) -> list[str]:
    folded = (word.casefold() for word in _WORD.findall(text))
    return [word for word in folded if len(word) > 1 and word not in ignored]


TRANSFORMS: Mapping[str, Transform] = {
    transform.name: transform
    for transform in (
        Transform("conversation", "A follow-up gets telling words of the turns before it", standalone),
        Transform("none", "The question as it was asked", lambda question, _turns, _language: question),
    )
}


def transform_of(choice: Component) -> Callable[[str, Sequence[Turn], str], str]:
    """Give the function that *choice* names. Raises `InvalidRequest` for what is not known."""
    transform = TRANSFORMS.get(choice.name)
    if transform is None:
        raise InvalidRequest(f"There is no transform {choice.name!r}; choose one of {', '.join(TRANSFORMS)}.")
    return transform.function
