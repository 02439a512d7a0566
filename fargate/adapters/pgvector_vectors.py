"""The vector store in PostgreSQL with pgvector, such as Aurora: one table for each index."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pg8000.native import Connection, identifier

from chalicelib.domain.filters import Filter, to_json
from chalicelib.errors import Conflict, NotFound
from chalicelib.ports.vectors import Capabilities, Hit, VectorIndexName, VectorIndexSpec, VectorQuery, VectorRecord
from fargate.adapters import pgvector_schema, pgvector_statements
from fargate.adapters.lexical_analysis import Analysers
from fargate.adapters.pgvector_connections import Connections
from fargate.adapters.pgvector_entries import encoded, record_of, row_of
from fargate.adapters.pgvector_search import Known, Lexical, known, search
from fargate.adapters.vector_checks import (
    check_delete,
    check_get,
    check_page,
    check_query,
    check_records,
    check_spec,
)

LEAST_WIDTH, MOST_WIDTH = 100, 1_000
"""How many candidates HNSW keeps at a time; where a filter leaves too few of them, it goes on."""
MAX_COUNTED = 4_096


@dataclass(frozen=True, slots=True)
class _Index:
    """An index that exists, for the length of a transaction."""

    connection: Connection
    table: str
    number: int
    spec: VectorIndexSpec
    tenant: str
    revision: int

    def run(self, statement: str, **parameters: Any) -> Sequence[Any]:
        """Say *statement* about the table of this index."""
        rows: Sequence[Any] = self.connection.run(statement.format(table=self.table), **parameters)
        return rows


class PgVector:
    """
    `VectorIndex` in the database at *url*, in tables of *schema*; safe from any thread and from several processes.

    The dense leg searches by HNSW, which may miss some of the very nearest in large indexes. Each transaction says
    which tenant it works for, the part of the index's name before the first dot, and row-level security shows it no
    other's entries.
    """

    def __init__(self, url: str, schema: str = "ragstone", *, password: Callable[[], str] | None = None) -> None:
        self._connections = Connections(url, password)
        self._schema = schema
        self._analysers = Analysers()
        self._prepared = False
        self._preparing = threading.Lock()
        self._counted: OrderedDict[Hashable, Known] = OrderedDict()
        self._counting = threading.Lock()

    @property
    def capabilities(self) -> Capabilities:
        """See `VectorIndex.capabilities`."""
        return Capabilities(native_hybrid=True)

    def create(self, index: VectorIndexName, spec: VectorIndexSpec) -> None:
        """See `VectorIndex.create`."""
        check_spec(spec)
        with self._transaction(writing=True) as connection:
            asked = {"name": index.name, "dimension": spec.dimension, "language": spec.language}
            made = connection.run(self._said(pgvector_statements.ADD_INDEX), **asked)
            for (number,) in made:
                pgvector_schema.create_entries(connection, self._table(number), spec.dimension)
        if not made:
            self._check_same(index, spec)

    def drop(self, index: VectorIndexName) -> None:
        """See `VectorIndex.drop`."""
        with self._transaction(writing=True) as connection:
            gone = connection.run(self._said(pgvector_statements.REMOVE_INDEX), name=index.name)
            for (number,) in gone:
                connection.run(f"DROP TABLE {self._table(number)}")

    def indexes(self, prefix: str = "") -> Sequence[VectorIndexName]:
        """See `VectorIndex.indexes`."""
        try:
            with self._transaction() as connection:
                rows = connection.run(self._said(pgvector_statements.INDEX_NAMES), prefix=prefix)
        except NotFound:  # nobody has made the first one yet
            return []
        return [VectorIndexName(name) for (name,) in rows]

    def put(self, index: VectorIndexName, records: Sequence[VectorRecord]) -> None:
        """See `VectorIndex.put`."""
        with self._index(index, writing=True) as there:
            check_records(records, there.spec.dimension)
            rows = [row_of(one, there.tenant, there.spec.language, self._analysers) for one in records]
            there.run(pgvector_statements.PUT, rows=json.dumps(rows))

    def get(self, index: VectorIndexName, keys: Sequence[str]) -> Sequence[VectorRecord]:
        """See `VectorIndex.get`."""
        check_get(keys)
        with self._index(index) as there:
            rows = there.run(pgvector_statements.GET, keys=json.dumps([encoded(key) for key in keys]))
        return [record_of(row) for row in rows]

    def delete(self, index: VectorIndexName, keys: Sequence[str]) -> None:
        """See `VectorIndex.delete`."""
        check_delete(keys)
        with self._index(index, writing=True) as there:
            there.run(pgvector_statements.DELETE, keys=json.dumps([encoded(key) for key in keys]))

    def list(
        self, index: VectorIndexName, *, limit: int = 500, cursor: str | None = None
    ) -> tuple[Sequence[str], str | None]:
        """See `VectorIndex.list`; the cursor is the last key of the page before."""
        check_page(limit, cursor)
        with self._index(index) as there:
            rows = there.run(pgvector_statements.LIST, after=(cursor or "").encode(), limit=limit + 1)
        keys = [key.decode() for (key,) in rows]
        return keys[:limit], keys[limit - 1] if len(keys) > limit else None

    def query(self, index: VectorIndexName, query: VectorQuery) -> Sequence[Hit]:
        """See `VectorIndex.query`."""
        with self._index(index) as there:
            check_query(query, there.spec.dimension)
            width = min(MOST_WIDTH, max(LEAST_WIDTH, 2 * query.top_k))
            there.run(pgvector_statements.SEARCH_WIDTH, width=str(width))
            if query.text is None:
                return search(there.connection, there.table, query, None)
            languages = [language for (language,) in there.run(pgvector_statements.LANGUAGES)]
            terms = self._analysers.query_terms(query.text, languages, there.spec.language)
            return search(there.connection, there.table, query, Lexical(terms, self._known(there, query.within)))

    def version(self, index: VectorIndexName) -> str:
        """See `VectorIndex.version`; no two indexes ever have a number in common."""
        with self._index(index) as there:
            return f"{there.number}-{there.revision}"

    def close(self) -> None:
        """See `VectorIndex.close`."""
        self._connections.close()

    def _known(self, index: _Index, within: Filter | None) -> Known:
        """Count what the asker may know of, once for every state of the index."""
        asked = (index.number, index.revision, json.dumps(to_json(within)) if within else "")
        with self._counting:
            found = self._counted.get(asked)
        if found is None:
            found = known(index.connection, index.table, within)
            with self._counting:
                self._counted[asked] = found
                while len(self._counted) > MAX_COUNTED:
                    self._counted.popitem(last=False)
        return found

    def _check_same(self, index: VectorIndexName, spec: VectorIndexSpec) -> None:
        with self._index(index) as there:
            if there.spec != spec:
                raise Conflict(f"vector index {index.name!r} exists as {there.spec}, not {spec}; drop it first")

    def _said(self, statement: str) -> str:
        return statement.format(schema=identifier(self._schema))

    def _table(self, number: int) -> str:
        return pgvector_schema.entries(self._schema, number)

    @contextmanager
    def _transaction(self, *, writing: bool = False) -> Iterator[Connection]:
        if writing:  # who only reads need not be let make anything
            self._prepare()
        with self._connections.transaction(writing=writing) as connection:
            yield connection

    def _prepare(self) -> None:
        with self._preparing:
            if not self._prepared:
                with self._connections.transaction(writing=True) as connection:
                    pgvector_schema.prepare(connection, self._schema)
                self._prepared = True

    @contextmanager
    def _index(self, index: VectorIndexName, *, writing: bool = False) -> Iterator[_Index]:
        """Give the index; writers take turns, and each makes another revision."""
        tenant = index.name.partition(".")[0]
        statement = pgvector_statements.WRITE_INDEX if writing else pgvector_statements.READ_INDEX
        with self._transaction(writing=writing) as connection:
            rows = connection.run(self._said(statement), name=index.name, tenant=tenant)
            if not rows:
                raise NotFound(f"vector index {index.name!r} does not exist; create it first")
            number, dimension, language, revision, *_ = rows[0]
            spec = VectorIndexSpec(dimension, language)
            yield _Index(connection, self._table(number), number, spec, tenant, revision)
