"""
What S3 Vectors searches in place of a text: the terms that our own analysis gives.

The value of the one searchable key is the text, and below it, on the last line, the text's language and its terms:
words of seven letters and digits, which the service's standard analyzer leaves as they are. Questions are asked in such
terms only. So each text is analysed in its own language, in every store alike, though the service knows ten languages
and gives each key one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from urllib.parse import quote, unquote

from fargate.adapters.lexical_analysis import WRITTEN_CHARACTERS, Analyser, QueryTerm, written

MAX_QUERY_CHARACTERS = 1_024
_SEARCHED = MAX_QUERY_CHARACTERS // (WRITTEN_CHARACTERS + 1)
_NO_LANGUAGE = "0"


def searchable(text: str, language: str | None, analyser: Analyser) -> str:
    """Give what is stored for *text*; `text_of` and `terms_of` take it apart."""
    words = chain.from_iterable([written(term)] * times for term, times in analyser.analyse(text).counted())
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
    return " ".join(written(form) for form in dict.fromkeys(forms))[: _SEARCHED * (WRITTEN_CHARACTERS + 1)].strip()


def matched(terms: Sequence[QueryTerm], held: frozenset[str]) -> list[str]:
    """Give the asker's words of which a text that has the terms *held* has any form."""
    return [term.word for term in terms if any(written(form) in held for form in term.terms)]
