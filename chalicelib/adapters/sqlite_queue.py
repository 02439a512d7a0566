"""The work queue in a SQLite file: leases, dead letters, several processes at once."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from chalicelib.adapters.queue_limits import check_delay, check_group, check_lease, check_limit, encode
from chalicelib.adapters.sqlite_file import BUSY_TIMEOUT_S, SqliteFile
from chalicelib.domain.identifiers import new_id
from chalicelib.errors import Conflict
from chalicelib.ports.clock import Clock
from chalicelib.ports.queue import MAX_DELIVERIES, Delivery, Depth, QueueName

# `receipt` is null while nobody holds the message. A lease that ran out is a receipt whose `ready_at` has passed, and
# a dead letter is a message that is ready after its last delivery: both come about by time alone.
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS work (
    place INTEGER PRIMARY KEY, id TEXT NOT NULL, queue TEXT NOT NULL, share TEXT NOT NULL, body TEXT NOT NULL,
    sent_at REAL NOT NULL, ready_at REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, receipt TEXT
);
CREATE INDEX IF NOT EXISTS work_live ON work (queue, share, place, ready_at) WHERE attempts < {MAX_DELIVERIES};
CREATE INDEX IF NOT EXISTS work_last ON work (queue, place, ready_at) WHERE attempts >= {MAX_DELIVERIES};
CREATE UNIQUE INDEX IF NOT EXISTS work_receipt ON work (receipt) WHERE receipt IS NOT NULL
"""
_SEND = "INSERT INTO work (id, queue, share, body, sent_at, ready_at) VALUES (?, ?, ?, ?, ?, ?)"
_READY = f"queue = :queue AND ready_at <= :now AND attempts < {MAX_DELIVERIES}"
_DEAD = f"queue = :queue AND ready_at <= :now AND attempts >= {MAX_DELIVERIES}"
_ANY_READY = f"SELECT 1 FROM work WHERE {_READY} LIMIT 1"  # noqa: S608 - constants only, as in those below
# Steps from one group to the next in the index, however many messages each has.
_GROUPS = f"""
WITH RECURSIVE groups (share) AS (
    SELECT min(share) FROM work WHERE queue = :queue AND attempts < {MAX_DELIVERIES}
    UNION ALL
    SELECT (SELECT min(share) FROM work WHERE queue = :queue AND attempts < {MAX_DELIVERIES} AND share > groups.share)
    FROM groups WHERE groups.share IS NOT NULL
)
SELECT share FROM groups WHERE share IS NOT NULL
"""  # noqa: S608
_ON_LOAN = (
    "SELECT share, count(*) FROM work WHERE receipt IS NOT NULL AND queue = :queue AND ready_at > :now GROUP BY share"
)
_NEXT = f"""
SELECT place, id, body, attempts + 1 FROM work WHERE {_READY} AND share = :share ORDER BY place LIMIT :limit
"""  # noqa: S608
_LEND = "UPDATE work SET receipt = ?, ready_at = ?, attempts = attempts + 1 WHERE place = ?"
_EXTEND = "UPDATE work SET ready_at = ? WHERE queue = ? AND receipt = ? AND ready_at > ?"
_ACK = "DELETE FROM work WHERE queue = ? AND receipt = ?"
_RELEASE = "UPDATE work SET ready_at = ?, receipt = NULL WHERE queue = ? AND receipt = ? AND ready_at > ?"
_DEPTH = f"""
SELECT count(*) FILTER (WHERE ready_at <= :now AND attempts < {MAX_DELIVERIES} OR ready_at > :now AND receipt IS NULL),
       count(*) FILTER (WHERE ready_at > :now AND receipt IS NOT NULL),
       count(*) FILTER (WHERE {_DEAD}),
       min(sent_at) FILTER (WHERE {_READY})
FROM work WHERE queue = :queue
"""  # noqa: S608
_DEAD_LETTERS = f"SELECT id, body, attempts FROM work WHERE {_DEAD} ORDER BY place LIMIT :limit"  # noqa: S608
_REDRIVE = f"UPDATE work SET attempts = 0, ready_at = :now, receipt = NULL WHERE {_DEAD}"  # noqa: S608


class SqliteQueue:
    """See `ports.queue.Queue`. `receive` writes nothing while no work is ready, so polling it is cheap."""

    def __init__(self, path: Path, clock: Clock, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self._clock = clock
        self._file = SqliteFile(path, _SCHEMA, busy_timeout_s=busy_timeout_s)

    def send(
        self, queue: QueueName, body: Mapping[str, JsonValue], *, group: str | None = None, delay_s: float = 0
    ) -> str:
        """See `Queue.send`."""
        text = encode(body)
        check_group(group)
        check_delay(delay_s)
        sent = self._clock.now()
        message_id = new_id("msg", sent)
        with self._file.writing() as connection:
            at = sent.timestamp()
            connection.execute(_SEND, (message_id, queue.value, group or "", text, at, at + delay_s))
        return message_id

    def receive(self, queue: QueueName, *, limit: int = 1, lease_s: float = 60) -> Sequence[Delivery]:
        """See `Queue.receive`."""
        check_limit(limit)
        check_lease(lease_s)
        with self._file.reading() as connection:
            if connection.execute(_ANY_READY, self._here(queue)).fetchone() is None:
                return ()
        with self._file.writing() as connection:
            here = self._here(queue)
            return [_lend(connection, row, here["now"] + lease_s) for row in _fairly(connection, here, limit)]

    def extend(self, queue: QueueName, receipt: str, lease_s: float) -> None:
        """See `Queue.extend`."""
        check_lease(lease_s)
        with self._file.writing() as connection:
            now = self._now()
            extended = connection.execute(_EXTEND, (now + lease_s, queue.value, receipt, now)).rowcount
        if not extended:
            raise Conflict("The loan of this work is over: it was acknowledged, given back, or ran out of time.")

    def ack(self, queue: QueueName, receipt: str) -> None:
        """See `Queue.ack`."""
        with self._file.writing() as connection:
            connection.execute(_ACK, (queue.value, receipt))

    def release(self, queue: QueueName, receipt: str, *, delay_s: float = 0) -> None:
        """See `Queue.release`."""
        check_delay(delay_s)
        with self._file.writing() as connection:
            now = self._now()
            connection.execute(_RELEASE, (now + delay_s, queue.value, receipt, now))

    def depth(self, queue: QueueName) -> Depth:
        """See `Queue.depth`; exact here."""
        here = self._here(queue)
        with self._file.reading() as connection:
            waiting, leased, dead, oldest = connection.execute(_DEPTH, here).fetchone()
        return Depth(waiting, leased, dead, 0.0 if oldest is None else max(0.0, here["now"] - oldest))

    def dead(self, queue: QueueName, *, limit: int = 10) -> Sequence[Delivery]:
        """See `Queue.dead`. A dead letter has no receipt."""
        check_limit(limit)
        with self._file.reading() as connection:
            rows = connection.execute(_DEAD_LETTERS, self._here(queue) | {"limit": limit}).fetchall()
        return [Delivery(message_id, "", json.loads(body), attempts) for message_id, body, attempts in rows]

    def redrive(self, queue: QueueName) -> int:
        """See `Queue.redrive`."""
        with self._file.writing() as connection:
            return connection.execute(_REDRIVE, self._here(queue)).rowcount

    def close(self) -> None:
        """Let go of the file; later calls raise `Unavailable`."""
        self._file.close()

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _here(self, queue: QueueName) -> dict[str, Any]:
        return {"queue": queue.value, "now": self._now()}


def _fairly(connection: sqlite3.Connection, here: Mapping[str, Any], limit: int) -> Iterator[tuple[int, str, str, int]]:
    """Choose *limit* ready messages, each time the oldest of the group that has least on loan."""
    on_loan: dict[str, int] = dict(connection.execute(_ON_LOAN, here).fetchall())
    turns: list[tuple[int, int, str, int]] = []
    waiting: dict[str, list[tuple[int, str, str, int]]] = {}
    for (share,) in connection.execute(_GROUPS, here).fetchall():
        rows = connection.execute(_NEXT, {**here, "share": share, "limit": limit}).fetchall()
        if rows:
            waiting[share] = rows
            turns.append((on_loan.get(share, 0), rows[0][0], share, 0))
    heapify(turns)
    for _ in range(limit):
        if not turns:
            return
        held, _place, share, number = heappop(turns)
        rows = waiting[share]
        yield rows[number]
        if number + 1 < len(rows):
            heappush(turns, (held + 1, rows[number + 1][0], share, number + 1))


def _lend(connection: sqlite3.Connection, row: tuple[int, str, str, int], until: float) -> Delivery:
    place, message_id, body, attempt = row
    receipt = secrets.token_urlsafe(16)
    connection.execute(_LEND, (receipt, until, place))
    return Delivery(message_id, receipt, json.loads(body), attempt)
