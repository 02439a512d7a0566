"""Which run answered a question before, so that its answer can be given again."""

from __future__ import annotations

from chalicelib.domain.access import Tenant
from chalicelib.domain.identifiers import RunId
from chalicelib.domain.runs import Run
from chalicelib.errors import NotFound
from chalicelib.ports.table import Item, Put, Table
from chalicelib.repositories import keys
from chalicelib.repositories.runs import Runs


class RememberedAnswers:
    """
    Runs by the fingerprint of what they answered, each for as long as its release says.

    Only the run's id is kept: what deleting a document takes out of a run can be given to nobody again.
    """

    def __init__(self, table: Table, runs: Runs) -> None:
        self._table = table
        self._runs = runs

    def find(self, tenant: Tenant, fingerprint: str) -> Run | None:
        """Give the run that answered this, if its answer is still whole."""
        item = self._table.get(keys.remembered_answer(tenant, fingerprint))
        if item is None:
            return None
        try:
            run = self._runs.get(tenant, RunId(str(item.data["run_id"])))
        except NotFound:
            return None
        return run if run.answer is not None and run.error is None else None

    def remember(self, tenant: Tenant, fingerprint: str, run: Run, ttl_s: int) -> None:
        """Let *run*, which is stored, answer for *ttl_s* from when it was made."""
        expires_at = int(run.created_at.timestamp()) + ttl_s
        item = Item(keys.remembered_answer(tenant, fingerprint), {"run_id": run.run_id}, expires_at=expires_at)
        self._table.write(Put(item))
