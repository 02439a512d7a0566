"""A follow-up made to stand alone by rules: with words of the turns before it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence, Set

from chalicelib.contracts.asking import Turn
from chalicelib.domain.stop_words import STOP_WORDS

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
