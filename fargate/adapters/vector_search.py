"""Search one snapshot of an index: exact cosine and BM25, each over the permitted entries only."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from chalicelib.domain.filters import Filter
from chalicelib.ports.vectors import Hit
from fargate.adapters.lexical_analysis import QueryTerm
from fargate.adapters.metadata_masks import Mask
from fargate.adapters.vector_snapshot import Snapshot

SPARSE = 0.2
"""Where less than this share of a segment is permitted, its rows are gathered instead of multiplying the whole."""
ROUNDING = 1e-5
"""Above what a product of unit vectors in float32 may be off by."""

Positions = NDArray[np.int64]
Occurrence = tuple[QueryTerm, Sequence[tuple[NDArray[np.uint16], NDArray[np.uint16]]]]
"""A term and, for each segment, the places and counts it has there."""


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
    dense = _no_positions() if vector is None else _nearest(snapshot, permitted, top_k, vector)
    lexical = _no_positions() if scores is None else _best_matching(snapshot, permitted, top_k, scores)
    found = np.union1d(dense, lexical)
    similarities = [None] * len(found) if vector is None else _similarities(snapshot, found, vector).tolist()
    lexical_scores = [None] * len(found) if scores is None else scores[found].tolist()
    words = _matched_words(snapshot, found, occurrences)
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
    wanted = np.array([term.term for term in terms], np.uint64)
    by_segment = [segment.postings.find(wanted) for segment in snapshot.segments]
    return list(zip(terms, zip(*by_segment, strict=True), strict=True))


def _bm25(snapshot: Snapshot, occurrences: Sequence[Occurrence]) -> NDArray[np.float32]:
    """
    Score every position by BM25 with k1 = 1.2 and b = 0.75 in Lucene's form, 0 where no term matches.

    sum over terms of ln(1 + (N - n + 0.5) / (n + 0.5)) * tf / (tf + k1 * (1 - b + b * length / mean length)).
    Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009, section 3, without the constant factor
    (k1 + 1). N, n and the mean are those of all live entries, permitted or not.
    """
    scores = np.zeros(snapshot.starts[-1], np.float32)
    parts = list(snapshot.parts())
    for term, by_segment in occurrences:
        holding = sum(segment.count_live(places) for (_, segment), (places, _) in zip(parts, by_segment, strict=True))
        weight = np.float32(term.count * math.log(1 + (snapshot.live - holding + 0.5) / (holding + 0.5)))
        for (part, _), (places, counts) in zip(parts, by_segment, strict=True):
            often = counts.astype(np.float32)
            scores[part][places] += weight * often / (often + snapshot.length_norms[part][places])
    return scores


def _best_matching(snapshot: Snapshot, permitted: Mask, top_k: int, scores: NDArray[np.float32]) -> Positions:
    matching = np.flatnonzero(permitted & (scores > 0))
    candidates = matching[_leading(scores[matching], top_k, margin=0)]
    return _ranked(snapshot, candidates, scores[candidates].astype(np.float64), top_k)


def _nearest(snapshot: Snapshot, permitted: Mask, top_k: int, vector: NDArray[np.float64]) -> Positions:
    """
    Find candidates in float32, then rank them in float64, where equal vectors have equal products anywhere.

    `vecdot` is as fast as a matrix product on one thread, and never waits for the other threads of a BLAS: on a busy
    machine those made it five times slower.
    """
    approximate = np.empty(snapshot.starts[-1], np.float32)
    narrow = vector.astype(np.float32)
    for part, segment in snapshot.parts():
        places = np.flatnonzero(permitted[part])
        if len(places) < SPARSE * len(segment.rows):
            approximate[part][places] = np.vecdot(segment.matrix[places], narrow)
        else:
            np.vecdot(segment.matrix, narrow, out=approximate[part])
    candidates = np.flatnonzero(permitted)
    candidates = candidates[_leading(approximate[candidates], top_k, margin=ROUNDING)]
    return _ranked(snapshot, candidates, _similarities(snapshot, candidates, vector), top_k)


def _leading(scores: NDArray[np.float32], top_k: int, *, margin: float) -> NDArray[np.int64]:
    """Give the places of the *top_k* best scores and of all within *margin* of the last of them."""
    if len(scores) <= top_k:
        return np.arange(len(scores))
    last = np.partition(scores, len(scores) - top_k)[len(scores) - top_k]
    return np.flatnonzero(scores >= last - margin)


def _ranked(snapshot: Snapshot, candidates: Positions, scores: NDArray[np.float64], top_k: int) -> Positions:
    """Order *candidates* by score, equal ones by key, and cut."""
    keys = [segment.keys[place] for segment, place in snapshot.entries(candidates)]
    falling = (-scores).tolist()
    order = sorted(range(len(keys)), key=lambda number: (falling[number], keys[number]))
    return candidates[order[:top_k]]


def _similarities(snapshot: Snapshot, positions: Positions, vector: NDArray[np.float64]) -> NDArray[np.float64]:
    result = np.empty(len(positions))
    for number, chosen, places in snapshot.locate(positions):
        result[chosen] = (snapshot.segments[number].matrix[places] * vector).sum(axis=1)
    return result.clip(-1, 1)


def _matched_words(snapshot: Snapshot, positions: Positions, occurrences: Sequence[Occurrence]) -> list[list[str]]:
    result: list[list[str]] = [[] for _ in range(len(positions))]
    for number, chosen, places in snapshot.locate(positions):
        for term, by_segment in occurrences:
            holding, _ = by_segment[number]
            if len(holding):
                at = np.minimum(np.searchsorted(holding, places), len(holding) - 1)
                for position in chosen[holding[at] == places].tolist():
                    result[position].append(term.word)
    return result


def _no_positions() -> Positions:
    return np.empty(0, np.int64)
