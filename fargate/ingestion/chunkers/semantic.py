"""The `semantic` chunker: cuts where the text turns to something else, as the embedder sees it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from chalicelib.domain.documents import BlockKind, ParsedDocument, Span
from chalicelib.ports.models import TokenSpans
from fargate.ingestion.chunkers.chunker import Chunker
from fargate.ingestion.chunkers.parameters import MAX_TOKENS, Parameters
from fargate.ingestion.chunkers.tokens import Tokens
from fargate.ingestion.chunkers.units import Unit, span_over, units

MAX_EMBEDDED = 2_048
"""Texts embedded for one document; in one with more sentences, several neighbours are embedded as one."""

_NEVER = -1.0
"""Nearer than any two texts: no cut by choice."""


class SemanticParameters(Parameters):
    """Where the text is cut, and between which sizes a chunk stays."""

    max_tokens: int = Field(256, ge=16, le=MAX_TOKENS, description="No chunk is larger")
    min_tokens: int = Field(64, ge=0, le=MAX_TOKENS, description="No cut by choice leaves less on either side")
    percentile: float = Field(
        80, ge=0, le=100, strict=False, description="Cut where neighbours are farther apart than so many in a hundred"
    )
    window_sentences: int = Field(3, ge=1, le=20, description="Sentences compared on either side of a place")

    @model_validator(mode="after")
    def _min_is_smaller(self) -> SemanticParameters:
        if self.min_tokens > self.max_tokens // 2:
            raise ValueError("min_tokens must not be more than half of max_tokens")
        return self


class SemanticChunker(Chunker):
    """
    Cuts between the sentences where the cosine distance of those before and those after is above a percentile.

    Kamradt, "5 Levels Of Text Splitting", 2024, level 4: embedding distances above a percentile of the document's. Two
    things differ. A window before the place is compared with one after it, as Hearst's TextTiling does (Computational
    Linguistics 23(1), 1997, section 4), so each sentence is embedded once and neighbouring windows share none. And cuts
    are made from the farthest down, so that the bounds on size decide between places by their distance: where a piece
    is over the budget, its farthest place is cut whatever its rank.
    """

    def __init__(self, parameters: SemanticParameters) -> None:
        self._parameters = parameters

    def texts_to_embed(self, parsed: ParsedDocument, tokens: TokenSpans) -> Sequence[str]:
        """See `Chunker.texts_to_embed`: every sentence once, or several as one in a long document."""
        found = units(parsed, Tokens(parsed.text, tokens), self._parameters.max_tokens)
        step = _step(found)
        return [
            parsed.text[found[place].start : found[min(place + step, len(found)) - 1].end]
            for place in range(0, len(found), step)
        ]

    def cut(self, parsed: ParsedDocument, tokens: TokenSpans, vectors: Sequence[bytes] = (), /) -> list[Span]:
        """See `Chunker.cut`."""
        counter = Tokens(parsed.text, tokens)
        found = units(parsed, counter, self._parameters.max_tokens)
        borders = self._borders(found, vectors)
        spans: list[Span] = []
        for _, places in groupby(range(len(found)), lambda place: found[place].block.page):
            page = list(places)
            for first, last in self._parts(_Range(found, counter, borders), page[0], page[-1] + 1):
                group = found[first:last]
                spans.append(span_over(group[0].start, group[-1].end, [unit.block for unit in group], counter))
        return spans

    def _borders(self, found: Sequence[Unit], vectors: Sequence[bytes]) -> _Borders:
        step = _step(found)
        between = _distances(vectors, self._parameters.window_sentences)
        distances = np.full(len(found), _NEVER)
        distances[step::step] = between
        threshold = float(np.percentile(between, self._parameters.percentile)) if len(between) else 0.0
        for place, unit in enumerate(found[:-1]):
            if unit.block.kind is BlockKind.HEADING:  # it belongs to what follows
                distances[place + 1] = _NEVER
        return _Borders(distances, threshold)

    def _parts(self, whole: _Range, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Give the parts of the units from *first* to *last*, in order."""
        waiting = [(first, last)]
        while waiting:
            first, last = waiting.pop()
            place = self._place(whole, first, last)
            if place is None:
                yield first, last
            else:
                waiting += [(place, last), (first, place)]

    def _place(self, whole: _Range, first: int, last: int) -> int | None:
        """Give where the units from *first* to *last* are cut next, if they are."""
        too_large = whole.tokens(first, last) > self._parameters.max_tokens
        earliest, latest = whole.leaving(first, last, self._parameters.min_tokens)
        if earliest > latest:
            earliest, latest = first + 1, last - 1
            if not too_large:
                return None
        place = earliest + int(np.argmax(whole.borders.distances[earliest : latest + 1]))
        return place if too_large or whole.borders.distances[place] > whole.borders.threshold else None


@dataclass(frozen=True, slots=True)
class _Borders:
    """How far apart the text is before and after each unit's start, and above what it is cut."""

    distances: NDArray[np.float64]
    threshold: float


@dataclass(frozen=True, slots=True)
class _Range:
    """The units of a document, with how far they are apart."""

    found: Sequence[Unit]
    counter: Tokens
    borders: _Borders

    def tokens(self, first: int, last: int) -> int:
        return self.counter.count(self.found[first].start, self.found[last - 1].end)

    def leaving(self, first: int, last: int, least: int) -> tuple[int, int]:
        """Give the first and the last place at which a cut leaves *least* tokens on either side."""
        inner = range(first + 1, last)
        before = bisect_left(inner, least, key=lambda place: self.tokens(first, place))
        after = bisect_left(inner, True, key=lambda place: self.tokens(place, last) < least)
        return first + 1 + before, first + after


def _step(found: Sequence[Unit]) -> int:
    return max(1, -(-len(found) // MAX_EMBEDDED))


def _distances(vectors: Sequence[bytes], window: int) -> NDArray[np.float64]:
    """Give, for each place between two texts, the cosine distance of the sums of up to *window* on either side."""
    if len(vectors) < 2:
        return np.zeros(0)
    rows = np.frombuffer(b"".join(vectors), "<f4").reshape(len(vectors), -1).astype(np.float64)
    sums = np.vstack([np.zeros(rows.shape[1]), np.cumsum(rows, axis=0)])
    places = np.arange(1, len(rows))
    before = sums[places] - sums[np.maximum(places - window, 0)]
    after = sums[np.minimum(places + window, len(rows))] - sums[places]
    lengths = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    distances: NDArray[np.float64] = 1 - np.einsum("ij,ij->i", before, after) / np.maximum(lengths, 1e-9)
    return distances
