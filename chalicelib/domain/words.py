"""
Text to words, whatever its script: what lexical search and reranking both count.

Scripts written without spaces give overlapping pairs of characters, as Lucene's CJKAnalyzer does (a lone character
stands for itself). Arabic loses its vowel signs and tatweel, which would cut words apart.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import chain

MAX_WORD_CHARACTERS = 64
"""Longer runs of letters are no words (encoded data, as a rule): they are cut into pieces of this length."""

# Thai, Lao, Myanmar, Khmer; kana, Han, Hangul
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
_UNSPACED += "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
# Signs that belong to the letter before them, but are no letters to `re`: accents, Hebrew points, the scripts of India.
_SIGNS = "\u0300-\u036f\u0591-\u05c7\u0900-\u0963\u0966-\u0dff"
_WORD = re.compile(rf"[{_UNSPACED}]+|(?:(?![{_UNSPACED}])[^\W_]|[{_SIGNS}]){{1,{MAX_WORD_CHARACTERS}}}")
_ASCII_WORD = re.compile(rf"[A-Za-z0-9]{{1,{MAX_WORD_CHARACTERS}}}")
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_ARABIC_SIGNS = dict.fromkeys([0x0640, 0x0670, *range(0x064B, 0x0660)])


def words_of(text: str) -> Iterable[str]:
    """Give the words of *text* in order, normalised as NFKC, each as often as it stands there, in its own case."""
    if text.isascii():
        return _ASCII_WORD.findall(text)
    normal = unicodedata.normalize("NFKC", text).translate(_ARABIC_SIGNS)
    return chain.from_iterable(_parts(run) for run in _WORD.findall(normal))


def _parts(run: str) -> Sequence[str]:
    if len(run) < 3 or not _IS_UNSPACED.match(run):
        return (run,)
    return [run[start : start + 2] for start in range(len(run) - 1)]
