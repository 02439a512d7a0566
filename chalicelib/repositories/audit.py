"""The audit log: written with the change that it tells of, or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from pydantic import JsonValue

from chalicelib.domain.access import Principal, Tenant
from chalicelib.domain.audit import AuditEvent, changes_between
from chalicelib.domain.identifiers import Entropy, first_id_at, new_id
from chalicelib.ports.clock import Clock
from chalicelib.ports.table import IndexName, Item, Put, Query, Table, TableName
from chalicelib.repositories import keys
from chalicelib.repositories.codec import Codec

PREFIX = "aud"

_events = Codec(AuditEvent)


class Note(Protocol):
    """Gives the write that tells of a change; repositories put it into the transaction of the change itself."""

    def __call__(self, before: Mapping[str, JsonValue] | None, after: Mapping[str, JsonValue] | None, /) -> Put:
        """Tell of a thing that was *before* and is *after*; None for one that is not there."""
        ...


class AuditLog:
    """The events of all tenants, one tenant at a time; nothing changes or deletes one."""

    def __init__(self, table: Table, clock: Clock, entropy: Entropy = secrets.token_bytes) -> None:
        self._table = table
        self._clock = clock
        self._entropy = entropy

    def note(self, principal: Principal, action: str, resource: str) -> Note:
        """Give what makes the event of a change by *principal*; see `AuditEvent` for *action* and *resource*."""

        def told(before: Mapping[str, JsonValue] | None, after: Mapping[str, JsonValue] | None) -> Put:
            now = self._clock.now()
            event = AuditEvent(
                new_id(PREFIX, now, self._entropy),
                now,
                principal.subject,
                action,
                resource,
                changes_between(before, after),
            )
            listed = keys.audit_of(principal.tenant, resource), event.event_id
            return Put(Item(keys.audit_event(principal.tenant, event.event_id), _events.dump(event), gsi1=listed))

        return told

    def record(self, principal: Principal, action: str, resource: str, after: Mapping[str, JsonValue]) -> None:
        """Tell of something that was done, by itself."""
        self._table.write(self.note(principal, action, resource)(None, after))

    def list(
        self,
        tenant: Tenant,
        *,
        resource: str | None,
        first: datetime | None,
        last: datetime | None,
        limit: int,
        cursor: str | None,
    ) -> tuple[list[AuditEvent], str | None]:
        """Give at most *limit* events from *first* up to, but not at, *last*, newest first, and the next cursor."""
        key = keys.audit_event(tenant, "*")
        partition = key.partition if resource is None else keys.audit_of(tenant, resource)
        page = self._table.query(
            Query(
                TableName.AUDIT,
                partition,
                None if resource is None else IndexName.GSI1,
                first=first_id_at(PREFIX, first) if first else PREFIX,
                last=first_id_at(PREFIX, last) if last else PREFIX + "~",
                descending=True,
                limit=limit,
                cursor=cursor,
            )
        )
        return [_events.load(item) for item in page.items], page.cursor


def told(note: Note | None, before: Mapping[str, JsonValue] | None, after: Mapping[str, JsonValue] | None) -> list[Put]:
    """Give the write of *note*, where somebody wants it told."""
    return [] if note is None else [note(before, after)]
