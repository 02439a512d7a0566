"""Releases by id, and the aliases that point to them."""

from __future__ import annotations

from chalicelib.domain.access import Tenant
from chalicelib.domain.identifiers import ReleaseId
from chalicelib.domain.releases import Release
from chalicelib.errors import ConditionFailed, NotFound
from chalicelib.ports.table import Item, Key, Put, Table
from chalicelib.repositories import keys
from chalicelib.repositories.codec import Codec

MAX_REMEMBERED = 256

_releases = Codec(Release)


class Releases:
    """The releases of all tenants, one tenant at a time."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._read: dict[Key, tuple[Item, Release]] = {}

    def add(self, tenant: Tenant, release: Release) -> None:
        """Store a release; one of the same content is there already, so nothing changes then."""
        key = keys.release(tenant, release.release_id)
        if self._table.get(key) is not None:  # as a rule: asking takes less than being refused
            return
        try:
            self._table.write(Put(Item(key, _releases.dump(release)), if_absent=True))
        except ConditionFailed:
            return

    def get(self, tenant: Tenant, release_id: ReleaseId) -> Release:
        """Give the release. Raises `NotFound`."""
        item = self._table.get(keys.release(tenant, release_id))
        if item is None:
            raise NotFound(f"There is no release {release_id!r}.")
        return self._loaded(item)

    def alias(self, tenant: Tenant, name: str) -> ReleaseId | None:
        """Say which release an alias points to, or None."""
        item = self._table.get(keys.alias(tenant, name))
        return ReleaseId(str(item.data["release_id"])) if item else None

    def point(self, tenant: Tenant, name: str, release_id: ReleaseId) -> None:
        """Let an alias point to a release."""
        self._table.write(Put(Item(keys.alias(tenant, name), {"release_id": release_id})))

    def resolve(self, tenant: Tenant, name_or_id: str) -> Release:
        """Give the release of that id, or the one that alias points to. Raises `NotFound`."""
        pointed = self.alias(tenant, name_or_id)
        return self.get(tenant, pointed or ReleaseId(name_or_id))

    def _loaded(self, item: Item) -> Release:
        """Give what *item* holds; as long as the row stays the same, so does the object, which knows its id by then."""
        known = self._read.get(item.key)
        if known is None or known[0] != item:
            if len(self._read) >= MAX_REMEMBERED:
                self._read.clear()
            known = self._read[item.key] = (item, _releases.load(item))
        return known[1]
