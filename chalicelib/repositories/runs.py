"""Runs by id, and a tenant's runs newest first; each is kept for a while, then forgotten."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.domain.access import Tenant
from chalicelib.domain.identifiers import RunId
from chalicelib.domain.runs import Run, RunKind
from chalicelib.errors import NotFound
from chalicelib.ports.table import IndexName, Item, Put, Query, Table, TableName
from chalicelib.repositories import keys
from chalicelib.repositories.codec import Codec

_runs = Codec(Run)


class Runs:
    """
    The runs of all tenants, one tenant at a time, each kept for *retention_days*.

    Of a run that only retrieved, the passages' texts are not stored: they can be read again from the chunks.
    """

    def __init__(self, table: Table, retention_days: int) -> None:
        self._table = table
        self._retention_s = retention_days * 86_400

    def add(self, tenant: Tenant, run: Run) -> None:
        """Store a run."""
        stored = _without_texts(run) if run.kind is RunKind.RETRIEVE else run
        expires_at = int(run.created_at.timestamp()) + self._retention_s
        listed = (keys.runs_of(tenant), run.run_id)
        item = Item(keys.run(tenant, run.run_id), _runs.dump(stored), expires_at=expires_at, gsi1=listed)
        self._table.write(Put(item))

    def get(self, tenant: Tenant, run_id: RunId) -> Run:
        """Give the run. Raises `NotFound`."""
        item = self._table.get(keys.run(tenant, run_id))
        if item is None:
            raise NotFound(f"There is no run {run_id}.")
        return _runs.load(item)

    def list(self, tenant: Tenant, *, limit: int, cursor: str | None) -> tuple[list[Run], str | None]:
        """Give at most *limit* runs, newest first, and the cursor of the next page."""
        query = Query(TableName.RUNS, keys.runs_of(tenant), IndexName.GSI1, descending=True)
        page = self._table.query(replace(query, limit=limit, cursor=cursor))
        return [_runs.load(item) for item in page.items], page.cursor


def _without_texts(run: Run) -> Run:
    return replace(run, passages=[replace(passage, text="") for passage in run.passages])
