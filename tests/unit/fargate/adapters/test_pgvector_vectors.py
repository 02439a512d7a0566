"""What is particular to PostgreSQL: tenants kept apart by the database, indexes that are used, failures, NUL."""

from __future__ import annotations

import ssl
import struct
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pg8000.exceptions import DatabaseError, InterfaceError

from chalicelib.domain.filters import all_of, matches, parse_filter, readable_by
from chalicelib.errors import ConfigurationError, Misconfigured, NotFound, StorageFull, Unavailable
from chalicelib.ports.vectors import VectorIndexName, VectorIndexSpec, VectorQuery, VectorRecord
from fargate.adapters.pgvector_connections import TIMEOUT_S, Connections, error_of
from fargate.adapters.pgvector_filters import Parameters, condition, fields_of
from fargate.adapters.pgvector_vectors import PgVector
from tests.fakes.filters import METADATA, RAW_FILTERS
from tests.fakes.postgres import Postgres

INDEX = VectorIndexName("acme.handbook.g1")
EAST = struct.pack("<2f", 1, 0)


@pytest.fixture
def schema(postgres: Postgres) -> Iterator[str]:
    """Give a schema of its own."""
    with postgres.schema() as name:
        yield name


@pytest.fixture
def store(postgres: Postgres, schema: str) -> Iterator[PgVector]:
    """Give a store with an empty index."""
    made = PgVector(postgres.url, schema)
    made.create(INDEX, VectorIndexSpec(2))
    yield made
    made.close()


def test_the_database_shows_a_tenant_no_others_entries(store: PgVector, postgres: Postgres, schema: str) -> None:
    """Whatever a statement asks for; nothing at all where no tenant is named, and nothing is written for another."""
    store.put(INDEX, [VectorRecord("a", EAST, "leave")])
    connections = Connections(postgres.url)
    for tenant, seen in (("acme", 1), ("acme2", 0), ("", 0)):
        with connections.transaction() as connection:
            connection.run("SELECT set_config('ragstone.tenant', :tenant, true)", tenant=tenant)
            assert connection.run(f"SELECT count(*) FROM {schema}.entries_1") == [[seen]]
    with connections.transaction() as connection:
        assert connection.run(f"SELECT count(*) FROM {schema}.entries_1") == [[0]]
    with pytest.raises(Misconfigured, match="42501"):
        _write_for_another(connections, f"{schema}.entries_1")
    connections.close()


def _write_for_another(connections: Connections, table: str) -> None:
    row = "'b', 'acme', '[1,0]', '', NULL, '', '{}', '{}', '{}', '{}', 0"
    with connections.transaction(writing=True) as connection:
        connection.run("SELECT set_config('ragstone.tenant', 'other', true)")
        connection.run(f"INSERT INTO {table} SELECT {row}")


@given(st.lists(METADATA, min_size=1, max_size=8), RAW_FILTERS)
@settings(max_examples=25, deadline=None, derandomize=True, database=None)
def test_a_filter_means_to_the_database_what_it_means_here(
    postgres: Postgres, metadata: list[dict[str, object]], raw: dict[str, object]
) -> None:
    """Types are told apart, lists mean any of their elements, and a missing key passes what is not equal."""
    wanted = parse_filter(raw)  # type: ignore[arg-type]
    parameters = Parameters()
    rows = ", ".join(
        f"({number}, CAST({parameters.add(fields_of(one))} AS jsonb))" for number, one in enumerate(metadata)
    )
    statement = f"SELECT number FROM (VALUES {rows}) AS entry (number, fields) WHERE {condition(wanted, parameters)}"
    with postgres.administrator() as connection:
        found = {number for (number,) in connection.run(statement, **parameters)}
    assert found == {number for number, one in enumerate(metadata) if matches(wanted, one)}  # type: ignore[arg-type]


def test_values_are_parameters_and_nothing_else(store: PgVector) -> None:
    """Keys, values, texts and names that look like SQL, and characters that PostgreSQL's texts cannot hold."""
    nasty = "'); DROP TABLE x; -- :p0 {table} \x00 %s"
    store.put(INDEX, [VectorRecord(nasty, EAST, nasty, {nasty[:60]: nasty}), VectorRecord("b", EAST, "", {})])
    assert store.get(INDEX, [nasty]) == [VectorRecord(nasty, EAST, nasty, {nasty[:60]: nasty})]
    wanted = parse_filter({nasty[:60]: {"$startsWith": nasty}})
    assert [hit.key for hit in store.query(INDEX, VectorQuery(5, EAST, nasty, wanted))] == [nasty]
    with pytest.raises(NotFound):
        store.list(VectorIndexName(nasty.replace("\x00", "")))


def test_the_nearest_are_found_among_many_and_behind_a_filter(store: PgVector, postgres: Postgres, schema: str) -> None:
    """By HNSW, which goes on until there are enough; nearly all of the very nearest are among them."""
    index, generator = VectorIndexName("acme.large.g1"), np.random.default_rng(7)
    vectors = generator.standard_normal((1_500, 8)).astype("<f4")
    store.create(index, VectorIndexSpec(8))
    for start in range(0, 1_500, 500):
        records = [
            VectorRecord(f"k{n:04}", vectors[n].tobytes(), "", {"_acl": ["few" if n % 50 == 0 else "most"]})
            for n in range(start, start + 500)
        ]
        store.put(index, records)
    with postgres.administrator() as connection:
        connection.run(f"ANALYZE {schema}.entries_2")
    asked = generator.standard_normal(8).astype("<f4")
    cosines = vectors @ asked / np.linalg.norm(vectors, axis=1)
    for readable, step in (("few", 50), (None, 1)):
        within = all_of(readable_by([readable])) if readable else None
        hits = store.query(index, VectorQuery(20, asked.tobytes(), within=within))
        nearest = {f"k{n:04}" for n in np.argsort(-np.where(np.arange(1_500) % step == 0, cosines, -2))[:20]}
        assert len(hits) == 20
        assert len({hit.key for hit in hits} & nearest) >= 18


def test_long_vectors_are_kept_without_an_index(store: PgVector) -> None:
    """pgvector indexes 2,000 dimensions at most."""
    index = VectorIndexName("acme.long.g1")
    store.create(index, VectorIndexSpec(4_096))
    vector = np.ones(4_096, "<f4").tobytes()
    store.put(index, [VectorRecord("a", vector, "")])
    assert [hit.key for hit in store.query(index, VectorQuery(5, vector))] == ["a"]


def test_connections_that_the_server_closed_are_replaced(store: PgVector, postgres: Postgres) -> None:
    """As after a failover; the next call does not notice."""
    store.put(INDEX, [VectorRecord("a", EAST, "")])
    with postgres.administrator() as connection:
        connection.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ragstone'")
    assert store.list(INDEX) == (["a"], None)


def test_a_server_that_is_not_there_is_unavailable(postgres: Postgres) -> None:
    """Nor is its address told."""
    store = PgVector(f"postgresql://ragstone:geheim@127.0.0.1:1/postgres?host={postgres.folder}")
    with pytest.raises(Unavailable, match="does not answer") as raised:
        store.indexes()
    assert "geheim" not in str(raised.value)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("53100", StorageFull),
        ("28P01", Misconfigured),
        ("42501", Misconfigured),
        ("3D000", Misconfigured),
        ("42P01", NotFound),
        ("40001", Unavailable),
        ("57P01", Unavailable),
        ("57014", Unavailable),
        ("25006", Unavailable),
    ],
)
def test_what_the_server_says_has_a_meaning(code: str, kind: type[Exception]) -> None:
    """By its code; its words, which repeat values, are not passed on."""
    error = error_of(DatabaseError({"C": code, "M": "what-only-the-row-knows"}))
    assert type(error) is kind
    assert "what-only-the-row-knows" not in str(error)
    assert type(error_of(InterfaceError("network error"))) is Unavailable


@pytest.mark.parametrize("url", ["postgresql://user@host", "mysql://user@host/name", "host/name"])
def test_an_address_of_another_form_is_refused_at_the_start(url: str) -> None:
    """With its form."""
    with pytest.raises(ConfigurationError, match="RAGSTONE_POSTGRES_URL"):
        PgVector(url)


@pytest.mark.parametrize(
    ("url", "encrypted", "verified"),
    [
        ("postgresql://user@127.0.0.1/name", False, False),
        ("postgresql://user@db.example/name", True, False),
        ("postgresql://user@db.example/name?sslmode=verify-full", True, True),
        ("postgresql://user@db.example/name?sslmode=disable", False, False),
    ],
)
def test_connections_to_other_hosts_are_encrypted(url: str, encrypted: bool, verified: bool) -> None:
    """Unless told not to; who the other side is, is made sure of where the URL asks for it."""
    context = Connections(url)._parameters["ssl_context"]
    assert (context is not False) is encrypted
    assert (encrypted and context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname) is verified


def test_who_only_reads_need_not_be_let_make_anything(store: PgVector, postgres: Postgres, schema: str) -> None:
    """Before there is anything, too; and what it may not change stays."""
    with postgres.administrator() as connection:
        connection.run("CREATE ROLE reading LOGIN")
        connection.run(f"GRANT USAGE ON SCHEMA {schema} TO reading")
        connection.run(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO reading")
    store.put(INDEX, [VectorRecord("a", EAST, "leave")])
    url = postgres.url.replace("ragstone@", "reading@")
    with closing(PgVector(url, "nothing")) as early, closing(PgVector(url, schema)) as reading:
        assert early.indexes() == []
        with pytest.raises(NotFound):
            early.query(INDEX, VectorQuery(5, EAST))
        assert [hit.key for hit in reading.query(INDEX, VectorQuery(5, EAST, "leave"))] == ["a"]
        with pytest.raises(Misconfigured, match="42501"):
            reading.delete(INDEX, ["a"])
    with postgres.administrator() as connection:
        connection.run("DROP OWNED BY reading")
        connection.run("DROP ROLE reading")


def test_a_search_that_nobody_waits_for_any_more_ends(store: PgVector) -> None:
    """The database stops when the asker would."""
    with store._index(INDEX) as there:
        assert there.run("SHOW statement_timeout") == [[f"{TIMEOUT_S}s"]]
    with pytest.raises(Unavailable, match="57014"):
        _search_long(store)
    assert store.list(INDEX) == ([], None)


def _search_long(store: PgVector) -> None:
    with store._index(INDEX) as there:
        there.run("SELECT set_config('statement_timeout', '10', true)")
        there.run("SELECT pg_sleep(5)")


def test_a_closed_store_says_so(store: PgVector) -> None:
    """To those who come later."""
    store.close()
    with pytest.raises(Unavailable, match="closed"):
        store.indexes()
