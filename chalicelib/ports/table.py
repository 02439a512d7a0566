"""Rows by key, shaped like DynamoDB on purpose: what it cannot do cheaply cannot be asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from pydantic import JsonValue

MAX_ITEM_BYTES = 400_000
MAX_PARTITION_BYTES = 2_048
MAX_SORT_BYTES = 1_024
MAX_WRITE_OPERATIONS = 100
MAX_WRITE_BYTES = 4_000_000
MAX_BATCH_GET = 100
MAX_PAGE_ITEMS = 1_000
MAX_PAGE_BYTES = 1_000_000


class TableName(StrEnum):
    """One physical table for each family of entities."""

    DOCUMENTS = "documents"
    CHUNKS = "chunks"
    INDEXES = "indexes"
    EXPERIMENTS = "experiments"
    RUNS = "runs"
    FEEDBACK = "feedback"
    CONFIG = "config"
    EVALUATIONS = "evaluations"
    JOBS = "jobs"
    LEDGER = "ledger"
    AUDIT = "audit"


@dataclass(frozen=True, slots=True)
class Key:
    """Where an item stands: its table, its *partition*, and its *sort* key within that. Neither part is empty."""

    table: TableName
    partition: str
    sort: str


class IndexName(StrEnum):
    """The two generic secondary indexes; each orders its partition by its own sort key."""

    GSI1 = "gsi1"
    GSI2 = "gsi2"


@dataclass(frozen=True, slots=True)
class Item:
    """
    A row. *data* is JSON (numbers survive exactly as Python int or float).

    *version* is written as it stands here and compared by `Put.if_version`; *expires_at* is a Unix time in seconds,
    after which no read gives the item and every condition takes it for absent. *gsi1* and *gsi2* are (partition, sort)
    in that secondary index, or absent.
    """

    key: Key
    data: Mapping[str, JsonValue]
    version: int = 0
    expires_at: int | None = None
    gsi1: tuple[str, str] | None = None
    gsi2: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Put:
    """Write the whole item. With *if_absent* only where none is; with *if_version* only over that version."""

    item: Item
    if_absent: bool = False
    if_version: int | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove the item; removing what is not there succeeds, unless *if_version* was asked for."""

    key: Key
    if_version: int | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """Change nothing, but let the whole write fail unless the item has this version (None: unless it is absent)."""

    key: Key
    if_version: int | None = None


Operation = Put | Delete | Check


@dataclass(frozen=True, slots=True)
class Query:
    """
    A slice of one partition, in order of the sort key.

    *prefix*, or *first* and *last* (both included), narrow it; *cursor* is what the page before gave.
    """

    table: TableName
    partition: str
    index: IndexName | None = None
    prefix: str | None = None
    first: str | None = None
    last: str | None = None
    descending: bool = False
    limit: int = 100
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some items; *cursor* is None on the last page. A page may hold fewer than the limit and still have a next."""

    items: Sequence[Item] = field(default_factory=tuple)
    cursor: str | None = None


class Table(Protocol):
    """
    The metadata store. All calls are safe from any thread.

    Every call raises `Unavailable` when the store does not answer and `StorageFull` when there is no space left. Then
    nothing of the call was stored, but for one exception: of a store across a network, all answers to a write may be
    lost after it was carried out. So a write that matters bears a condition, or does the same when it is repeated.
    """

    def get(self, key: Key) -> Item | None:
        """Give the item as last written, or None."""
        ...

    def batch_get(self, keys: Sequence[Key]) -> Sequence[Item]:
        """Give those of at most `MAX_BATCH_GET` distinct *keys* that exist, in any order, each as last written."""
        ...

    def write(self, *operations: Operation) -> None:
        """
        Do all of at most `MAX_WRITE_OPERATIONS` operations, on distinct keys, or none.

        Raises `ConditionFailed` with the place of the first operation whose condition does not hold, and
        `InvalidRequest` for an item over `MAX_ITEM_BYTES` (its JSON in UTF-8), for items over `MAX_WRITE_BYTES`
        together, and for a key that is empty or too long.
        """
        ...

    def query(self, query: Query) -> Page:
        """
        Give a page of at most ``query.limit`` (1 to `MAX_PAGE_ITEMS`) items; equal sort keys by primary key.

        Raises `InvalidRequest` for a cursor that another query, or nobody, gave.
        A secondary index may lag behind `write` by moments; the primary one never does.
        """
        ...
