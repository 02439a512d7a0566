"""The ledger: what every upstream call came to, what is set aside for those under way, and the sums of both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from chalicelib.domain.access import Tenant
from chalicelib.domain.budgets import Account, Counter
from chalicelib.domain.ledger import LedgerEntry, UsageCell, cells_of, totals_of
from chalicelib.ports.table import MAX_PAGE_ITEMS, Delete, IndexName, Item, Key, Operation, Put, Query, Table, TableName
from chalicelib.repositories import keys
from chalicelib.repositories.codec import Codec

KEPT_S = 400 * 86_400
"""How long single calls, and the counters of past periods, are kept; the daily sums stay."""
MAX_RECOVERED = 20


@dataclass(frozen=True, slots=True)
class Hold:
    """
    What is set aside for a call: *amount* in each of *accounts*, until it is settled.

    *entry* is what the ledger will say if nobody has settled it by *expires_at* (Unix time): the worst.
    """

    entry: LedgerEntry
    accounts: Sequence[Account]
    amount: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of a call, and what was set aside for it, if anything was; *entry* None: nothing was sent."""

    entry: LedgerEntry | None
    hold: Hold | None


Change = Hold | Settlement


@dataclass(frozen=True, slots=True)
class Booked:
    """
    What became of a change.

    *refused* is the account that a hold does not fit into, and what it had come to: then nothing was set aside.
    *warned* are the accounts that came to their soft limit by this change.
    """

    refused: tuple[Account, Counter] | None = None
    warned: Sequence[Account] = ()


_entries = Codec(LedgerEntry)
_holds = Codec(Hold)
_cells = Codec(UsageCell)
_counters = Codec(Counter)


class Ledger:
    """The ledger of all tenants, one tenant at a time."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def book(self, tenant: Tenant, changes: Sequence[Change]) -> list[Booked]:
        """
        Do *changes* in one transaction, and say what became of each; rows of them `weight` 96 at most.

        Raises `ConditionFailed` when another process was quicker: then none was done, and all can be tried again.
        A settlement of what was settled before does nothing.
        """
        page = _Page(tenant, {item.key: item for item in self._table.batch_get(_read(tenant, changes))})
        booked = [page.hold(one) if isinstance(one, Hold) else page.settle(one) for one in changes]
        self._table.write(*page.operations())
        return booked

    def expired(self, tenant: Tenant, now: datetime) -> list[Hold]:
        """Give some of what nobody settled in time, the oldest first."""
        key = keys.reservation(tenant, "", 0, int(now.timestamp()))
        page = self._table.query(Query(key.table, key.partition, last=key.sort, limit=MAX_RECOVERED))
        return [_holds.load(item) for item in page.items]

    def entries(self, tenant: Tenant) -> Iterator[LedgerEntry]:
        """Give every call that is kept, the oldest first."""
        partition = keys.entries_of(tenant)
        query = Query(TableName.LEDGER, partition, IndexName.GSI1, limit=MAX_PAGE_ITEMS)
        yield from (_entries.load(item) for item in _all(self._table, query))

    def cells(self, tenant: Tenant, first: date, last: date, *, by_user: bool) -> Iterator[UsageCell]:
        """Give the sums of the days from *first* to *last*: of all users together, or of those calls that have one."""
        day = UsageCell(first, "", "", None, "" if by_user else None)
        key = keys.usage_cell(tenant, day)
        query = Query(key.table, key.partition, first=first.isoformat(), last=f"{last.isoformat()}#~")
        yield from (_cells.load(item) for item in _all(self._table, replace(query, limit=MAX_PAGE_ITEMS)))

    def counters(self, tenant: Tenant, account: Account, *, limit: int) -> list[Counter]:
        """Give what at most *limit* accounts of *account*'s budget have come to in its period, whatever the subject."""
        key = keys.counter(tenant, account)
        prefix = key.sort.rpartition("#")[0] + "#"
        page = self._table.query(Query(key.table, key.partition, prefix=prefix, limit=limit))
        return [_counters.load(item) for item in page.items]

    def counter(self, tenant: Tenant, account: Account) -> Counter:
        """Give what one account has come to."""
        item = self._table.get(keys.counter(tenant, account))
        return Counter(account.subject) if item is None else _counters.load(item)


def weight(change: Change) -> int:
    """Say how many rows *change* may touch."""
    if isinstance(change, Hold):
        return len(change.accounts) + 1
    return len(change.hold.accounts if change.hold else ()) + 4


@dataclass(slots=True)
class _Page:
    """Rows as they were read, and what is to be written instead."""

    tenant: Tenant
    there: dict[Key, Item]
    counters: dict[Key, tuple[Account, Counter]] = field(default_factory=dict)
    cells: dict[Key, UsageCell] = field(default_factory=dict)
    others: list[Operation] = field(default_factory=list)

    def hold(self, hold: Hold) -> Booked:
        for account in hold.accounts:
            counter = self._counter(account)
            if not counter.admits(account, hold.amount):
                return Booked(refused=(account, counter))
        for account in hold.accounts:
            self._count(account, self._counter(account).holding(hold.amount))
        self.others.append(Put(Item(_hold_key(self.tenant, hold), _holds.dump(hold), version=1), if_absent=True))
        return Booked()

    def settle(self, settlement: Settlement) -> Booked:
        entry, hold = settlement.entry, settlement.hold
        if entry is not None and _entry_key(self.tenant, entry) in self.there:
            return Booked()
        warned = [] if hold is None else self._release(hold, 0 if entry is None else entry.cost_usd_micros)
        if entry is not None:
            self._enter(entry)
        return Booked(warned=warned)

    def operations(self) -> list[Operation]:
        counters = [self._put(key, _counter_item(key, *one)) for key, one in self.counters.items()]
        cells = [self._put(key, Item(key, _cells.dump(cell))) for key, cell in self.cells.items()]
        return [*counters, *cells, *self.others]

    def _release(self, hold: Hold, cost: int) -> list[Account]:
        key = _hold_key(self.tenant, hold)
        amount = hold.amount if key in self.there else 0  # else it was given back before
        if key in self.there:
            self.others.append(Delete(key, if_version=1))
        warned = []
        for account in hold.accounts:
            before = self._counter(account)
            after = before.settling(account, amount, cost)
            self._count(account, after)
            if after.warned and not before.warned:
                warned.append(account)
        return warned

    def _enter(self, entry: LedgerEntry) -> None:
        key = _entry_key(self.tenant, entry)
        listed = (keys.entries_of(self.tenant), f"{entry.call_id}#{entry.attempt}")
        expires_at = int(entry.at.timestamp()) + KEPT_S
        self.others.append(Put(Item(key, _entries.dump(entry), expires_at=expires_at, gsi1=listed), if_absent=True))
        for empty in cells_of(entry):
            place = keys.usage_cell(self.tenant, empty)
            cell = self.cells.get(place) or (_cells.load(self.there[place]) if place in self.there else empty)
            self.cells[place] = replace(cell, totals=cell.totals.plus(totals_of(entry)))

    def _counter(self, account: Account) -> Counter:
        key = keys.counter(self.tenant, account)
        if key in self.counters:
            return self.counters[key][1]
        return _counters.load(self.there[key]) if key in self.there else Counter(account.subject)

    def _count(self, account: Account, counter: Counter) -> None:
        self.counters[keys.counter(self.tenant, account)] = account, counter

    def _put(self, key: Key, item: Item) -> Put:
        """Write over what was read, and only that."""
        before = self.there.get(key)
        if before is None:
            return Put(replace(item, version=1), if_absent=True)
        return Put(replace(item, version=before.version + 1), if_version=before.version)


def _read(tenant: Tenant, changes: Sequence[Change]) -> list[Key]:
    wanted: dict[Key, None] = {}
    for change in changes:
        hold = change if isinstance(change, Hold) else change.hold
        wanted |= dict.fromkeys(keys.counter(tenant, account) for account in (hold.accounts if hold else ()))
        if isinstance(change, Settlement):
            wanted |= dict.fromkeys(_settled(tenant, change))
    return list(wanted)


def _settled(tenant: Tenant, settlement: Settlement) -> Iterator[Key]:
    if settlement.hold is not None:
        yield _hold_key(tenant, settlement.hold)
    if settlement.entry is not None:
        yield _entry_key(tenant, settlement.entry)
        yield from (keys.usage_cell(tenant, cell) for cell in cells_of(settlement.entry))


def _hold_key(tenant: Tenant, hold: Hold) -> Key:
    return keys.reservation(tenant, hold.entry.call_id, hold.entry.attempt, hold.expires_at)


def _entry_key(tenant: Tenant, entry: LedgerEntry) -> Key:
    return keys.ledger_entry(tenant, entry.call_id, entry.attempt)


def _counter_item(key: Key, account: Account, counter: Counter) -> Item:
    return Item(key, _counters.dump(counter), expires_at=int(account.end.timestamp()) + KEPT_S)


def _all(table: Table, query: Query) -> Iterator[Item]:
    while True:
        page = table.query(query)
        yield from page.items
        if page.cursor is None:
            return
        query = replace(query, cursor=page.cursor)
