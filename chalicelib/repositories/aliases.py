"""Aliases: names that point to releases, each with everything it pointed to before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime

from chalicelib.domain.access import Tenant
from chalicelib.domain.releases import LIVE, Alias, Release, ReleaseStatus
from chalicelib.errors import ConditionFailed, Conflict, NotFound
from chalicelib.ports.table import Delete, Item, Operation, Put, Query, Table
from chalicelib.repositories import keys
from chalicelib.repositories.audit import Note, told
from chalicelib.repositories.codec import Codec
from chalicelib.repositories.releases import Releases, release_item
from chalicelib.repositories.versioned import all_beside, last_version

MAX_ALIASES = 200

_aliases = Codec(Alias)


class Aliases:
    """
    The aliases of all tenants, one tenant at a time.

    Every change stores the alias, a row that keeps what it was, and what its *note* tells, all or nothing. `LIVE` also
    decides the status of the releases that it comes to and goes from.
    """

    def __init__(self, table: Table, releases: Releases) -> None:
        self._table = table
        self._releases = releases

    def all(self, tenant: Tenant) -> list[Alias]:
        """Give every alias, by name."""
        return list(self._stored(tenant))

    def get(self, tenant: Tenant, name: str) -> Alias:
        """Give the alias. Raises `NotFound`."""
        item = self._table.get(keys.alias(tenant, name))
        if item is None:
            raise NotFound(f"There is no alias {name!r}.")
        return _aliases.load(item)

    def versions(self, tenant: Tenant, name: str, *, limit: int, cursor: str | None) -> tuple[list[Alias], str | None]:
        """Give at most *limit* things that the alias was, newest first, and the next cursor. Raises `NotFound`."""
        self.get(tenant, name)
        key = keys.alias_version(tenant, name, 0)
        page = self._table.query(Query(key.table, key.partition, descending=True, limit=limit, cursor=cursor))
        return [_aliases.load(item) for item in page.items], page.cursor

    def create(self, tenant: Tenant, alias: Alias, note: Note | None = None) -> Alias:
        """Store a new alias. Raises `Conflict` where there is one of that name, or as many as there can be."""
        if len(self.all(tenant)) >= MAX_ALIASES:
            raise Conflict(f"There are {MAX_ALIASES} aliases, which is as many as there can be; delete one first.")
        made = replace(alias, version=self._latest_version(tenant, alias.name) + 1)
        try:
            self._table.write(*_puts(tenant, None, made), *_told(note, None, made))
        except ConditionFailed as lost:
            raise Conflict(f"An alias {alias.name!r} exists already; change it, or choose another name.") from lost
        return made

    def point(self, tenant: Tenant, alias: Alias, note: Note | None = None) -> Alias:
        """
        Let the alias point elsewhere, if it still has the version that *alias* has.

        Raises `NotFound`, and `Conflict` for another version.
        """
        current = self.get(tenant, alias.name)
        _check_version(current, alias.version)
        changed = replace(alias, previous=current.version, version=current.version + 1)
        self._write(alias.name, *_puts(tenant, current, changed), *_told(note, current, changed))
        return changed

    def delete(self, tenant: Tenant, alias: Alias, note: Note | None = None) -> Alias:
        """
        Take the alias away, if it still has the version that *alias* has, and give it; what it was stays on record.

        Raises `Conflict` for another version.
        """
        gone = Delete(keys.alias(tenant, alias.name), if_version=alias.version)
        self._write(alias.name, gone, *_told(note, alias, None))
        return alias

    def promote(
        self, tenant: Tenant, release: Release, *, at: datetime, by: str, reason: str, note: Note | None = None
    ) -> Alias:
        """
        Let `LIVE` point to *release*, which is live from then on; the one before it retires.

        Raises `Conflict` where it is live already, and where anything of it changes meanwhile.
        """
        item = self._table.get(keys.alias(tenant, LIVE))
        current = _aliases.load(item) if item else None
        if current is not None and current.release_id == release.release_id:
            raise Conflict(f"Release {release.release_id} is live already.")
        previous = current.version if current else None
        version = (current.version if current else self._latest_version(tenant, LIVE)) + 1
        promoted = Alias(LIVE, release.release_id, at, by, reason, previous, version)
        self._go_live(tenant, current, promoted, note)
        return promoted

    def rollback(
        self,
        tenant: Tenant,
        check: Callable[[Release], None],
        *,
        at: datetime,
        by: str,
        reason: str,
        note: Note | None = None,
    ) -> Alias:
        """
        Let `LIVE` point to the release that was live before the one that is, if *check* lets that pass.

        Done again it goes one further back. Raises `NotFound` where nothing is live, and `Conflict` where nothing was
        before, and where anything of it changes meanwhile.
        """
        current = self.get(tenant, LIVE)
        if current.previous is None:
            raise Conflict(f"Nothing was live before {current.release_id}.")
        past = self._table.get(keys.alias_version(tenant, LIVE, current.previous))
        if past is None:
            raise Conflict(f"Version {current.previous} of the alias {LIVE} is not on record; promote a release.")
        before = _aliases.load(past)
        check(self._releases.get(tenant, before.release_id))
        back = Alias(LIVE, before.release_id, at, by, reason, before.previous, current.version + 1)
        self._go_live(tenant, current, back, note)
        return back

    def _go_live(self, tenant: Tenant, current: Alias | None, wanted: Alias, note: Note | None) -> None:
        """Write *wanted* over *current*, with the status of the releases of both."""
        writes: list[Operation] = [*_puts(tenant, current, wanted), *_told(note, current, wanted)]
        writes.append(self._with_status(tenant, wanted, ReleaseStatus.LIVE))
        if current is not None and current.release_id != wanted.release_id:
            writes.append(self._with_status(tenant, current, ReleaseStatus.RETIRED))
        self._write(LIVE, *writes)

    def _with_status(self, tenant: Tenant, alias: Alias, status: ReleaseStatus) -> Put:
        release = self._releases.get(tenant, alias.release_id)
        changed = replace(release, status=status, version=release.version + 1)
        return Put(release_item(tenant, changed), if_version=release.version)

    def _stored(self, tenant: Tenant) -> Iterator[Alias]:
        return map(_aliases.load, all_beside(self._table, keys.alias(tenant, "*"), MAX_ALIASES))

    def _latest_version(self, tenant: Tenant, name: str) -> int:
        """Give the last version there was: an alias that is made anew goes on counting."""
        return last_version(self._table, keys.alias_version(tenant, name, 0))

    def _write(self, name: str, *operations: Operation) -> None:
        try:
            self._table.write(*operations)
        except ConditionFailed as lost:
            raise Conflict(f"Alias {name!r} was made or changed by somebody else; read it again.") from lost


def _check_version(current: Alias, wanted: int) -> None:
    if current.version != wanted:
        raise Conflict(f"Alias {current.name!r} has version {current.version} by now; read it again.")


def _puts(tenant: Tenant, before: Alias | None, after: Alias) -> list[Put]:
    now = Item(keys.alias(tenant, after.name), _aliases.dump(after), version=after.version)
    past = Item(keys.alias_version(tenant, after.name, after.version), _aliases.dump(after), version=after.version)
    over = Put(now, if_version=before.version) if before else Put(now, if_absent=True)
    return [over, Put(past, if_absent=True)]


def _told(note: Note | None, before: Alias | None, after: Alias | None) -> list[Put]:
    return told(note, _aliases.dump(before) if before else None, _aliases.dump(after) if after else None)
