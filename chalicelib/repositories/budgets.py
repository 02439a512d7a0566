"""Budgets by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from chalicelib.domain.access import Tenant
from chalicelib.domain.budgets import MAX_BUDGETS, Budget
from chalicelib.errors import ConditionFailed, Conflict, NotFound
from chalicelib.ports.table import Delete, Item, Put, Query, Table
from chalicelib.repositories import keys
from chalicelib.repositories.audit import Note, told
from chalicelib.repositories.codec import Codec

_budgets = Codec(Budget)


class Budgets:
    """The budgets of all tenants, one tenant at a time."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def all(self, tenant: Tenant) -> list[Budget]:
        """Give every budget, by name."""
        key = keys.budget(tenant, "*")
        page = self._table.query(Query(key.table, key.partition, limit=MAX_BUDGETS))
        return [_budgets.load(item) for item in page.items]

    def get(self, tenant: Tenant, name: str) -> Budget:
        """Give the budget. Raises `NotFound`."""
        item = self._table.get(keys.budget(tenant, name))
        if item is None:
            raise NotFound(f"There is no budget {name!r}. GET /v1/budgets lists those there are.")
        return _budgets.load(item)

    def create(self, tenant: Tenant, budget: Budget, note: Note | None = None) -> Budget:
        """
        Store a new budget, and with it what *note* tells.

        Raises `Conflict` when there is one of that name, or as many as there can be.
        """
        if len(self.all(tenant)) >= MAX_BUDGETS:
            raise Conflict(f"There are {MAX_BUDGETS} budgets, which is as many as there can be; delete one first.")
        made = replace(budget, version=1)
        try:
            self._table.write(Put(_item(tenant, made), if_absent=True), *told(note, None, _budgets.dump(made)))
        except ConditionFailed as lost:
            raise Conflict(f"A budget {budget.name!r} exists already; change it, or choose another name.") from lost
        return made

    def update(self, tenant: Tenant, name: str, change: Callable[[Budget], Budget], note: Note | None = None) -> Budget:
        """Store what *change* makes of the budget. Raises `NotFound`, or `Conflict` if it changed meanwhile."""
        current = self.get(tenant, name)
        changed = replace(change(current), version=current.version + 1)
        self._write(
            name,
            Put(_item(tenant, changed), if_version=current.version),
            *told(note, _budgets.dump(current), _budgets.dump(changed)),
        )
        return changed

    def delete(self, tenant: Tenant, budget: Budget, note: Note | None = None) -> Budget:
        """Take *budget* away and give it; what it counted stays. Raises `Conflict` if it has another version by now."""
        gone = Delete(keys.budget(tenant, budget.name), if_version=budget.version)
        self._write(budget.name, gone, *told(note, _budgets.dump(budget), None))
        return budget

    def _write(self, name: str, *operations: Put | Delete) -> None:
        try:
            self._table.write(*operations)
        except ConditionFailed as lost:
            raise Conflict(f"Budget {name!r} was changed by somebody else; read it again.") from lost


def _item(tenant: Tenant, budget: Budget) -> Item:
    return Item(keys.budget(tenant, budget.name), _budgets.dump(budget), version=budget.version)
