"""
Text to searchable terms: words folded and stemmed as their language has it, pairs of characters where no spaces are.

Words are those of `domain.words`, case-folded; stop words are left out; Snowball stems the languages it knows.
"""

from __future__ import annotations

import struct
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import Stemmer

from chalicelib.domain.stop_words import STOP_WORDS
from chalicelib.domain.words import words_of

TERM_BITS = 48
MAX_COUNT = 2**16 - 1
WRITTEN_CHARACTERS = 7
MAX_REMEMBERED_WORDS = 200_000

_DIGITS = "0123456789abcdefghijklmnopqrstuv"
_SNOWBALL = {
    "ar": "arabic",
    "ca": "catalan",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "et": "estonian",
    "eu": "basque",
    "fi": "finnish",
    "fr": "french",
    "ga": "irish",
    "hi": "hindi",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "nb": "norwegian",
    "ne": "nepali",
    "nl": "dutch",
    "nn": "norwegian",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
    "yi": "yiddish",
}


@dataclass(frozen=True, slots=True)
class AnalysedText:
    """The distinct *terms* of a text as 48-bit hashes in uint64, and how often each occurs, as uint16."""

    terms: bytes
    counts: bytes

    def counted(self) -> Iterator[tuple[int, int]]:
        """Give each term with how often it occurs."""
        count = len(self.counts) // 2
        return zip(struct.unpack(f"<{count}Q", self.terms), struct.unpack(f"<{count}H", self.counts), strict=True)


@dataclass(frozen=True, slots=True)
class QueryTerm:
    """
    A word to look for: its *terms*, one for each language that has another, any of which is as good as the others.

    *count* says how often the question has it, *word* how it was written first.
    """

    terms: tuple[int, ...]
    count: int
    word: str


class Analyser:
    """Analyses the texts of one language; safe from any thread."""

    def __init__(self, language: str) -> None:
        self.term: Callable[[str], int | None] = _Terms(language).__getitem__
        """Gives the term of a word, None for a stop word."""

    def analyse(self, text: str) -> AnalysedText:
        """Give the terms of a text that is to be found."""
        counted = Counter(map(self.term, words_of(text)))
        counted.pop(None, None)
        counts = (min(count, MAX_COUNT) for count in counted.values())
        return AnalysedText(struct.pack(f"<{len(counted)}Q", *counted), struct.pack(f"<{len(counted)}H", *counts))

    def query_terms(self, text: str) -> list[QueryTerm]:
        """Give the terms of a question, in order; empty where it holds nothing but stop words and signs."""
        return _counted((word, _distinct([self.term(word)])) for word in words_of(text))


class Analysers:
    """The analysers of all languages, each made when it is first needed; safe from any thread."""

    def __init__(self) -> None:
        self._made: dict[str, Analyser] = {}

    def of(self, language: str) -> Analyser:
        """Give the analyser of *language*; those that have neither stems nor stop words here share one."""
        known = analysed_as(language)
        return self._made.get(known) or self._made.setdefault(known, Analyser(known))

    def query_terms(self, text: str, languages: Collection[str], otherwise: str) -> list[QueryTerm]:
        """
        Give the terms of a question put to texts of all *languages*, in order: each word as each of them has it.

        Stop words are those of the question's own language: the one it has most of, *otherwise* where that is a draw.
        """
        searched = list(dict.fromkeys(self.of(language) for language in sorted(languages) or [otherwise]))
        if len(searched) == 1:
            return searched[0].query_terms(text)
        words = list(words_of(text))
        own = max([self.of(otherwise), *searched], key=lambda one: sum(one.term(word) is None for word in words))
        telling = (word for word in words if own.term(word) is not None)
        return _counted((word, _distinct([one.term(word) for one in searched])) for word in telling)


def analysed_as(language: str) -> str:
    """Give *language*, or the empty string for those that have neither stems nor stop words here, which are as one."""
    return language if language in _SNOWBALL or language in STOP_WORDS else ""


def written(term: int) -> str:
    """Give *term* as a word of `WRITTEN_CHARACTERS` letters and digits, for stores that search words; 35 bits of it."""
    return "".join([_DIGITS[(term >> (5 * place)) & 31] for place in range(WRITTEN_CHARACTERS)])


def _distinct(terms: Sequence[int | None]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(term for term in terms if term is not None))


def _counted(found: Iterable[tuple[str, tuple[int, ...]]]) -> list[QueryTerm]:
    words: dict[tuple[int, ...], str] = {}
    counted: Counter[tuple[int, ...]] = Counter()
    for word, terms in found:
        if terms:
            words.setdefault(terms, word)
            counted[terms] += 1
    return [QueryTerm(terms, counted[terms], word) for terms, word in words.items()]


class _Terms(dict[str, int | None]):
    """Word to term, None for a stop word; each word is stemmed and hashed once, then remembered."""

    def __init__(self, language: str) -> None:
        super().__init__()
        self._stop_words = STOP_WORDS.get(language, frozenset())
        name = _SNOWBALL.get(language)
        self._stemmer = Stemmer.Stemmer(name, 0) if name else None
        self._lock = threading.Lock()

    def __missing__(self, word: str) -> int | None:
        term = self._term(word.casefold())
        with self._lock:
            if len(self) >= MAX_REMEMBERED_WORDS:
                self.clear()
            self[word] = term
        return term

    def _term(self, folded: str) -> int | None:
        if folded in self._stop_words:
            return None
        with self._lock:  # a stemmer object must not be used by two threads at once
            stem = self._stemmer.stemWord(folded) if self._stemmer else folded
        return int.from_bytes(blake2b(stem.encode(), digest_size=TERM_BITS // 8).digest(), "little")
