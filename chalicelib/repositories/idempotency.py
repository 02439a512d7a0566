"""What was answered to a request that may be sent again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import JsonValue

from chalicelib.domain.access import Principal
from chalicelib.errors import ConditionFailed, Conflict, IdempotencyMismatch
from chalicelib.ports.table import Delete, Item, Put, Table
from chalicelib.repositories import keys

KEPT_S = 24 * 3600
CLAIM_S = 60


@dataclass(frozen=True, slots=True)
class RecordedAnswer:
    """A status and body that were answered once."""

    status: int
    body: Mapping[str, JsonValue] = field(default_factory=dict)


class IdempotencyRecords:
    """
    One record for each (subject, idempotency key), kept for 24 hours.

    A request claims its key first; a second one meanwhile is told to come back. A claim whose owner died lapses
    after a minute.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def claim(self, principal: Principal, key: str, request_digest: str, at: datetime) -> RecordedAnswer | None:
        """
        Give what was answered to this very request before, or None after claiming the key for it.

        Raises `IdempotencyMismatch` when the key was used with another request, and `Conflict` while the first
        request is still under way.
        """
        place = keys.idempotency(principal.tenant, principal.subject, key)
        claim = Item(place, {"request": request_digest}, expires_at=int(at.timestamp()) + CLAIM_S)
        try:
            self._table.write(Put(claim, if_absent=True))
        except ConditionFailed:
            return self._recorded(principal, key, request_digest)
        return None

    def record(self, principal: Principal, key: str, request_digest: str, answer: RecordedAnswer, at: datetime) -> None:
        """Keep what was answered."""
        data: dict[str, JsonValue] = {
            "request": request_digest,
            "status": answer.status,
            "body": dict(answer.body),
        }
        place = keys.idempotency(principal.tenant, principal.subject, key)
        self._table.write(Put(Item(place, data, expires_at=int(at.timestamp()) + KEPT_S)))

    def release(self, principal: Principal, key: str) -> None:
        """Give up a claim whose request failed, so that it can be tried again."""
        self._table.write(Delete(keys.idempotency(principal.tenant, principal.subject, key)))

    def _recorded(self, principal: Principal, key: str, request_digest: str) -> RecordedAnswer | None:
        item = self._table.get(keys.idempotency(principal.tenant, principal.subject, key))
        if item is not None and item.data["request"] != request_digest:
            raise IdempotencyMismatch(f"Idempotency-Key {key!r} was used with a different request; choose a new key.")
        if item is None or "status" not in item.data:
            raise Conflict(f"The first request with Idempotency-Key {key!r} is still under way; try again in a moment.")
        status, body = item.data["status"], item.data["body"]
        assert isinstance(status, int)
        assert isinstance(body, dict)
        return RecordedAnswer(status, body)
