"""The metadata store in one SQLite file, as strict as DynamoDB."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from chalicelib.adapters import table_cursor
from chalicelib.adapters.sqlite_file import BUSY_TIMEOUT_S, SqliteFile
from chalicelib.adapters.table_limits import check_batch, check_key, check_query, encode_write, key_of
from chalicelib.errors import ConditionFailed
from chalicelib.ports.clock import Clock
from chalicelib.ports.table import (
    MAX_PAGE_BYTES,
    Check,
    Delete,
    IndexName,
    Item,
    Key,
    Operation,
    Page,
    Put,
    Query,
)

# All tables are one: each index begins with the table's name. `WITHOUT ROWID` would be slower for rows of this size.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS item (
    family TEXT NOT NULL, pk TEXT NOT NULL, sk TEXT NOT NULL,
    data TEXT NOT NULL, version INTEGER NOT NULL, expires_at INTEGER,
    gsi1_pk TEXT, gsi1_sk TEXT, gsi2_pk TEXT, gsi2_sk TEXT,
    PRIMARY KEY (family, pk, sk)
);
CREATE INDEX IF NOT EXISTS item_gsi1 ON item (family, gsi1_pk, gsi1_sk, pk, sk) WHERE gsi1_pk IS NOT NULL;
CREATE INDEX IF NOT EXISTS item_gsi2 ON item (family, gsi2_pk, gsi2_sk, pk, sk) WHERE gsi2_pk IS NOT NULL;
CREATE INDEX IF NOT EXISTS item_expiry ON item (expires_at) WHERE expires_at IS NOT NULL
"""
_VALUES = "data, version, expires_at, gsi1_pk, gsi1_sk, gsi2_pk, gsi2_sk"
_ALIVE = "(expires_at IS NULL OR expires_at >= ?)"
_GET = f"SELECT {_VALUES} FROM item WHERE family = ? AND pk = ? AND sk = ? AND {_ALIVE}"  # noqa: S608 - constants only
# A cross join keeps SQLite from reading the whole table and looking each row up in the list.
_LISTED = f"""
WITH wanted (family, pk, sk) AS (VALUES {{rows}}) SELECT family, pk, sk, {{columns}}
FROM wanted CROSS JOIN item USING (family, pk, sk) WHERE {_ALIVE}
"""  # noqa: S608 - constants only
_PUT = f"""
INSERT INTO item (family, pk, sk, {_VALUES}) VALUES {{rows}} ON CONFLICT (family, pk, sk) DO UPDATE SET
    data = excluded.data, version = excluded.version, expires_at = excluded.expires_at,
    gsi1_pk = excluded.gsi1_pk, gsi1_sk = excluded.gsi1_sk, gsi2_pk = excluded.gsi2_pk, gsi2_sk = excluded.gsi2_sk
"""  # noqa: S608 - constants only
# A list of row values beside IN would make SQLite read the whole table.
_DELETE = """
DELETE FROM item WHERE rowid IN (
    WITH wanted (family, pk, sk) AS (VALUES {rows})
    SELECT item.rowid FROM wanted CROSS JOIN item USING (family, pk, sk)
)
"""
_PURGE = "DELETE FROM item WHERE rowid IN (SELECT rowid FROM item WHERE expires_at < ? LIMIT 500)"
_PURGE_EVERY_S = 60

_COLUMNS = {None: ("pk", "sk"), IndexName.GSI1: ("gsi1_pk", "gsi1_sk"), IndexName.GSI2: ("gsi2_pk", "gsi2_sk")}


class SqliteTable:
    """See `ports.table.Table`. A page ends at `MAX_PAGE_BYTES`, as DynamoDB's do; indexes never lag."""

    def __init__(self, path: Path, clock: Clock, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self._clock = clock
        self._file = SqliteFile(path, _SCHEMA, busy_timeout_s=busy_timeout_s)
        self._purge_at = self._now()

    def get(self, key: Key) -> Item | None:
        """See `Table.get`."""
        check_key(key)
        with self._file.reading() as connection:
            row = connection.execute(_GET, (*_key_row(key), self._now())).fetchone()
        return _item(key, row) if row else None

    def batch_get(self, keys: Sequence[Key]) -> Sequence[Item]:
        """See `Table.batch_get`."""
        check_batch(keys)
        if not keys:
            return []
        by_row = {_key_row(key): key for key in keys}
        with self._file.reading() as connection:
            rows = connection.execute(_batch(len(keys)), [*chain(*by_row), self._now()]).fetchall()
        return [_item(by_row[family, partition, sort], values) for family, partition, sort, *values in rows]

    def write(self, *operations: Operation) -> None:
        """See `Table.write`."""
        texts = encode_write(operations)
        puts = [_put_row(put, text) for put, text in zip(operations, texts, strict=True) if isinstance(put, Put)]
        deletes = [_key_row(operation.key) for operation in operations if isinstance(operation, Delete)]
        now = self._now()
        with self._file.writing() as connection:
            self._purge(connection, now)
            _check_conditions(connection, operations, now)
            if puts:
                connection.execute(_put(len(puts)), list(chain(*puts)))
            if deletes:
                connection.execute(_delete(len(deletes)), list(chain(*deletes)))

    def query(self, query: Query) -> Page:
        """See `Table.query`."""
        check_query(query)
        statement, values = _select(query, self._now())
        with self._file.reading() as connection, closing(connection.execute(statement, values)) as cursor:
            rows, more = _page_of(cursor, query.limit)
        items = tuple(_item(Key(query.table, partition, sort), values) for partition, sort, *values in rows)
        return Page(items, table_cursor.encode(query, _position(items[-1], query.index)) if more else None)

    def close(self) -> None:
        """Let go of the file; later calls raise `Unavailable`."""
        self._file.close()

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _purge(self, connection: sqlite3.Connection, now: float) -> None:
        if now >= self._purge_at:
            self._purge_at = now + _PURGE_EVERY_S
            connection.execute(_PURGE, (now,))


def _batch(count: int) -> str:
    """Ask for *count* items in one statement, of which each step lets other threads run."""
    return _LISTED.format(rows=_marks(count), columns=_VALUES)


def _versions(count: int) -> str:
    return _LISTED.format(rows=_marks(count), columns="version")


def _put(count: int) -> str:
    """Write *count* items in one statement: after each, another thread may keep this one waiting for milliseconds."""
    return _PUT.format(rows=", ".join(["(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"] * count))


def _delete(count: int) -> str:
    return _DELETE.format(rows=_marks(count))


def _marks(count: int) -> str:
    return ", ".join(["(?, ?, ?)"] * count)


def _check_conditions(connection: sqlite3.Connection, operations: Sequence[Operation], now: float) -> None:
    conditions = [(place, one) for place, one in enumerate(operations) if _is_conditional(one)]
    if not conditions:
        return
    rows = [_key_row(key_of(operation)) for _, operation in conditions]
    found = connection.execute(_versions(len(rows)), [*chain(*rows), now]).fetchall()
    versions = {(family, partition, sort): version for family, partition, sort, version in found}
    for (place, operation), row in zip(conditions, rows, strict=True):
        _check_condition(operation, place, versions.get(row))


def _is_conditional(operation: Operation) -> bool:
    return isinstance(operation, Check) or operation.if_version is not None or getattr(operation, "if_absent", False)


def _check_condition(operation: Operation, place: int, found: int | None) -> None:
    if found != operation.if_version:
        there = "is absent" if found is None else f"has version {found}"
        wanted = "it to be absent" if operation.if_version is None else f"version {operation.if_version}"
        raise ConditionFailed(f"The item {key_of(operation).sort!r} {there}; the write asked for {wanted}.", place)


def _put_row(put: Put, text: str | None) -> tuple[str | int | None, ...]:
    item = put.item
    gsi = (*(item.gsi1 or (None, None)), *(item.gsi2 or (None, None)))
    return (*_key_row(item.key), text, item.version, item.expires_at, *gsi)


def _select(query: Query, now: float) -> tuple[str, list[str | float]]:
    partition, sort = _COLUMNS[query.index]
    order = [sort] if query.index is None else [sort, "pk", "sk"]
    conditions = ["family = ?", f"{partition} = ?", _ALIVE]
    values: list[str | float] = [query.table.value, query.partition, now]
    for condition, bound in _bounds(query, sort, ", ".join(order)):
        conditions.append(condition)
        values.extend(bound)
    direction = " DESC" if query.descending else ""
    ordering = ", ".join(column + direction for column in order)
    where = " AND ".join(conditions)
    # One row more than asked for tells whether there is a next page.
    return f"SELECT pk, sk, {_VALUES} FROM item WHERE {where} ORDER BY {ordering} LIMIT {query.limit + 1}", values  # noqa: S608 - constants and an int


def _bounds(query: Query, sort: str, order: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Give at most one lower and one upper bound, so that SQLite seeks to the page; a cursor is the tighter one."""
    first, last = query.first or query.prefix, query.last
    position = table_cursor.decode(query, query.cursor) if query.cursor is not None else None
    marks = ", ".join("?" * len(position or ()))
    if position and not query.descending:
        yield f"({order}) > ({marks})", position
    elif first:
        yield f"{sort} >= ?", (first,)
    if position and query.descending:
        yield f"({order}) < ({marks})", position
    elif last is not None:
        yield f"{sort} <= ?", (last,)
    elif query.prefix and (end := _after_prefix(query.prefix)):
        yield f"{sort} < ?", (end,)


def _after_prefix(prefix: str) -> str | None:
    """Give the first text in UTF-8 order after all that begin with *prefix*; None when there is none."""
    stem = prefix.rstrip(chr(0x10FFFF))
    if not stem:
        return None
    # No text holds a surrogate, so their range is stepped over.
    following = 0xE000 if stem[-1] == chr(0xD7FF) else ord(stem[-1]) + 1
    return stem[:-1] + chr(following)


def _page_of(rows: sqlite3.Cursor, limit: int) -> tuple[list[tuple[Any, ...]], bool]:
    """Take the rows of one page, its size counted in characters, and say whether more follow."""
    page: list[tuple[Any, ...]] = []
    size = 0
    for row in rows:
        size += len(row[2])
        if len(page) == limit or (page and size > MAX_PAGE_BYTES):
            return page, True
        page.append(row)
    return page, False


def _position(item: Item, index: IndexName | None) -> tuple[str, ...]:
    if index is None:
        return (item.key.sort,)
    place = item.gsi1 if index is IndexName.GSI1 else item.gsi2
    assert place is not None  # it was found by that index
    return (place[1], item.key.partition, item.key.sort)


def _key_row(key: Key) -> tuple[str, str, str]:
    return key.table.value, key.partition, key.sort


def _item(key: Key, values: Sequence[Any]) -> Item:
    data, version, expires_at, gsi1_pk, gsi1_sk, gsi2_pk, gsi2_sk = values
    gsi1 = None if gsi1_pk is None else (gsi1_pk, gsi1_sk)
    gsi2 = None if gsi2_pk is None else (gsi2_pk, gsi2_sk)
    return Item(key, from_json(data), version, expires_at, gsi1, gsi2)
