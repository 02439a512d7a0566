"""What a query searches: one state of an index in memory, and how the next state comes from it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from chalicelib.domain.documents import Metadata
from chalicelib.domain.filters import Filter, to_json
from fargate.adapters.metadata_masks import Mask
from fargate.adapters.vector_segment import SEGMENT_ENTRIES, Segment, StoredEntry, merged

K1 = 1.2
B = 0.75


@dataclass(frozen=True)
class Snapshot:
    """
    All entries after *revision* writes. A *position* counts through the segments, dead entries included.

    *last_row* and *last_retired* say how far the stored rows and the list of retired ones have been read. *languages*
    are those of the texts, empty for the index's own.
    """

    segments: tuple[Segment, ...] = ()
    revision: int = 0
    last_row: int = 0
    last_retired: int = 0
    languages: frozenset[str] = frozenset()

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """The position of each segment's first entry, and at the end the number of all."""
        return np.cumsum([0, *(len(segment.rows) for segment in self.segments)])

    @cached_property
    def live(self) -> int:
        """How many entries there are."""
        return sum(segment.live for segment in self.segments)

    @cached_property
    def alive(self) -> Mask:
        """Say by position what is alive."""
        return np.concatenate([segment.alive for segment in self.segments])

    @cached_property
    def lengths(self) -> NDArray[np.float64]:
        """The number of words by position."""
        return np.concatenate([segment.lengths for segment in self.segments]).astype(np.float64)

    @cached_property
    def total_length(self) -> float:
        """The number of words of all positions."""
        return float(self.lengths.sum())

    def length_norms(self, permitted: Mask) -> Callable[[NDArray[np.int64]], NDArray[np.float32]]:
        """Give what says BM25's ``k1 * (1 - b + b * length / mean length)`` at positions; the mean is *permitted*'s."""
        total = self.total_length if permitted.all() else float(self.lengths.sum(where=permitted))
        mean = total / max(int(np.count_nonzero(permitted)), 1)
        slope = K1 * B / max(mean, 1)
        return lambda positions: (K1 * (1 - B) + slope * self.lengths.take(positions)).astype(np.float32)

    @cached_property
    def nbytes(self) -> int:
        """Estimate the memory held."""
        return sum(segment.nbytes for segment in self.segments)

    def parts(self) -> Iterator[tuple[slice, Segment]]:
        """Give each segment with the positions it takes."""
        for start, segment in zip(self.starts.tolist(), self.segments, strict=False):
            yield slice(start, start + len(segment.rows)), segment

    def permitted(self, wanted: Filter | None) -> Mask:
        """Say by position what is alive and passes the filter."""
        if wanted is None:
            return self.alive
        signature = json.dumps(to_json(wanted))
        return np.concatenate([s.alive & s.metadata.mask(wanted, signature) for s in self.segments])

    def occurrences(self, terms: NDArray[np.uint64]) -> list[tuple[NDArray[np.int64], NDArray[np.uint16]]]:
        """Give the sorted positions that hold each term, dead ones too, and how often."""
        by_segment = [segment.postings.find(terms) for segment in self.segments]
        starts = self.starts.tolist()
        return [
            (
                np.concatenate(
                    [np.add(places, start, dtype=np.int64) for (places, _), start in zip(found, starts, strict=False)]
                ),
                np.concatenate([counts for _, counts in found]),
            )
            for found in zip(*by_segment, strict=True)
        ]

    def keys(self, positions: NDArray[np.int64]) -> list[str]:
        """Give the keys at the sorted *positions*."""
        return [segment.keys[place] for segment, places in self._places(positions) for place in places.tolist()]

    def described(self, positions: NDArray[np.int64]) -> tuple[list[str], list[Metadata]]:
        """Give keys and metadata at the sorted *positions*."""
        metadata = [one for segment, places in self._places(positions) for one in segment.metadata.at(places)]
        return self.keys(positions), metadata

    def locate(self, positions: NDArray[np.int64]) -> Iterator[tuple[int, slice, NDArray[np.uint16]]]:
        """Give the number of each segment that the sorted *positions* fall in, which of them do, and places there."""
        ends = np.searchsorted(positions, self.starts).tolist()
        for number, (first, end) in enumerate(pairwise(ends)):
            if first < end:
                yield number, slice(first, end), (positions[first:end] - self.starts[number]).astype(np.uint16)

    def _places(self, positions: NDArray[np.int64]) -> Iterator[tuple[Segment, NDArray[np.uint16]]]:
        return ((self.segments[number], places) for number, _, places in self.locate(positions))


def advanced(segments: Iterable[Segment], entries: Sequence[StoredEntry], retired: NDArray[np.int64]) -> list[Segment]:
    """
    Give the segments after *entries* came (rows later than all there are) and the sorted rows *retired* went.

    Neighbours are merged while the earlier is at most twice the later and both fit in one; a segment that is half dead
    is rewritten. So there are few segments, and an entry is copied about log2(`SEGMENT_ENTRIES`) times at most.
    """
    kept = [segment for segment in (segment.without(retired) for segment in segments) if segment.live]
    result = [merged([segment]) if 2 * segment.live < len(segment.rows) else segment for segment in kept]
    for start in range(0, len(entries), SEGMENT_ENTRIES):
        result.append(Segment.of(entries[start : start + SEGMENT_ENTRIES]))
        while len(result) > 1 and _belong_together(*result[-2:]):
            result[-2:] = [merged(result[-2:])]
    return result


def _belong_together(earlier: Segment, later: Segment) -> bool:
    return earlier.live <= 2 * later.live and earlier.live + later.live <= SEGMENT_ENTRIES
