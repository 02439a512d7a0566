"""The ledger: what every upstream call came to, what is set aside for those under way, and the sums of both."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import TypeVar

from pydantic import JsonValue

from chalicelib.domain.access import Tenant
from chalicelib.domain.budgets import Account, Counter
from chalicelib.domain.ledger import LedgerEntry, UsageCell, cells_of, totals_of
from chalicelib.ports.table import MAX_PAGE_ITEMS, Delete, IndexName, Item, Key, Operation, Put, Query, Table, TableName
from chalicelib.repositories import keys
from chalicelib.repositories.codec import Codec

KEPT_S = 400 * 86_400
"""How long single calls, and the counters of past periods, are kept; the daily sums stay."""
MAX_RECOVERED = 20
MAX_REMEMBERED = 4_000
"""Rows of one tenant, and tenants, that are remembered; beyond, all are forgotten."""


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

RowT = TypeVar("RowT", Counter, UsageCell)
_Row = tuple[Counter | UsageCell | None, int]
"""What a row says, where more matters than that it is there, and its version."""
_Wanted = dict[Key, Codec[Counter] | Codec[UsageCell] | None]


class Ledger:
    """
    The ledger of all tenants, one tenant at a time.

    It remembers the rows it wrote, so that most bookings need no reading: every write asks for the versions it goes by,
    and what does not stand there any more is read again.
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._remembered: dict[Tenant, dict[Key, _Row]] = {}

    def book(self, tenant: Tenant, changes: Sequence[Change]) -> list[Booked]:
        """
        Do *changes* in one transaction, and say what became of each; rows of them `weight` 96 at most.

        Raises `ConditionFailed` when another process was quicker: then none was done, and all can be tried again.
        A settlement of what was settled before does nothing.
        """
        remembered = self._remembered.pop(tenant, None)  # whoever books at the same time reads for itself
        page = _Page(tenant, self._rows(tenant, changes, remembered))
        booked = [page.hold(one) if isinstance(one, Hold) else page.settle(one) for one in changes]
        if remembered is not None and any(one.refused for one in booked):
            return self.book(tenant, changes)  # another process may have made room meanwhile
        self._table.write(*page.operations())
        self._remember(tenant, page.rows)
        return booked

    def _rows(self, tenant: Tenant, changes: Sequence[Change], remembered: dict[Key, _Row] | None) -> dict[Key, _Row]:
        """Give the rows that *changes* are about, as they stand in the table or were left there."""
        known = {} if remembered is None else remembered
        wanted = {key: codec for key, codec in _read(tenant, changes, remembered).items() if key not in known}
        known.update((item.key, _row(item, wanted[item.key])) for item in self._table.batch_get(list(wanted)))
        return known

    def _remember(self, tenant: Tenant, rows: dict[Key, _Row]) -> None:
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[tenant] = rows if len(rows) < MAX_REMEMBERED else {}

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
    """Rows as they are, and what is to be written instead."""

    tenant: Tenant
    rows: dict[Key, _Row]
    counters: dict[Key, tuple[Account, Counter]] = field(default_factory=dict)
    cells: dict[Key, UsageCell] = field(default_factory=dict)
    others: list[Operation] = field(default_factory=list)

    def hold(self, hold: Hold) -> Booked:
        counters = [(*one, self._counter(*one)) for one in self._accounts(hold)]
        for _, account, counter in counters:
            if not counter.admits(account, hold.amount):
                return Booked(refused=(account, counter))
        for place, account, counter in counters:
            self.counters[place] = account, counter.holding(hold.amount)
        key = _hold_key(self.tenant, hold)
        self.others.append(Put(Item(key, _holds.dump(hold), version=1), if_absent=True))
        self.rows[key] = None, 1
        return Booked()

    def settle(self, settlement: Settlement) -> Booked:
        entry, hold = settlement.entry, settlement.hold
        if entry is not None and _entry_key(self.tenant, entry) in self.rows:
            return Booked()
        warned = [] if hold is None else self._release(hold, 0 if entry is None else entry.cost_usd_micros)
        if entry is not None:
            self._enter(entry)
        return Booked(warned=warned)

    def operations(self) -> list[Operation]:
        """Give what is to be written; from then on, *rows* are as they will be."""
        counters = [
            self._put(key, one, _counters.dump(one), _end(account)) for key, (account, one) in self.counters.items()
        ]
        cells = [self._put(key, cell, _cells.dump(cell)) for key, cell in self.cells.items()]
        return [*counters, *cells, *self.others]

    def _release(self, hold: Hold, cost: int) -> list[Account]:
        key = _hold_key(self.tenant, hold)
        held = self.rows.pop(key, None)
        amount = hold.amount if held else 0  # else it was given back before
        if held:
            self.others.append(Delete(key, if_version=1))
        warned = []
        for place, account in self._accounts(hold):
            before = self._counter(place, account)
            after = before.settling(account, amount, cost)
            self.counters[place] = account, after
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
            cell = self.cells.get(place) or self._row(place, UsageCell) or empty
            self.cells[place] = replace(cell, totals=cell.totals.plus(totals_of(entry)))

    def _accounts(self, hold: Hold) -> list[tuple[Key, Account]]:
        return [(keys.counter(self.tenant, account), account) for account in hold.accounts]

    def _counter(self, key: Key, account: Account) -> Counter:
        if key in self.counters:
            return self.counters[key][1]
        return self._row(key, Counter) or Counter(account.subject)

    def _row(self, key: Key, kind: type[RowT]) -> RowT | None:
        said, _ = self.rows.get(key, (None, 0))
        return said if isinstance(said, kind) else None

    def _put(
        self, key: Key, said: Counter | UsageCell, data: Mapping[str, JsonValue], expires_at: int | None = None
    ) -> Put:
        """Write over what is there, and only that."""
        _, version = self.rows.get(key, (None, 0))
        self.rows[key] = said, version + 1
        item = Item(key, data, version + 1, expires_at)
        return Put(item, if_version=version) if version else Put(item, if_absent=True)


def _read(tenant: Tenant, changes: Sequence[Change], remembered: Collection[Key] | None) -> _Wanted:
    """
    Give the rows that *changes* are about.

    Who *remembered* that something is set aside need not look whether it still is, and the call not in the ledger yet:
    if that is not so, the write fails.
    """
    wanted: _Wanted = {}
    for change in changes:
        hold = change if isinstance(change, Hold) else change.hold
        wanted |= dict.fromkeys(
            (keys.counter(tenant, account) for account in (hold.accounts if hold else ())), _counters
        )
        if isinstance(change, Settlement):
            wanted |= _settled(tenant, change, remembered)
    return wanted


def _settled(tenant: Tenant, settlement: Settlement, remembered: Collection[Key] | None) -> _Wanted:
    entry = settlement.entry
    held = None if settlement.hold is None else _hold_key(tenant, settlement.hold)
    wanted: _Wanted = {}
    if remembered is None or (held is not None and held not in remembered):
        wanted |= {} if held is None else {held: None}
        wanted |= {} if entry is None else {_entry_key(tenant, entry): None}
    if entry is not None:
        wanted |= dict.fromkeys((keys.usage_cell(tenant, cell) for cell in cells_of(entry)), _cells)
    return wanted


def _row(item: Item, codec: Codec[Counter] | Codec[UsageCell] | None) -> _Row:
    return None if codec is None else codec.load(item), item.version


def _hold_key(tenant: Tenant, hold: Hold) -> Key:
    return keys.reservation(tenant, hold.entry.call_id, hold.entry.attempt, hold.expires_at)


def _entry_key(tenant: Tenant, entry: LedgerEntry) -> Key:
    return keys.ledger_entry(tenant, entry.call_id, entry.attempt)


def _end(account: Account) -> int:
    return int(account.end.timestamp()) + KEPT_S


def _all(table: Table, query: Query) -> Iterator[Item]:
    while True:
        page = table.query(query)
        yield from page.items
        if page.cursor is None:
            return
        query = replace(query, cursor=page.cursor)
