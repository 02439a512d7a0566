"""What repositories of versioned configuration share: all rows of a partition, and the last version of a thing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from chalicelib.ports.table import Item, Key, Query, Table


def all_beside(table: Table, key: Key, at_once: int) -> Iterator[Item]:
    """Give every item of the partition of *key*, in order, *at_once* for each call of the store."""
    query: Query | None = Query(key.table, key.partition, limit=at_once)
    while query is not None:
        page = table.query(query)
        yield from page.items
        query = replace(query, cursor=page.cursor) if page.cursor else None


def last_version(table: Table, key: Key) -> int:
    """Give the version of the last item in the partition of *key*, 0 where there is none: what is made anew goes on."""
    page = table.query(Query(key.table, key.partition, descending=True, limit=1))
    return page.items[0].version if page.items else 0
