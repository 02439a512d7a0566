"""Search one snapshot of an index: exact cosine and BM25, each over the permitted entries only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from chalicelib.domain.filters import Filter
from chalicelib.ports.vectors import Hit
from fargate.adapters.lexical_analysis import QueryTerm
from fargate.adapters.metadata_masks import Mask
from fargate.adapters.vector_quantised import ROUNDING
from fargate.adapters.vector_segment import Segment
from fargate.adapters.vector_snapshot import Snapshot

SPARSE = 0.05
"""Where less than this share of a segment is permitted, its rows are gathered instead of multiplying the whole."""

Positions = NDArray[np.int64]
Occurrence = tuple[QueryTerm, Positions, NDArray[np.uint16]]
"""A word, the sorted positions that hold it, and how often."""


def search(
    snapshot: Snapshot,
    wanted: Filter | None,
    top_k: int,
    vector: NDArray[np.float64] | None,
    terms: Sequence[QueryTerm] | None,
) -> list[Hit]:
    """
    Give the union of both legs' best *top_k*; a leg whose *vector* (of length 1) or *terms* is None is not searched.

    Every hit carries the score of each leg that was searched, whichever brought it.
    """
    if not snapshot.live:
        return []
    permitted = snapshot.permitted(wanted)
    occurrences = _occurrences(snapshot, terms or ())
    scores = None if terms is None else _bm25(snapshot, occurrences)
    lexical = _no_positions() if scores is None else _best_matching(snapshot, permitted, top_k, scores)
    near = _no_positions() if vector is None else _candidates(snapshot, permitted, top_k, vector)
    looked_at = np.union1d(near, lexical)
    cosines = None if vector is None else _similarities(snapshot, looked_at, vector)
    dense = near if cosines is None else _ranked(snapshot, near, cosines[np.searchsorted(looked_at, near)], top_k)
    found = np.union1d(dense, lexical)
    similarities = [None] * len(found) if cosines is None else cosines[np.searchsorted(looked_at, found)].tolist()
    lexical_scores = [None] * len(found) if scores is None else scores[found].tolist()
    words = _matched_words(found, occurrences)
    dense_ranks = {position: rank for rank, position in enumerate(dense.tolist(), 1)}
    lexical_ranks = {position: rank for rank, position in enumerate(lexical.tolist(), 1)}
    return [
        Hit(
            key=segment.keys[place],
            metadata=from_json(segment.metadata.text(place)),
            dense_rank=dense_ranks.get(position),
            similarity=similarities[number],
            lexical_rank=lexical_ranks.get(position),
            lexical_score=lexical_scores[number],
            matched_terms=words[number],
        )
        for number, (position, (segment, place)) in enumerate(zip(found.tolist(), snapshot.entries(found), strict=True))
    ]


def _occurrences(snapshot: Snapshot, terms: Sequence[QueryTerm]) -> list[Occurrence]:
    found = iter(snapshot.occurrences(np.array([form for term in terms for form in term.terms], np.uint64)))
    return [(term, *_united(list(islice(found, len(term.terms))))) for term in terms]


def _united(forms: Sequence[tuple[Positions, NDArray[np.uint16]]]) -> tuple[Positions, NDArray[np.uint16]]:
    """Give the positions that hold any of a word's forms, each once, and how often the form that it holds most."""
    held = [form for form in forms if len(form[0])] or forms
    if len(held) == 1:
        return held[0]
    union = np.unique(np.concatenate([positions for positions, _ in held]))
    most = np.zeros(len(union), np.uint16)
    for positions, counts in held:
        at = np.searchsorted(union, positions)
        most[at] = np.maximum(most[at], counts)
    return union, most


def _bm25(snapshot: Snapshot, occurrences: Sequence[Occurrence]) -> NDArray[np.float32]:
    """
    Score every position by BM25 with k1 = 1.2 and b = 0.75 in Lucene's form, 0 where no term matches.

    sum over words of ln(1 + (N - n + 0.5) / (n + 0.5)) * tf / (tf + k1 * (1 - b + b * length / mean length)).
    Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009, section 3, without the constant factor
    (k1 + 1). N, n and the mean are those of all live entries, permitted or not.
    """
    scores = np.zeros(snapshot.starts[-1], np.float32)
    for term, positions, counts in occurrences:
        holding = snapshot.count_live(positions)
        weight = np.float32(term.count * math.log(1 + (snapshot.live - holding + 0.5) / (holding + 0.5)))
        often = counts.astype(np.float32)
        scores[positions] += weight * often / (often + snapshot.length_norms[positions])
    return scores


def _best_matching(snapshot: Snapshot, permitted: Mask, top_k: int, scores: NDArray[np.float32]) -> Positions:
    matching = np.flatnonzero(permitted & (scores > 0))
    candidates = matching[_leading(scores[matching], top_k, margin=0)]
    return _ranked(snapshot, candidates, scores[candidates].astype(np.float64), top_k)


def _candidates(snapshot: Snapshot, permitted: Mask, top_k: int, vector: NDArray[np.float64]) -> Positions:
    """
    Find every entry that may be among the *top_k* nearest, in order of position; `_similarities` can tell then.

    Nothing is missed: the margin is above what the last that seems to be in and one that seems to be out are off by.
    """
    approximate = np.empty(snapshot.starts[-1], np.float32)
    narrow = vector.astype(np.float32)
    margins = [_multiply(segment, permitted[part], narrow, approximate[part]) for part, segment in snapshot.parts()]
    candidates = np.flatnonzero(permitted)
    return candidates[_leading(approximate[candidates], top_k, margin=max(margins))]


def _multiply(segment: Segment, permitted: Mask, vector: NDArray[np.float32], out: NDArray[np.float32]) -> float:
    """
    Write the products of at least the *permitted* rows into *out*; give twice what they may be off by.

    `vecdot` is as fast as a matrix product on one thread, and never waits for the other threads of a BLAS: on a busy
    machine those made it five times slower.
    """
    if np.count_nonzero(permitted) < SPARSE * len(permitted):
        out[permitted] = np.vecdot(segment.matrix[permitted], vector)
    elif segment.quantised is None:
        np.vecdot(segment.matrix, vector, out=out)
    else:
        segment.quantised.multiply(vector, out)
        return segment.quantised.margin
    return ROUNDING


def _leading(scores: NDArray[np.floating[Any]], top_k: int, *, margin: float) -> NDArray[np.int64]:
    """Give the places of the *top_k* best scores and of all within *margin* of the last of them."""
    if len(scores) <= top_k:
        return np.arange(len(scores))
    last = np.partition(scores, len(scores) - top_k)[len(scores) - top_k]
    return np.flatnonzero(scores >= last - margin)


def _ranked(snapshot: Snapshot, candidates: Positions, scores: NDArray[np.float64], top_k: int) -> Positions:
    """Order *candidates* by score, equal ones by key, and cut."""
    leading = _leading(scores, top_k, margin=0)
    candidates, scores = candidates[leading], scores[leading]
    keys = [segment.keys[place] for segment, place in snapshot.entries(candidates)]
    falling = (-scores).tolist()
    order = sorted(range(len(keys)), key=lambda number: (falling[number], keys[number]))
    return candidates[order[:top_k]]


def _similarities(snapshot: Snapshot, positions: Positions, vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give cosines worked out in float64, where equal vectors have equal ones; *positions* are sorted."""
    result = np.empty(len(positions))
    for number, chosen, places in snapshot.locate(positions):
        result[chosen] = (snapshot.segments[number].matrix[places] * vector).sum(axis=1)
    return result.clip(-1, 1)


def _matched_words(found: Positions, occurrences: Sequence[Occurrence]) -> list[list[str]]:
    words: list[list[str]] = [[] for _ in range(len(found))]
    for term, positions, _ in occurrences:
        if len(positions):
            at = np.minimum(np.searchsorted(positions, found), len(positions) - 1)
            for number in np.flatnonzero(positions[at] == found).tolist():
                words[number].append(term.word)
    return words


def _no_positions() -> Positions:
    return np.empty(0, np.int64)
