"""Indexes by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from chalicelib.domain.access import Principal, Tenant, may_use_index
from chalicelib.domain.identifiers import JobId
from chalicelib.domain.indexes import Index
from chalicelib.errors import ConditionFailed, Conflict, NotFound
from chalicelib.ports.table import Delete, Item, Operation, Put, Query, Table
from chalicelib.repositories import keys
from chalicelib.repositories.codec import Codec

_indexes = Codec(Index)


class Indexes:
    """The indexes of all tenants, one tenant at a time."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, tenant: Tenant, name: str) -> Index:
        """Give the index. Raises `NotFound`, also while it is being deleted."""
        index = self.find(tenant, name)
        if index is None or index.deleting:
            raise missing(name)
        return index

    def find(self, tenant: Tenant, name: str) -> Index | None:
        """Give the index even while it is being deleted, or None."""
        item = self._table.get(keys.index(tenant, name))
        return _indexes.load(item) if item else None

    def permitted(self, principal: Principal, name: str) -> Index:
        """Give the index if it is within the principal's reach; raises the same `NotFound` otherwise."""
        if not may_use_index(principal, name):
            raise missing(name)
        return self.get(principal.tenant, name)

    def create(self, tenant: Tenant, index: Index) -> Index:
        """Store a new index. Raises `Conflict` when one of that name exists or is still being deleted."""
        try:
            self._table.write(Put(_item(tenant, index), if_absent=True))
        except ConditionFailed as lost:
            raise Conflict(f"An index {index.name!r} exists already; choose another name or delete it first.") from lost
        return replace(index, version=index.version + 1)

    def update(self, tenant: Tenant, name: str, change: Callable[[Index], Index]) -> Index:
        """Replace the index by what *change* makes of it. Raises `NotFound`, or `Conflict` if it changed meanwhile."""
        current = self.get(tenant, name)
        changed = change(current)
        try:
            self._table.write(Put(_item(tenant, changed), if_version=current.version))
        except ConditionFailed as lost:
            raise Conflict(f"Index {name!r} was changed by somebody else; read it again.") from lost
        return replace(changed, version=current.version + 1)

    def deleting(self, tenant: Tenant, index: Index, job_id: JobId) -> Operation:
        """Give the operation that hides the index, as it was read, to be written with the job that removes it."""
        return Put(_item(tenant, replace(index, deleting=True, job_id=job_id)), if_version=index.version)

    def sweeping(self, tenant: Tenant, index: Index, at: datetime) -> Operation:
        """Give the operation that notes a sweep of the index, unless it has changed since it was read."""
        return Put(_item(tenant, replace(index, swept_at=at)), if_version=index.version)

    def remove(self, tenant: Tenant, index: Index) -> None:
        """Take the row away, as it was read, so that the name is free again. Raises `ConditionFailed`."""
        self._table.write(Delete(keys.index(tenant, index.name), if_version=index.version))

    def list(self, tenant: Tenant, *, limit: int, cursor: str | None) -> tuple[list[Index], str | None]:
        """Give at most *limit* indexes by name, and the cursor of the next page."""
        key = keys.index(tenant, "*")
        page = self._table.query(Query(key.table, key.partition, limit=limit, cursor=cursor))
        return [one for one in map(_indexes.load, page.items) if not one.deleting], page.cursor


def _item(tenant: Tenant, index: Index) -> Item:
    return Item(keys.index(tenant, index.name), _indexes.dump(index), version=index.version + 1)


def missing(name: str) -> NotFound:
    """Give what is raised for an index that does not exist or cannot be reached, the same for both."""
    return NotFound(f"There is no index {name!r}. GET /v1/indexes lists those you may use.")
