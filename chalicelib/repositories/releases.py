"""Releases by id, or by the alias that points to one."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.domain.access import Tenant
from chalicelib.domain.identifiers import ReleaseId
from chalicelib.domain.releases import Release, ReleaseStatus
from chalicelib.errors import ConditionFailed, Conflict, NotFound
from chalicelib.ports.table import IndexName, Item, Key, Put, Query, Table
from chalicelib.repositories import keys
from chalicelib.repositories.audit import Note, told
from chalicelib.repositories.codec import Codec

MAX_REMEMBERED = 256
TRIES = 3

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
            self._table.write(Put(release_item(tenant, release), if_absent=True))
        except ConditionFailed:
            return

    def create(self, tenant: Tenant, draft: Release, note: Note | None = None) -> Release:
        """
        Store a draft with what *note* tells, and give it; one of the same content that is there already stays as it is.

        One that only a question made becomes the draft. Raises `Conflict` when it goes on changing meanwhile.
        """
        for _ in range(TRIES):
            item = self._table.get(keys.release(tenant, draft.release_id))
            known = self._loaded(item) if item else None
            if known is not None and known.status is not ReleaseStatus.ADHOC:
                return known
            made = replace(draft, version=known.version + 1 if known else 0)
            new = release_item(tenant, made)
            put = Put(new, if_version=known.version) if known else Put(new, if_absent=True)
            try:
                self._table.write(put, *told(note, None, {"status": made.status, "index": made.config.index}))
            except ConditionFailed:  # somebody, or a question, made the same at the same time
                continue
            return made
        raise Conflict(f"Release {draft.release_id} was changed {TRIES} times meanwhile; send it again.")

    def get(self, tenant: Tenant, release_id: ReleaseId) -> Release:
        """Give the release. Raises `NotFound`."""
        item = self._table.get(keys.release(tenant, release_id))
        if item is None:
            raise NotFound(f"There is no release {release_id!r}.")
        return self._loaded(item)

    def list(self, tenant: Tenant, *, limit: int, cursor: str | None) -> tuple[list[Release], str | None]:
        """Give at most *limit* releases, newest first, and the next cursor; none that only a question made."""
        query = Query(
            keys.release(tenant, ReleaseId("*")).table,
            keys.releases_of(tenant),
            IndexName.GSI1,
            descending=True,
            limit=limit,
            cursor=cursor,
        )
        page = self._table.query(query)
        return [self._loaded(item) for item in page.items], page.cursor

    def alias(self, tenant: Tenant, name: str) -> ReleaseId | None:
        """Say which release an alias points to, or None."""
        item = self._table.get(keys.alias(tenant, name))
        return ReleaseId(str(item.data["release_id"])) if item else None

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


def release_item(tenant: Tenant, release: Release) -> Item:
    """Give the row of *release*."""
    made = release.created_at.isoformat(timespec="microseconds")
    listed = None if release.status is ReleaseStatus.ADHOC else (keys.releases_of(tenant), made)
    key = keys.release(tenant, release.release_id)
    return Item(key, _releases.dump(release), version=release.version, gsi1=listed)
