"""Where in a passage a statement has its evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache

from chalicelib.domain.runs import Citation, Passage
from fargate.generation.claim_words import content_words
from fargate.generation.sentences import plain, sentences

LEAST_SHARE = 0.2
"""A sentence that holds less of a statement's words says something else."""
LEAST_GAIN = 0.12
"""A further sentence must bring this share of the statement's words."""
MAX_SENTENCES = 3
MAX_QUOTE_CHARACTERS = 300
"""What is quoted of a passage that has no sentence."""


@dataclass(frozen=True, slots=True)
class Span:
    """A run of sentences: *quote* stands from *start* to *end* of the document; *share* of the statement's words."""

    start: int
    end: int
    quote: str
    share: float


def locate(statement: str, passage: Passage) -> Span | None:
    """
    Give the run of at most `MAX_SENTENCES` sentences of *passage* that holds most of what *statement* says.

    Words count by how rare they are in the passage. Of equal runs the shorter, then the earlier. None where no sentence
    holds `LEAST_SHARE` of the words.
    """
    units, words = _units(passage.text)
    wanted = _weighed(content_words(plain(statement)), words)
    run = _best_run(wanted, words)
    if run is None:
        return None
    start, end = units[run[0]][0], units[run[1]][1]
    held: set[str] = set().union(*words[run[0] : run[1] + 1])
    return Span(passage.start + start, passage.start + end, passage.text[start:end], _share(wanted, held))


def cite(marker: int, statement: str, passage: Passage) -> Citation:
    """Give the citation of the place in *passage* that says *statement* best, or of its beginning where none does."""
    span = locate(statement, passage)
    start, end = (span.start - passage.start, span.end - passage.start) if span else _beginning(passage.text)
    return citation(marker, passage, start, end)


def citation(marker: int, passage: Passage, start: int, end: int) -> Citation:
    """Give the citation of what stands from *start* to *end* of the text of *passage*."""
    return Citation(
        marker=marker,
        chunk_id=passage.chunk_id,
        document_id=passage.document_id,
        name=passage.name,
        page=passage.page,
        heading_path=passage.heading_path,
        quote=passage.text[start:end],
        start=passage.start + start,
        end=passage.start + end,
    )


def _beginning(text: str) -> tuple[int, int]:
    found = sentences(text)
    return (found[0].start, found[0].end) if found else (0, min(len(text), MAX_QUOTE_CHARACTERS))


@lru_cache(maxsize=128)
def _units(text: str) -> tuple[Sequence[tuple[int, int]], Sequence[frozenset[str]]]:
    """Give where the sentences of *text* stand, and the words of each; remembered, as each claim asks again."""
    units = [(one.start, one.end) for one in sentences(text)] or _lines(text)
    return units, [frozenset(content_words(plain(text[start:end]))) for start, end in units]


def _lines(text: str) -> list[tuple[int, int]]:
    """Give the lines of a passage that has no sentences, as code and headings have none."""
    found: list[tuple[int, int]] = []
    place = 0
    for line in text.splitlines(keepends=True):
        bare = line.strip()
        if bare:
            start = place + line.index(bare)
            found.append((start, start + len(bare)))
        place += len(line)
    return found


def _weighed(statement: set[str], units: Sequence[frozenset[str]]) -> Mapping[str, float]:
    return {word: 1 / (1 + sum(word in unit for unit in units)) ** 0.5 for word in sorted(statement)}


def _best_run(wanted: Mapping[str, float], units: Sequence[frozenset[str]]) -> tuple[int, int] | None:
    shares = [_share(wanted, unit) for unit in units]
    first = max(range(len(units)), key=lambda place: (shares[place], -place), default=None)
    if first is None or shares[first] < LEAST_SHARE:
        return None
    low = high = first
    held = set(units[first])
    while high - low + 1 < MAX_SENTENCES:
        beside = [place for place in (low - 1, high + 1) if 0 <= place < len(units)]
        gains = {place: _share(wanted, held | units[place]) - _share(wanted, held) for place in beside}
        best = max(gains, key=lambda place: (gains[place], -place), default=None)
        if best is None or gains[best] < LEAST_GAIN:
            break
        low, high = min(low, best), max(high, best)
        held |= units[best]
    return low, high


def _share(wanted: Mapping[str, float], held: Set[str]) -> float:
    total = sum(wanted.values())
    return sum(weight for word, weight in wanted.items() if word in held) / total if total else 0.0
