"""
A run of index entries in memory, ready to be searched; what is in it never changes, only which of it is alive.

An index in memory is a list of such segments, as in Lucene: new entries make a new segment, small neighbours are
merged, so that an entry is copied a few times in all and a running query keeps the segments it started with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fargate.adapters.lexical_analysis import TERM_BITS
from fargate.adapters.metadata_masks import Mask, MetadataColumns
from fargate.adapters.vector_quantised import QuantisedRows

SEGMENT_ENTRIES = 2**14
"""Larger ones search a little faster, but merging two of half this size keeps every query waiting (0.2 s here)."""

QUANTISED_ENTRIES = 2**12
"""Below, a scan takes so little that a first look gains nothing."""


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry as it is stored: *row* numbers grow with every write, *vector* is not yet normalised."""

    row: int
    key: str
    vector: bytes
    terms: bytes
    counts: bytes
    metadata: str


@dataclass(frozen=True, slots=True)
class Postings:
    """For each of the sorted *terms*, the entries that hold it (sorted places) and how often, between two *offsets*."""

    terms: NDArray[np.uint64]
    offsets: NDArray[np.int64]
    places: NDArray[np.uint16]
    counts: NDArray[np.uint16]

    @classmethod
    def of(cls, terms: NDArray[np.uint64], places: NDArray[np.uint16], counts: NDArray[np.uint16]) -> Postings:
        """Sort the occurrences given as three parallel arrays."""
        order = np.argsort(terms << np.uint64(64 - TERM_BITS) | places)  # both in one number: one fast sort
        terms, places, counts = terms[order], places[order], counts[order]
        starts = np.flatnonzero(np.concatenate([np.ones(min(len(terms), 1), np.bool_), terms[1:] != terms[:-1]]))
        return cls(terms[starts], np.append(starts, len(terms)), places, counts)

    def find(self, terms: NDArray[np.uint64]) -> list[tuple[NDArray[np.uint16], NDArray[np.uint16]]]:
        """Give the places and counts of each term; both empty where nothing holds it."""
        if not len(self.terms):
            return [(self.places, self.counts)] * len(terms)
        at = np.minimum(np.searchsorted(self.terms, terms), len(self.terms) - 1)
        known = self.terms[at] == terms
        starts, ends = self.offsets[at], self.offsets[at + known]
        return [
            (self.places[start:end], self.counts[start:end])
            for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        ]

    def occurrences(self) -> tuple[NDArray[np.uint64], NDArray[np.uint16], NDArray[np.uint16]]:
        """Give back the three parallel arrays."""
        return np.repeat(self.terms, np.diff(self.offsets)), self.places, self.counts


@dataclass(frozen=True, slots=True)
class Segment:
    """At most `SEGMENT_ENTRIES` entries in order of *rows*; vectors are of length 1, *lengths* count terms."""

    rows: NDArray[np.int64]
    keys: Sequence[str]
    matrix: NDArray[np.float32]
    lengths: NDArray[np.float32]
    postings: Postings
    metadata: MetadataColumns
    quantised: QuantisedRows | None
    alive: Mask
    live: int

    @classmethod
    def of(cls, entries: Sequence[StoredEntry]) -> Segment:
        """Make a segment of at least one entry, all alive, in the order given."""
        terms = np.frombuffer(b"".join(entry.terms for entry in entries), "<u8")
        counts = np.frombuffer(b"".join(entry.counts for entry in entries), "<u2")
        distinct = np.array([len(entry.counts) // 2 for entry in entries])
        places = np.repeat(np.arange(len(entries), dtype=np.uint16), distinct)
        vectors = np.frombuffer(b"".join(entry.vector for entry in entries), "<f4").reshape(len(entries), -1)
        return _alive(
            rows=np.array([entry.row for entry in entries], np.int64),
            keys=[entry.key for entry in entries],
            matrix=unit_rows(vectors),
            lengths=np.bincount(places, counts, len(entries)).astype(np.float32),
            postings=Postings.of(terms, places, counts),
            metadata=MetadataColumns.of([entry.metadata for entry in entries]),
        )

    def without(self, rows: NDArray[np.int64]) -> Segment:
        """Give the segment with those of the sorted *rows* that it holds no longer alive."""
        at = np.searchsorted(self.rows, rows)
        held = at < len(self.rows)
        held[held] = self.rows[at[held]] == rows[held]
        if not held.any():
            return self
        alive = self.alive.copy()
        alive[at[held]] = False
        live = int(np.count_nonzero(alive))
        return replace(self, alive=alive, live=live)

    @property
    def nbytes(self) -> int:
        """Estimate the memory held."""
        postings = self.postings.places.nbytes * 2 + self.postings.terms.nbytes * 2
        vectors = self.matrix.nbytes + (self.quantised.nbytes if self.quantised else 0)
        return vectors + postings + self.metadata.nbytes + 120 * len(self.keys)


def merged(segments: Sequence[Segment]) -> Segment:
    """Join neighbouring *segments* to one of what is alive in them; at least one entry must be."""
    firsts = np.cumsum([0, *(segment.live for segment in segments)])
    occurrences = [_moved(segment, first) for segment, first in zip(segments, firsts, strict=False)]
    terms, places, counts = (np.concatenate(parts) for parts in zip(*occurrences, strict=True))
    pairs = [(segment, np.flatnonzero(segment.alive)) for segment in segments]
    texts = [segment.metadata.text(place) for segment, places in pairs for place in places.tolist()]
    return _alive(
        rows=np.concatenate([segment.rows[places] for segment, places in pairs]),
        keys=[segment.keys[place] for segment, places in pairs for place in places.tolist()],
        matrix=np.concatenate([segment.matrix[places] for segment, places in pairs]),
        lengths=np.concatenate([segment.lengths[places] for segment, places in pairs]),
        postings=Postings.of(terms, places, counts),
        metadata=MetadataColumns.of(texts),
    )


def unit_rows(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale each row to length 1, worked out in float64; none may be zero."""
    result = np.empty_like(vectors)
    for start in range(0, len(vectors), _CACHED_ROWS):
        wide = vectors[start : start + _CACHED_ROWS].astype(np.float64)
        result[start : start + _CACHED_ROWS] = wide / np.sqrt((wide * wide).sum(axis=1, keepdims=True))
    return result


_CACHED_ROWS = 256


def _alive(
    *,
    rows: NDArray[np.int64],
    keys: Sequence[str],
    matrix: NDArray[np.float32],
    lengths: NDArray[np.float32],
    postings: Postings,
    metadata: MetadataColumns,
) -> Segment:
    quantised = QuantisedRows.where_possible(matrix) if len(rows) >= QUANTISED_ENTRIES else None
    alive = np.ones(len(rows), np.bool_)
    return Segment(rows, keys, matrix, lengths, postings, metadata, quantised, alive, len(rows))


def _moved(segment: Segment, first: int) -> tuple[NDArray[np.uint64], NDArray[np.uint16], NDArray[np.uint16]]:
    """Give the occurrences in what is alive, with the places they get when its first entry comes to *first*."""
    terms, places, counts = segment.postings.occurrences()
    kept = segment.alive[places]
    moved = (np.cumsum(segment.alive) - 1 + first).astype(np.uint16)
    return terms[kept], moved[places[kept]], counts[kept]
