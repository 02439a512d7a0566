"""What each tenant decides for itself; only what it decided is stored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import JsonValue

from chalicelib.domain.access import Tenant
from chalicelib.domain.tenants import TenantSettings
from chalicelib.errors import ConditionFailed, Conflict
from chalicelib.ports.table import Item, Put, Table
from chalicelib.repositories import keys
from chalicelib.repositories.audit import Note, told
from chalicelib.repositories.codec import Codec

_settings = Codec(TenantSettings)


class Tenants:
    """The settings of all tenants, one at a time; *configured* is what holds where a tenant decided nothing."""

    def __init__(self, table: Table, configured: TenantSettings) -> None:
        self._table = table
        self._configured = _settings.dump(configured)

    def get(self, tenant: Tenant) -> TenantSettings:
        """Give how the tenant is served."""
        return self._served(self._table.get(keys.tenant_settings(tenant)))

    def update(
        self,
        tenant: Tenant,
        given: Mapping[str, JsonValue],
        *,
        if_version: int | None,
        at: datetime,
        by: str,
        note: Note | None = None,
    ) -> TenantSettings:
        """
        Change what is *given*, None for going back to what is configured, and store what *note* tells of it.

        Raises `Conflict` unless the settings have the version *if_version*, or if they change meanwhile.
        """
        item = self._table.get(keys.tenant_settings(tenant))
        version = item.version if item else 0
        if if_version not in {None, version}:
            raise Conflict(f"The tenant's settings have version {version} by now; read them again.")
        decided = {**(item.data if item else {}), **given, "updated_at": at.isoformat(), "updated_by": by}
        kept = {name: value for name, value in decided.items() if value is not None}
        changed = Item(keys.tenant_settings(tenant), kept, version=version + 1)
        put = Put(changed, if_version=version) if item else Put(changed, if_absent=True)
        before, after = self._served(item), self._served(changed)
        try:
            self._table.write(put, *told(note, _settings.dump(before), _settings.dump(after)))
        except ConditionFailed as lost:
            raise Conflict("The tenant's settings were changed by somebody else; read them again.") from lost
        return after

    def _served(self, item: Item | None) -> TenantSettings:
        decided: Mapping[str, JsonValue] = item.data if item else {}
        return _settings.parse({**self._configured, **decided, "version": item.version if item else 0})
