"""Seeded texts: Markdown as a handbook has it, and words as frequent as those of a language."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice, product

import numpy as np

from fargate.standalone.first_start import sample_documents

VOCABULARY = 60_000
SECTIONS = 3
SENTENCES = (5, 12)

_SENTENCE = re.compile(r"[A-Z][^\n|*#`<>\[\]()\\]{40,240}[a-z]\.(?=\s)")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_WORD = re.compile(r"[a-z]{5,}")
_CONSONANTS, _VOWELS = "bdfgklmnprstvz", "aeiou"
_FREQUENCIES = np.cumsum(1 / (np.arange(VOCABULARY) + 30))
_FREQUENCIES /= _FREQUENCIES[-1]


def handbooks(count: int, seed: int) -> Iterator[tuple[str, str]]:
    """
    Give the title and the Markdown of *count* documents of about 800 tokens each.

    Their sentences are the sample documents', drawn at random, and each section names its own case number, so that no
    two sections are equal.
    """
    chance = random.Random(seed)
    sentences = _sentences()
    for number in range(count):
        title = f"Handbook {number}"
        sections = [_section(chance, sentences, f"{number}.{part}") for part in range(SECTIONS)]
        yield title, "\n\n".join([f"# {title}", *sections])


class Words:
    """Draws words; the one of rank r is as frequent as 1 / (r + 30), as Zipf and Mandelbrot have it."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._words = _vocabulary()

    def text(self, length: int) -> str:
        """Give *length* words."""
        ranks = np.searchsorted(_FREQUENCIES, self._rng.random(length))
        return " ".join(self._words[rank] for rank in ranks.tolist())


def _vocabulary() -> list[str]:
    """Give the longer words of the sample documents, most frequent first, then rare ones made of syllables."""
    counts = Counter(word for page in _pages() for word in _WORD.findall(page.lower()))
    known = sorted(counts, key=lambda word: (-counts[word], word))
    syllables = ["".join(pair) for pair in product(_CONSONANTS, _VOWELS)]
    rare = ("".join(parts) for parts in product(syllables, repeat=3))
    return [*known, *islice((word for word in rare if word not in counts), VOCABULARY - len(known))]


def _pages() -> list[str]:
    pages = (path.read_text(encoding="utf-8") for path in sample_documents() if path.suffix == ".md")
    return [_LINK.sub(r"\1", page).replace("\\", "") for page in pages]


def _sentences() -> list[str]:
    return sorted({sentence for page in _pages() for sentence in _SENTENCE.findall(page)})


def _section(chance: random.Random, sentences: Sequence[str], number: str) -> str:
    paragraph = " ".join(chance.choices(sentences, k=chance.randint(*SENTENCES)))
    return f"## Case {number}\n\n{paragraph}"
