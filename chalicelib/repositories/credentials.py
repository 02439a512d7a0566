"""API keys: by id for the authorizer, by tenant for their owner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from pydantic import JsonValue

from chalicelib.domain.access import Principal, Tenant
from chalicelib.domain.acting import PLATFORM, act_for
from chalicelib.domain.credentials import ApiKey, opens, split_credential
from chalicelib.domain.identifiers import KeyId
from chalicelib.errors import ConditionFailed, Conflict, NotFound, Unauthenticated
from chalicelib.ports.table import IndexName, Item, Put, Query, Table, TableName
from chalicelib.repositories import keys
from chalicelib.repositories.audit import Note, told
from chalicelib.repositories.codec import Codec

_keys = Codec(ApiKey)


class ApiKeys:
    """The API keys of all tenants; each is the platform's row, since it says which tenant its holder is of."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find(self, key_id: KeyId) -> ApiKey | None:
        """Give the key of whichever tenant, or None; only the authorizer asks."""
        with act_for(PLATFORM):
            item = self._table.get(keys.api_key(key_id))
        return _keys.load(item) if item else None

    def holder(self, credential: str, at: datetime) -> Principal:
        """Give whom the credential is for. Raises `Unauthenticated` for one that is no good."""
        parts = split_credential(credential)
        if parts is None:
            raise Unauthenticated("The API key is malformed; copy it whole.")
        key_id, secret = parts
        key = self.find(key_id)
        if key is None or not opens(key, secret, at):
            raise Unauthenticated("The API key is wrong, expired or revoked.")
        return Principal(
            tenant=Tenant(key.tenant_id),
            subject=key.key_id,
            roles=key.roles,
            groups=key.groups,
            indexes=key.indexes,
        )

    def get(self, tenant: Tenant, key_id: KeyId) -> ApiKey:
        """Give a key of *tenant*. Raises `NotFound`, for another tenant's as well."""
        key = self.find(key_id)
        if key is None or key.tenant_id != tenant.tenant_id:
            raise NotFound(f"There is no API key {key_id}.")
        return key

    def add(self, key: ApiKey, note: Note | None = None) -> None:
        """Store a new key, and with it what *note* tells."""
        with act_for(PLATFORM):
            self._table.write(Put(_item(key), if_absent=True), *told(note, None, _public(key)))

    def update(
        self, tenant: Tenant, key_id: KeyId, change: Callable[[ApiKey], ApiKey], note: Note | None = None
    ) -> ApiKey:
        """Replace the key by what *change* makes of it. Raises `NotFound`, or `Conflict` if it changed meanwhile."""
        current = self.get(tenant, key_id)
        changed = change(current)
        try:
            with act_for(PLATFORM):
                self._table.write(
                    Put(_item(changed), if_version=current.version), *told(note, _public(current), _public(changed))
                )
        except ConditionFailed as lost:
            raise Conflict(f"API key {key_id} was changed by somebody else; read it again.") from lost
        return replace(changed, version=current.version + 1)

    def list(self, tenant: Tenant, *, limit: int, cursor: str | None) -> tuple[list[ApiKey], str | None]:
        """Give at most *limit* keys, newest first, and the cursor of the next page."""
        query = Query(TableName.CONFIG, keys.api_keys_of(tenant), IndexName.GSI1, descending=True)
        page = self._table.query(replace(query, limit=limit, cursor=cursor))
        return [_keys.load(item) for item in page.items], page.cursor


def _public(key: ApiKey) -> dict[str, JsonValue]:
    """Give what may be told of *key*."""
    return {name: value for name, value in _keys.dump(key).items() if name != "digest"}


def _item(key: ApiKey) -> Item:
    listed = (keys.api_keys_of(Tenant(key.tenant_id)), key.key_id)
    return Item(keys.api_key(key.key_id), _keys.dump(key), version=key.version + 1, gsi1=listed)
