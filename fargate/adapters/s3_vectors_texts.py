"""
What S3 Vectors searches in place of a text: the terms that our own analysis gives.

The value of the one searchable key is the text, and below it, on the last line, the text's language and its terms:
words of seven letters and digits, which the service's standard analyzer leaves as they are. Questions are asked in such
terms only. So each text is analysed in its own language, in every store alike, though the service knows ten languages
and gives each key one of them.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import chain
from urllib.parse import quote, unquote

from fargate.adapters.lexical_analysis import Analyser, QueryTerm

MAX_QUERY_CHARACTERS = 1_024
_DIGITS = "0123456789abcdefghijklmnopqrstuv"
_LENGTH = 7
_SEARCHED = MAX_QUERY_CHARACTERS // (_LENGTH + 1)
_NO_LANGUAGE = "0"


def searchable(text: str, language: str | None, analyser: Analyser) -> str:
    """Give what is stored for *text*; `text_of` and `terms_of` take it apart."""
    analysed = analyser.analyse(text)
    count = len(analysed.counts) // 2
    terms, counts = struct.unpack(f"<{count}Q", analysed.terms), struct.unpack(f"<{count}H", analysed.counts)
    words = chain.from_iterable([_word(term)] * times for term, times in zip(terms, counts, strict=True))
    return f"{text}\n{' '.join([quote(language, safe='') if language else _NO_LANGUAGE, *words])}"


def text_of(stored: str) -> tuple[str, str | None]:
    """Give back the text and its language."""
    text, _, line = stored.rpartition("\n")
    language = line.partition(" ")[0]
    return text, None if language == _NO_LANGUAGE else unquote(language)


def terms_of(stored: str) -> frozenset[str]:
    """Give the terms of a stored text."""
    return frozenset(stored.rpartition("\n")[2].split(" ")[1:])


def question(terms: Sequence[QueryTerm]) -> str:
    """
    Give the text to search for; empty where *terms* are.

    As many forms of words as the service takes, about 128: first one form of each, then the others.
    """
    rounds = max((len(term.terms) for term in terms), default=0)
    forms = [term.terms[turn] for turn in range(rounds) for term in terms if turn < len(term.terms)]
    return " ".join(_word(form) for form in dict.fromkeys(forms))[: _SEARCHED * (_LENGTH + 1)].strip()


def matched(terms: Sequence[QueryTerm], held: frozenset[str]) -> list[str]:
    """Give the asker's words of which a text that has the terms *held* has any form."""
    return [term.word for term in terms if any(_word(form) in held for form in term.terms)]


def _word(term: int) -> str:
    return "".join([_DIGITS[(term >> (5 * place)) & 31] for place in range(_LENGTH)])
