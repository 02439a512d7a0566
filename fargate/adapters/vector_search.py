"""Search one snapshot of an index: exact cosine and BM25, each over the permitted entries only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chalicelib.ports.vectors import Hit, VectorQuery
from fargate.adapters.lexical_analysis import QueryTerm
from fargate.adapters.metadata_masks import Mask
from fargate.adapters.top_scores import leading
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
    query: VectorQuery,
    vector: NDArray[np.float64] | None,
    terms: Sequence[QueryTerm] | None,
) -> list[Hit]:
    """
    Give the union of both legs' best; a leg whose *vector* (of length 1) or *terms* is None is not searched.

    Every hit carries the score of each leg that was searched, whichever brought it.
    """
    if not snapshot.live:
        return []
    top_k = query.top_k
    known = snapshot.permitted(query.within)
    permitted = known if query.filter is None else known & snapshot.permitted(query.filter)
    occurrences = _occurrences(snapshot, terms or ())
    scores = None if terms is None else _bm25(snapshot, known, occurrences)
    lexical = _no_positions() if scores is None else _best_matching(snapshot, permitted, top_k, scores)
    near = _no_positions() if vector is None else _candidates(snapshot, permitted, top_k, vector)
    looked_at = _union(near, lexical)
    cosines = None if vector is None else _similarities(snapshot, looked_at, vector)
    dense = near if cosines is None else _ranked(snapshot, near, cosines[np.searchsorted(looked_at, near)], top_k)
    found = _union(dense, lexical)
    unknown = [None] * len(found)
    fields = zip(
        *snapshot.described(found),
        _ranks(found, dense),
        unknown if cosines is None else cosines[np.searchsorted(looked_at, found)].tolist(),
        _ranks(found, lexical),
        unknown if scores is None else scores[found].tolist(),
        _matched_words(found, occurrences),
        strict=True,
    )
    return [Hit(*each) for each in fields]


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


def _bm25(snapshot: Snapshot, known: Mask, occurrences: Sequence[Occurrence]) -> NDArray[np.float32]:
    """
    Score every *known* position by BM25 with k1 = 1.2 and b = 0.75 in Lucene's form, 0 where no term matches.

    sum over words of ln(1 + (N - n + 0.5) / (n + 0.5)) * tf / (tf + k1 * (1 - b + b * length / mean length)).
    Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009, section 3, without the constant factor
    (k1 + 1). N, n and the mean are those of the known entries: no score tells of any other.
    """
    scores = np.zeros(snapshot.starts[-1], np.float32)
    whole = bool(known.all())
    count = len(known) if whole else int(np.count_nonzero(known))
    norms = snapshot.length_norms(known)
    for term, positions, counts in occurrences:
        if not whole:
            chosen = known.take(positions)
            positions, counts = positions[chosen], counts[chosen]
        weight = np.float32(term.count * math.log(1 + (count - len(positions) + 0.5) / (len(positions) + 0.5)))
        often = counts.astype(np.float32)
        np.add.at(scores, positions, weight * often / (often + norms(positions)))
    return scores


def _best_matching(snapshot: Snapshot, permitted: Mask, top_k: int, scores: NDArray[np.float32]) -> Positions:
    candidates = leading(scores if permitted.all() else scores * permitted, top_k, above=0)
    return _ranked(snapshot, candidates, scores[candidates], top_k)


def _candidates(snapshot: Snapshot, permitted: Mask, top_k: int, vector: NDArray[np.float64]) -> Positions:
    """
    Find every entry that may be among the *top_k* nearest, in order of position; `_similarities` can tell then.

    Nothing is missed: the margin is above what the last that seems to be in and one that seems to be out are off by.
    """
    approximate = np.empty(snapshot.starts[-1], np.float32)
    narrow = vector.astype(np.float32)
    margin = max(_multiply(segment, permitted[part], narrow, approximate[part]) for part, segment in snapshot.parts())
    if permitted.all():
        return leading(approximate, top_k, above=-np.inf, margin=margin)
    places = np.flatnonzero(permitted)
    return places[leading(approximate[places], top_k, above=-np.inf, margin=margin)]


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


def _ranked(snapshot: Snapshot, candidates: Positions, scores: NDArray[np.floating[Any]], top_k: int) -> Positions:
    """Order the sorted *candidates* by score, equal ones by key, and cut."""
    best = leading(scores, top_k, above=-np.inf)
    candidates, scores = candidates[best], scores[best]
    order = np.argsort(-scores)
    falling = scores[order]
    if (falling[1:] == falling[:-1]).any():
        keys, lost = snapshot.keys(candidates), (-scores).tolist()
        order = np.array(sorted(range(len(keys)), key=lambda number: (lost[number], keys[number])))
    return candidates[order[:top_k]]


def _similarities(snapshot: Snapshot, positions: Positions, vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give cosines worked out in float64, where equal vectors have equal ones; *positions* are sorted."""
    result = np.empty(len(positions))
    for number, chosen, places in snapshot.locate(positions):
        np.vecdot(snapshot.segments[number].matrix[places].astype(np.float64), vector, out=result[chosen])
    return result.clip(-1, 1)


def _union(one: Positions, other: Positions) -> Positions:
    """Give the sorted positions of both, each once; faster than `numpy.union1d` where they are few."""
    both = np.sort(np.concatenate([one, other]))
    return both[np.flatnonzero(np.diff(both, prepend=-1))]


def _ranks(found: Positions, ranked: Positions) -> list[int | None]:
    """Give the rank of each of the sorted positions *found*, from 1; None where *ranked* has it not."""
    ranks: list[int | None] = [None] * len(found)
    for rank, place in enumerate(np.searchsorted(found, ranked).tolist(), 1):
        ranks[place] = rank
    return ranks


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
