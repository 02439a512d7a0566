"""What SQLite adds to the queue contract: restarts and several processes."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from chalicelib.adapters.sqlite_queue import SqliteQueue
from chalicelib.errors import StorageFull, Unavailable
from chalicelib.ports.queue import Depth, QueueName
from tests.fakes.clock import HandClock
from tests.unit.chalicelib.adapters.processes import together

WORK = QueueName.INGESTION
SEND_AND_DRAIN = """
import sys
from pathlib import Path
from chalicelib.adapters.sqlite_queue import SqliteQueue
from chalicelib.adapters.system_clock import SystemClock
from chalicelib.ports.queue import QueueName
print("ready", flush=True)
sys.stdin.readline()
queue = SqliteQueue(Path(sys.argv[2]), SystemClock())
for number in range(40):
    print("sent", queue.send(QueueName.INGESTION, {"n": number}))
while deliveries := queue.receive(QueueName.INGESTION, limit=2):
    for delivery in deliveries:
        print("got", delivery.message_id)
        queue.ack(QueueName.INGESTION, delivery.receipt)
queue.close()
"""


def test_messages_and_loans_are_there_after_a_restart(tmp_path: Path, clock: HandClock) -> None:
    """A queue opened again holds what waited, and its receipts still count."""
    with closing(SqliteQueue(tmp_path / "q.db", clock)) as queue:
        queue.send(WORK, {"n": 1})
        queue.send(WORK, {"n": 2})
        (delivery,) = queue.receive(WORK)
    with closing(SqliteQueue(tmp_path / "q.db", clock)) as queue:
        assert queue.depth(WORK) == Depth(1, 1, 0, 0.0)
        queue.ack(WORK, delivery.receipt)
        assert queue.depth(WORK) == Depth(1, 0, 0, 0.0)


def test_processes_get_each_message_once(tmp_path: Path, clock: HandClock) -> None:
    """Processes that open a new file at once, send and receive, lose nothing and share nothing."""
    printed = [line.split() for lines in together(SEND_AND_DRAIN, tmp_path / "q.db") for line in lines]

    sent = Counter(message_id for kind, message_id in printed if kind == "sent")
    got = Counter(message_id for kind, message_id in printed if kind == "got")
    assert len(sent) == 120
    assert got == sent


def test_waiting_for_messages_writes_nothing(tmp_path: Path, clock: HandClock) -> None:
    """Polling an empty queue needs no turn to write, so idle workers are in nobody's way."""
    with closing(SqliteQueue(tmp_path / "q.db", clock)) as queue, queue._file.writing():
        assert list(queue.receive(WORK)) == []
        assert queue.depth(WORK) == Depth(0, 0, 0, 0.0)


def test_a_full_disk_stores_no_message(tmp_path: Path, clock: HandClock) -> None:
    """A message for which no space is left was not sent."""
    with closing(SqliteQueue(tmp_path / "q.db", clock)) as queue:
        with queue._file.reading() as connection:
            connection.execute("PRAGMA max_page_count = 12")

        with pytest.raises(StorageFull):
            queue.send(WORK, {"t": "x" * 200_000})

        assert queue.depth(WORK).waiting == 0


def test_a_closed_queue_is_unavailable(tmp_path: Path, clock: HandClock) -> None:
    """A call after closing says so."""
    queue = SqliteQueue(tmp_path / "q.db", clock)
    queue.close()

    with pytest.raises(Unavailable):
        queue.send(WORK, {})
