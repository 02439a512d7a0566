"""What is particular to the SQLite vector store: exactness, restarts, memory, failures."""

from __future__ import annotations

import math
import sqlite3
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.filters import parse_filter
from chalicelib.errors import StorageFull, Unavailable
from chalicelib.ports.vectors import Hit, VectorIndexName, VectorIndexSpec, VectorQuery, VectorRecord
from fargate.adapters.sqlite_vectors import MAX_OPEN_FILES, SqliteVectors
from fargate.adapters.vector_file import MAX_RETIRED, VectorFile

INDEX = VectorIndexName("index")
SPEC = VectorIndexSpec(2, "xx")
WORDS = ["amber", "birch", "cedar", "delta"]


def pack(*values: float) -> bytes:
    """Pack a vector."""
    return struct.pack(f"<{len(values)}f", *values)


def record(key: str, vector: Sequence[float] = (1, 0), text: str = "amber") -> VectorRecord:
    """Give a record."""
    return VectorRecord(key, pack(*vector), text, {"length": len(text)})


def made_before_languages(store: SqliteVectors) -> None:
    """Turn the file of *store* into one of before entries had a language of their own."""
    file = the_file(store)
    with sqlite3.connect(file.path, isolation_level=None) as connection:
        for what in ("TRIGGER counted", "TRIGGER discounted", "TABLE languages"):
            connection.execute(f"DROP {what}")
        connection.execute("ALTER TABLE entries DROP COLUMN language")
    connection.close()


@pytest.fixture
def vectors(tmp_path: Path) -> Iterator[SqliteVectors]:
    """Give a store with an empty index."""
    store = SqliteVectors(tmp_path)
    store.create(INDEX, SPEC)
    yield store
    store.close()


def the_file(store: SqliteVectors) -> VectorFile:
    """Give the one file that *store* has open."""
    (file,) = store._open.values()
    return file


# A step replaces some of twelve keys with new texts and vectors, or deletes them.
_STEPS = st.lists(
    st.tuples(
        st.booleans(),
        st.dictionaries(
            st.sampled_from([f"k{number:02d}" for number in range(12)]),
            st.tuples(st.lists(st.sampled_from(WORDS), max_size=8), st.integers(0, 15)),
            min_size=1,
            max_size=6,
        ),
    ),
    min_size=1,
    max_size=12,
)


@given(_STEPS, st.lists(st.sampled_from([*WORDS, "elder"]), min_size=1, max_size=5), st.integers(1, 6))
@settings(max_examples=40, deadline=None, derandomize=True, database=None)
def test_after_any_writes_scores_are_those_of_the_definition(
    steps: list[tuple[bool, dict[str, tuple[list[str], int]]]], question: list[str], top_k: int
) -> None:
    """BM25 and cosine worked out by hand on what is left, after each step; a store opened anew gives the same."""
    left: dict[str, tuple[list[str], int]] = {}
    with TemporaryDirectory() as folder:
        store, query = SqliteVectors(Path(folder)), VectorQuery(top_k, pack(1, 2), " ".join(question))
        store.create(INDEX, SPEC)
        for puts, entries in steps:
            if puts:
                left |= entries
                store.put(INDEX, [record(k, _vector(angle), " ".join(words)) for k, (words, angle) in entries.items()])
            else:
                left = {key: entry for key, entry in left.items() if key not in entries}
                store.delete(INDEX, list(entries))
            _check(store.query(INDEX, query), left, question, top_k)
        again = SqliteVectors(Path(folder))
        assert again.query(INDEX, query) == _in_order_of_rows(store.query(INDEX, query), again.query(INDEX, query))
        again.close()
        store.close()


def test_masks_and_ranks_hold_across_segments(vectors: SqliteVectors) -> None:
    """Entries in many segments, some dead, some gathered and some multiplied, rank as in one."""
    rng = np.random.default_rng(11)
    rows = rng.standard_normal((3_000, 2)).astype("<f4")
    for start in range(0, 3_000, 500):
        vectors.put(
            INDEX, [record(f"k{n:04d}", rows[n].tolist(), "x" * (n % 50 + 1)) for n in range(start, start + 500)]
        )
        vectors.query(INDEX, VectorQuery(1, pack(1, 0)))
    vectors.delete(INDEX, [f"k{n:04d}" for n in range(0, 1_000, 2)])
    asked = np.array([0.6, 0.8])
    for rare in (True, False):
        wanted = parse_filter({"length": 7} if rare else {"length": {"$ne": 7}})
        hits = vectors.query(INDEX, VectorQuery(40, pack(*asked), filter=wanted))
        allowed = [n for n in range(3_000) if (n % 50 == 6) == rare and (n >= 1_000 or n % 2)]
        cosines = {n: float(rows[n] @ asked / np.linalg.norm(rows[n])) for n in allowed}
        expected = sorted(allowed, key=lambda n: -cosines[n])[:40]
        assert [int(h.key[1:]) for h in sorted(hits, key=lambda h: h.dense_rank or 0)] == expected


def test_what_is_stored_survives_a_restart(vectors: SqliteVectors, tmp_path: Path) -> None:
    """Vectors, texts, metadata and their analysis are read from the file, without the process that wrote them."""
    vectors.put(INDEX, [record("a", text="amber birch"), record("b", (0, 1), "cedar")])
    before = vectors.query(INDEX, VectorQuery(5, pack(1, 1), "cedar amber"))
    vectors.close()
    again = SqliteVectors(tmp_path)
    assert again.query(INDEX, VectorQuery(5, pack(1, 1), "cedar amber")) == before
    again.close()


def test_only_what_changed_is_read(vectors: SqliteVectors) -> None:
    """A small write after a large one leaves the large segment as it is in memory."""
    vectors.put(INDEX, [record(f"k{number}") for number in range(100)])
    vectors.query(INDEX, VectorQuery(1, text="amber"))
    (large,) = the_file(vectors).snapshot().segments
    vectors.put(INDEX, [record("new")])
    first, second = the_file(vectors).snapshot().segments
    assert first is large
    assert second.keys == ["new"]


def test_a_query_keeps_the_state_it_began_with(vectors: SqliteVectors) -> None:
    """Later writes make a new state; the old one does not change under a running query."""
    vectors.put(INDEX, [record("a"), record("b")])
    vectors.query(INDEX, VectorQuery(1, text="amber"))
    held = the_file(vectors).snapshot()
    vectors.delete(INDEX, ["a"])
    assert the_file(vectors).snapshot().live == 1
    assert held.live == 2
    assert held.permitted(None).tolist() == [True, True]


def test_half_dead_segments_are_rewritten(vectors: SqliteVectors) -> None:
    """Deleted entries do not stay in memory for ever."""
    vectors.put(INDEX, [record(f"k{number:02d}") for number in range(10)])
    vectors.query(INDEX, VectorQuery(1, text="amber"))
    vectors.delete(INDEX, [f"k{number:02d}" for number in range(6)])
    (segment,) = the_file(vectors).snapshot().segments
    assert segment.keys == ["k06", "k07", "k08", "k09"]


def test_who_missed_too_many_retirements_reads_anew(vectors: SqliteVectors, tmp_path: Path) -> None:
    """The list of retired rows is cut; a process that had not read it loses nothing."""
    other = SqliteVectors(tmp_path)
    vectors.put(INDEX, [record("a"), record("b")])
    assert len(other.query(INDEX, VectorQuery(20, text="amber"))) == 2
    vectors.delete(INDEX, ["a"])
    batch = [record(f"k{number}", text="") for number in range(500)]
    for _ in range(MAX_RETIRED // 500 + 2):
        vectors.put(INDEX, batch)
    listed = the_file(vectors)._writer.execute("SELECT count(*) FROM retired").fetchone()[0]
    assert listed < MAX_RETIRED
    assert {hit.key for hit in other.query(INDEX, VectorQuery(20, text="amber"))} == {"b"}
    assert len(other.query(INDEX, VectorQuery(1_000, pack(1, 0)))) == 501
    other.close()


def test_memory_is_bounded(tmp_path: Path) -> None:
    """The index used longest ago goes first; its answers stay the same."""
    store = SqliteVectors(tmp_path, memory_bytes=60_000)
    names = [VectorIndexName(f"index-{number}") for number in range(5)]
    for name in names:
        store.create(name, SPEC)
        store.put(name, [record(f"{name.name}-{number}") for number in range(100)])
        assert len(store.query(name, VectorQuery(200, text="amber"))) == 100
    assert 1 <= len(store._open) < 5
    assert sum(file.nbytes for file in store._open.values()) <= 60_000
    for name in names:
        assert all(hit.key.startswith(name.name) for hit in store.query(name, VectorQuery(200, text="amber")))
    store.close()


def test_open_files_are_bounded(tmp_path: Path) -> None:
    """However many indexes a tenant has."""
    store = SqliteVectors(tmp_path)
    for number in range(MAX_OPEN_FILES + 3):
        store.create(VectorIndexName(f"i{number}"), SPEC)
        store.put(VectorIndexName(f"i{number}"), [record("a")])
    assert len(store._open) == MAX_OPEN_FILES
    assert store.query(VectorIndexName("i0"), VectorQuery(1, text="amber"))
    store.close()


def test_a_full_disk_stores_nothing_and_says_so(vectors: SqliteVectors) -> None:
    """The whole batch is undone, and reading goes on."""
    vectors.put(INDEX, [record("a")])
    writer = the_file(vectors)._writer
    pages = writer.execute("PRAGMA page_count").fetchone()[0]
    writer.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageFull, match="no space"):
        vectors.put(INDEX, [record(f"k{number}", text="amber " * 2_000) for number in range(20)])
    assert {hit.key for hit in vectors.query(INDEX, VectorQuery(50, text="amber"))} == {"a"}
    writer.execute("PRAGMA max_page_count = 1000000")
    vectors.put(INDEX, [record("b")])
    assert vectors.list(INDEX) == (["a", "b"], None)


def test_a_damaged_file_is_unavailable(vectors: SqliteVectors, tmp_path: Path) -> None:
    """The message names the file; nothing is made in its place."""
    vectors.close()
    (path,) = (path for path in tmp_path.glob("*.sqlite") if path.name != "catalog.sqlite")
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.write_bytes(b"no database" * 1_000)
    again = SqliteVectors(tmp_path)
    with pytest.raises(Unavailable, match=path.name):
        again.query(INDEX, VectorQuery(1, text="amber"))
    again.close()


def test_what_a_crash_left_over_is_removed_at_the_next_start(vectors: SqliteVectors, tmp_path: Path) -> None:
    """A file without an index goes, those of indexes stay."""
    orphan = tmp_path / "0123456789abcdef.sqlite"
    orphan.write_bytes(b"")
    SqliteVectors(tmp_path).close()
    assert not orphan.exists()
    assert vectors.list(INDEX) == ([], None)


def test_dropping_removes_the_files(vectors: SqliteVectors, tmp_path: Path) -> None:
    """Deleted is gone from the disk too; index names are never part of a path."""
    hostile = VectorIndexName("../../etc/passwd\x00")
    vectors.create(hostile, SPEC)
    vectors.put(hostile, [record("a")])
    vectors.drop(hostile)
    vectors.drop(INDEX)
    assert {path.name.removesuffix("-wal").removesuffix("-shm") for path in tmp_path.iterdir()} == {"catalog.sqlite"}


def test_a_closed_store_is_unavailable(vectors: SqliteVectors) -> None:
    """Closing twice is harmless."""
    vectors.close()
    vectors.close()
    with pytest.raises(Unavailable, match="closed"):
        vectors.list(INDEX)


def _vector(angle: int) -> tuple[float, float]:
    return math.cos(angle / 2), math.sin(angle / 2)


def _in_order_of_rows(hits: Sequence[Hit], like: Sequence[Hit]) -> list[Hit]:
    by_key = {hit.key: hit for hit in hits}
    return [by_key[hit.key] for hit in like]


def _check(hits: Sequence[Hit], left: dict[str, tuple[list[str], int]], question: list[str], top_k: int) -> None:
    bm25 = {key: _bm25(words, question, [w for w, _ in left.values()]) for key, (words, _) in left.items()}
    cosines = {key: math.cos(angle / 2 - math.atan2(2, 1)) for key, (_, angle) in left.items()}
    lexical = sorted((key for key in left if bm25[key] > 0), key=lambda key: (-round(bm25[key], 5), key))[:top_k]
    dense = sorted(left, key=lambda key: (-round(cosines[key], 5), key))[:top_k]
    assert {hit.key: hit.lexical_rank for hit in hits if hit.lexical_rank} == _ranks(lexical)
    assert {hit.key: hit.dense_rank for hit in hits if hit.dense_rank} == _ranks(dense)
    for hit in hits:
        assert hit.lexical_score == pytest.approx(bm25[hit.key], abs=1e-5)
        assert hit.similarity == pytest.approx(cosines[hit.key], abs=1e-6)
        assert set(hit.matched_terms) == set(question) & set(left[hit.key][0])


def _ranks(keys: Sequence[str]) -> dict[str, int]:
    return {key: rank for rank, key in enumerate(keys, 1)}


def _bm25(words: list[str], question: list[str], texts: list[list[str]]) -> float:
    mean = sum(map(len, texts)) / len(texts)
    score = 0.0
    for word in question:
        holding = sum(word in text for text in texts)
        often = Counter(words)[word]
        if often:
            idf = math.log((len(texts) + 1) / (holding + 0.5))
            score += idf / (1 + 1.2 * (0.25 + 0.75 * len(words) / mean) / often)
    return score


def test_a_file_from_before_languages_is_brought_up_to_date(tmp_path: Path) -> None:
    """What it holds is in the index's language; other texts can join."""
    with closing(SqliteVectors(tmp_path)) as store:
        store.create(INDEX, VectorIndexSpec(2, "en"))
        store.put(INDEX, [record("old", text="the policies")])
        made_before_languages(store)
    with closing(SqliteVectors(tmp_path)) as store, closing(SqliteVectors(tmp_path)) as other:
        assert [hit.key for hit in store.query(INDEX, VectorQuery(1, text="policy"))] == ["old"]
        store.put(INDEX, [replace(record("new", text="die Häuser"), language="de")])
        assert [hit.key for hit in other.query(INDEX, VectorQuery(1, text="Haus"))] == ["new"]
        assert [one.language for one in other.get(INDEX, ["new", "old"])] == ["de", None]
