"""Runs by id, and a tenant's runs newest first; each is kept for a while, then forgotten."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import cast

from pydantic import JsonValue

from chalicelib.domain.access import Tenant
from chalicelib.domain.identifiers import DocumentId, RunId
from chalicelib.domain.runs import Run, RunKind, cut_to, mentioned
from chalicelib.errors import NotFound
from chalicelib.ports.table import Delete, IndexName, Item, Put, Query, Table, TableName
from chalicelib.repositories import keys
from chalicelib.repositories.codec import Codec
from chalicelib.repositories.tenants import Tenants

_runs = Codec(Run)


class Runs:
    """
    The runs of all tenants, one tenant at a time, each kept for *retention_days*, or as its tenant says in *tenants*.

    Of a run that only retrieved, texts and headings of passages are not stored: they can be read again from the chunks.
    """

    def __init__(self, table: Table, retention_days: int, tenants: Tenants | None = None) -> None:
        self._table = table
        self._retention_days = retention_days
        self._tenants = tenants

    def add(self, tenant: Tenant, run: Run) -> None:
        """Store a run."""
        only_found = run.kind is RunKind.RETRIEVE
        data = _runs.dump(run)
        days = self._tenants.get(tenant).run_retention_days if self._tenants else self._retention_days
        expires_at = int(run.created_at.timestamp()) + days * 86_400
        listed = (keys.runs_of(tenant), run.run_id)
        item = Item(
            keys.run(tenant, run.run_id),
            _without_texts(data) if only_found else data,
            expires_at=expires_at,
            gsi1=listed,
        )
        holds = [] if only_found else sorted(mentioned(run))
        links = [Item(keys.mention(tenant, one, run.run_id), {}, expires_at=expires_at) for one in holds]
        self._table.write(Put(item), *map(Put, links))

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


class Mentions:
    """Which runs hold text of a document, so that it can be taken out of them when the document is deleted."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def of(self, tenant: Tenant, document_id: DocumentId) -> Iterator[RunId]:
        """Give every run that holds text of the document and is still kept."""
        anywhere = keys.mention(tenant, document_id, RunId(""))
        cursor: str | None = None
        while True:
            page = self._table.query(
                Query(anywhere.table, anywhere.partition, prefix=anywhere.sort, limit=500, cursor=cursor)
            )
            yield from (RunId(item.key.sort.removeprefix(anywhere.sort)) for item in page.items)
            if page.cursor is None:
                return
            cursor = page.cursor

    def forget(self, tenant: Tenant, document_id: DocumentId) -> None:
        """Take passages and quotes of the document out of every run; an answer that quoted it goes as a whole."""
        for run_id in list(self.of(tenant, document_id)):
            item = self._table.get(keys.run(tenant, run_id))
            if item is not None:
                run = _runs.load(item)
                cut = cut_to(run, mentioned(run) - {document_id})
                self._table.write(Put(replace(item, data=_runs.dump(cut))))
            self._table.write(Delete(keys.mention(tenant, document_id, run_id)))


def _without_texts(data: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    passages = cast("list[dict[str, JsonValue]]", data["passages"])
    return {**data, "passages": [{**one, "text": "", "heading_path": [], "context": ""} for one in passages]}
