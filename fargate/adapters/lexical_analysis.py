"""
Text to searchable terms: words folded and stemmed as their language has it, pairs of characters where no spaces are.

Normalised as NFKC and case-folded; stop words are left out; Snowball stems the languages it knows. Scripts written
without spaces give overlapping pairs of characters, as Lucene's CJKAnalyzer does (a lone character stands for itself).
Arabic loses its vowel signs and tatweel, which would cut words apart.
"""

from __future__ import annotations

import re
import struct
import threading
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain

import Stemmer

from chalicelib.domain.stop_words import STOP_WORDS

TERM_BITS = 48
MAX_COUNT = 2**16 - 1
MAX_WORD_CHARACTERS = 64
"""Longer runs of letters are no words (encoded data, as a rule): they are cut into pieces of this length."""
MAX_REMEMBERED_WORDS = 200_000

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
# Thai, Lao, Myanmar, Khmer; kana, Han, Hangul
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
_UNSPACED += "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
# Signs that belong to the letter before them, but are no letters to `re`: accents, Hebrew points, the scripts of India.
_SIGNS = "\u0300-\u036f\u0591-\u05c7\u0900-\u0963\u0966-\u0dff"
_WORD = re.compile(rf"[{_UNSPACED}]+|(?:(?![{_UNSPACED}])[^\W_]|[{_SIGNS}]){{1,{MAX_WORD_CHARACTERS}}}")
_ASCII_WORD = re.compile(rf"[A-Za-z0-9]{{1,{MAX_WORD_CHARACTERS}}}")
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_ARABIC_SIGNS = dict.fromkeys([0x0640, 0x0670, *range(0x064B, 0x0660)])


@dataclass(frozen=True, slots=True)
class AnalysedText:
    """The distinct *terms* of a text as 48-bit hashes in uint64, and how often each occurs, as uint16."""

    terms: bytes
    counts: bytes


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
        counted = Counter(map(self.term, _words(text)))
        counted.pop(None, None)
        counts = (min(count, MAX_COUNT) for count in counted.values())
        return AnalysedText(struct.pack(f"<{len(counted)}Q", *counted), struct.pack(f"<{len(counted)}H", *counts))

    def query_terms(self, text: str) -> list[QueryTerm]:
        """Give the terms of a question, in order; empty where it holds nothing but stop words and signs."""
        return _counted((word, _distinct([self.term(word)])) for word in _words(text))


class Analysers:
    """The analysers of all languages, each made when it is first needed; safe from any thread."""

    def __init__(self) -> None:
        self._made: dict[str, Analyser] = {}

    def of(self, language: str) -> Analyser:
        """Give the analyser of *language*; those that have neither stems nor stop words here share one."""
        known = language if language in _SNOWBALL or language in STOP_WORDS else ""
        return self._made.get(known) or self._made.setdefault(known, Analyser(known))

    def query_terms(self, text: str, languages: Collection[str], otherwise: str) -> list[QueryTerm]:
        """
        Give the terms of a question put to texts of all *languages*, in order: each word as each of them has it.

        Stop words are those of the question's own language: the one it has most of, *otherwise* where that is a draw.
        """
        searched = list(dict.fromkeys(self.of(language) for language in sorted(languages) or [otherwise]))
        if len(searched) == 1:
            return searched[0].query_terms(text)
        words = list(_words(text))
        own = max([self.of(otherwise), *searched], key=lambda one: sum(one.term(word) is None for word in words))
        telling = (word for word in words if own.term(word) is not None)
        return _counted((word, _distinct([one.term(word) for one in searched])) for word in telling)


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


def _words(text: str) -> Iterable[str]:
    if text.isascii():
        return _ASCII_WORD.findall(text)
    normal = unicodedata.normalize("NFKC", text).translate(_ARABIC_SIGNS)
    return chain.from_iterable(_parts(run) for run in _WORD.findall(normal))


def _parts(run: str) -> Sequence[str]:
    if len(run) < 3 or not _IS_UNSPACED.match(run):
        return (run,)
    return [run[start : start + 2] for start in range(len(run) - 1)]


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
