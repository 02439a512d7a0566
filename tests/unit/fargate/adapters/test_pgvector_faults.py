"""PostgreSQL that goes away: before every statement of every operation."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import closing
from itertools import count
from typing import Any

import pytest
from pg8000.native import Connection

from chalicelib.domain.filters import parse_filter
from chalicelib.errors import Unavailable
from chalicelib.ports.vectors import VectorIndexName, VectorIndexSpec, VectorQuery, VectorRecord
from fargate.adapters.pgvector_connections import Connections
from fargate.adapters.pgvector_vectors import PgVector
from tests.fakes.postgres import Postgres

INDEX, OTHER = VectorIndexName("acme.handbook.g1"), VectorIndexName("acme.handbook.g2")
SPEC = VectorIndexSpec(2)
NORTH, EAST = struct.pack("<2f", 0, 1), struct.pack("<2f", 1, 0)
OPERATIONS: dict[str, Callable[[PgVector], object]] = {
    "create": lambda store: store.create(OTHER, SPEC),
    "drop": lambda store: store.drop(INDEX),
    "indexes": lambda store: store.indexes("acme."),
    "put": lambda store: store.put(INDEX, [VectorRecord("b", EAST, "leave"), VectorRecord("c", EAST, "policy")]),
    "get": lambda store: store.get(INDEX, ["a", "b", "c"]),
    "delete": lambda store: store.delete(INDEX, ["a", "c"]),
    "list": lambda store: store.list(INDEX),
    "query": lambda store: store.query(INDEX, VectorQuery(5, EAST, "leave", parse_filter({"team": "hr"}))),
}


class CutConnections(Connections):
    """Connections that the server closes before the statement whose number *left* counts down to."""

    def __init__(self, postgres: Postgres, left: int) -> None:
        super().__init__(postgres.url)
        self.left = left
        self._postgres = postgres

    def _opened(self) -> Connection:
        connection = super()._opened()
        ((number,),) = connection.run("SELECT pg_backend_pid()")
        run = connection.run

        def cut(statement: str, **parameters: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                with self._postgres.administrator() as administrator:
                    administrator.run("SELECT pg_terminate_backend(:number, 5000)", number=number)
            return run(statement, **parameters)

        connection.run = cut
        return connection


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_a_lost_connection_interrupts_is_not_half_done(postgres: Postgres, name: str) -> None:
    """It is `Unavailable`, all that was there still is, and doing it again brings what doing it once does."""
    run = OPERATIONS[name]
    with postgres.schema() as schema, closing(PgVector(postgres.url, schema)) as whole:
        before = _held(_filled(whole))
        result = run(whole)
        after = _held(whole)
        for place in count(1):
            _filled(whole)
            connections = CutConnections(postgres, place)
            with closing(_through(connections, schema)) as store:
                try:
                    assert run(store) == result
                except Unavailable:
                    assert _held(whole) == before
            if connections.left > 0:
                break
            assert run(whole) == result
            assert _held(whole) == after
    assert place > 3


def _through(connections: Connections, schema: str) -> PgVector:
    store = PgVector("postgresql://nobody@localhost/nowhere", schema)
    store._connections = connections
    store._prepared = True
    return store


def _filled(store: PgVector) -> PgVector:
    for index in store.indexes():
        store.drop(index)
    store.create(INDEX, SPEC)
    store.put(INDEX, [VectorRecord("a", EAST, "leave", {"team": "hr"}), VectorRecord("b", NORTH, "policy")])
    return store


def _held(store: PgVector) -> dict[str, object]:
    return {index.name: store.get(index, ["a", "b", "c"]) for index in store.indexes()}
