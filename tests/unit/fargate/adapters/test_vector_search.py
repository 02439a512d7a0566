"""Search over large segments: what the quick first look leaves to the exact second one."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from chalicelib.domain.filters import parse_filter
from chalicelib.ports.vectors import VectorQuery
from fargate.adapters.vector_quantised import ROUNDING, QuantisedRows
from fargate.adapters.vector_search import search
from fargate.adapters.vector_segment import QUANTISED_ENTRIES, Segment, StoredEntry, unit_rows
from fargate.adapters.vector_snapshot import Snapshot

DIMENSION = 24
LARGE, SMALL = QUANTISED_ENTRIES + 100, 300
FILTERS = {
    "all": None,
    "half": parse_filter({"n": {"$lt": 50}}),
    "few": parse_filter({"n": {"$in": [3, 4]}}),
    "none": parse_filter({"n": 200}),
}


def made(rows: NDArray[np.float32], first_row: int) -> Segment:
    """Give a segment of *rows*; keys fall as positions rise, and `n` counts to 99 again and again."""
    return Segment.of(
        [
            StoredEntry(row, f"k{99_999 - row}", vector.tobytes(), b"", b"", json.dumps({"n": row % 100}))
            for row, vector in enumerate(rows, first_row)
        ]
    )


def rows_of(seed: int, *, spread: float) -> NDArray[np.float32]:
    """Give rows around thirty centres, the nearer the smaller *spread* is; every tenth is as one before."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((30, DIMENSION))
    rows = centres[rng.integers(30, size=LARGE + SMALL)] + spread * rng.standard_normal((LARGE + SMALL, DIMENSION))
    rows[::10] = rows[rng.integers(len(rows), size=len(rows[::10]))]
    return rows.astype("<f4")


SPREADS = (3.0, 0.5, 0.02, 1e-4)
ROWS = {spread: rows_of(5, spread=spread) for spread in SPREADS}
SNAPSHOTS = {
    spread: Snapshot((made(rows[:LARGE], 0), made(rows[LARGE:], LARGE)), 1, len(rows)) for spread, rows in ROWS.items()
}


def nearest(spread: float, asked: NDArray[np.float64], allowed: Sequence[int], top_k: int) -> list[str]:
    """Rank by brute force in float64, equal ones by key."""
    cosines = (unit_rows(ROWS[spread]) * asked).sum(axis=1)
    return [f"k{99_999 - row}" for row in sorted(allowed, key=lambda row: (-cosines[row], 99_999 - row))[:top_k]]


@given(
    spread=st.sampled_from(SPREADS),
    seed=st.integers(0, 2**16),
    name=st.sampled_from(list(FILTERS)),
    top_k=st.sampled_from([1, 10, 50, 700]),
    dead=st.booleans(),
)
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
def test_nothing_near_is_missed(spread: float, seed: int, name: str, top_k: int, dead: bool) -> None:
    """However close the rows are to each other, with and without filters and dead entries."""
    snapshot, rng = SNAPSHOTS[spread], np.random.default_rng(seed)
    asked = ROWS[spread][rng.integers(LARGE)] + 0.1 * rng.standard_normal(DIMENSION)
    asked /= np.linalg.norm(asked)
    gone = np.arange(0, LARGE + SMALL, 3) if dead else np.empty(0, np.int64)
    snapshot = Snapshot(tuple(segment.without(gone) for segment in snapshot.segments), 2, LARGE + SMALL)
    passes = {"all": range(100), "half": range(50), "few": (3, 4), "none": ()}[name]
    allowed = [row for row in range(LARGE + SMALL) if row % 100 in passes and not (dead and row % 3 == 0)]
    hits = search(snapshot, VectorQuery(top_k, filter=FILTERS[name]), asked, None)
    ranked = sorted(hits, key=lambda hit: hit.dense_rank or 0)
    assert [hit.key for hit in ranked] == nearest(spread, asked, allowed, top_k)


def test_large_segments_are_quantised() -> None:
    """Else the tests above would show nothing; small ones are multiplied as they are."""
    for snapshot in SNAPSHOTS.values():
        assert [segment.quantised is not None for segment in snapshot.segments] == [True, False]


@pytest.mark.parametrize("spread", SPREADS)
def test_products_are_off_by_less_than_half_the_margin(spread: float) -> None:
    """For any vector of length 1; the margin itself is small."""
    rows, rng = unit_rows(ROWS[spread][:1_000]), np.random.default_rng(1)
    quantised, products = QuantisedRows(rows), np.empty(1_000, np.float32)
    for asked in unit_rows(rng.standard_normal((50, DIMENSION), dtype=np.float32)):
        quantised.multiply(asked, products)
        assert np.abs(products - rows @ asked.astype(np.float64)).max() < quantised.margin / 2
    assert ROUNDING < quantised.margin < 0.05


def test_many_threads_may_multiply_at_once() -> None:
    """Each gets the products of its own vector."""
    rows = unit_rows(ROWS[3.0][:1_000])
    quantised = QuantisedRows(rows)

    def right(number: int) -> bool:
        products = np.empty(len(rows), np.float32)
        quantised.multiply(rows[number], products)
        return int(products.argmax()) == int((rows @ rows[number]).argmax())

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(right, range(1, 1_000, 10)))


def test_where_openvino_is_missing_nothing_is_quantised(monkeypatch: pytest.MonkeyPatch) -> None:
    """The search is slower then, and finds the same."""
    monkeypatch.setitem(sys.modules, "openvino", None)  # how Python marks what cannot be imported
    rows = ROWS[0.5]
    plain = Snapshot((made(rows[:LARGE], 0), made(rows[LARGE:], LARGE)), 1, len(rows))
    asked = unit_rows(rows[:1])[0].astype(np.float64)
    assert plain.segments[0].quantised is None
    assert search(plain, VectorQuery(50), asked, None) == search(SNAPSHOTS[0.5], VectorQuery(50), asked, None)
