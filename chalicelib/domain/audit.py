"""Audit events: who changed what of a tenant's configuration, and when. They are only ever added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

_OF_EVERY_CHANGE = frozenset({"version", "created_at", "updated_at", "updated_by"})


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """
    One change. *action* is such as `route.create`, *resource* such as `routes/chat`.

    *changes* gives, for each field that changed, what stood there before and after; None where there was nothing.
    """

    event_id: str
    at: datetime
    subject: str
    action: str
    resource: str
    changes: Mapping[str, Mapping[str, JsonValue]]


def changes_between(
    before: Mapping[str, JsonValue] | None, after: Mapping[str, JsonValue] | None
) -> dict[str, dict[str, JsonValue]]:
    """Give what differs between two states of a thing, of which one may not be there; who and when are not repeated."""
    old, new = before or {}, after or {}
    return {
        name: {"before": old.get(name), "after": new.get(name)}
        for name in sorted(old.keys() | new.keys())
        if name not in _OF_EVERY_CHANGE and old.get(name) != new.get(name)
    }
