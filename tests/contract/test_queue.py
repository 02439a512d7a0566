"""The queue contract, over every adapter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path

import pytest

from chalicelib.adapters.sqlite_queue import SqliteQueue
from tests.contract.queue_contract import NewQueue, QueueContract
from tests.fakes.clock import HandClock


class TestSqliteQueue(QueueContract):
    """SQLite."""

    @pytest.fixture
    def new_queue(self, clock: HandClock, tmp_path: Path) -> Iterator[NewQueue]:
        """Give a maker of queues, each in a file of its own."""
        numbers = count()
        with ExitStack() as opened:
            yield lambda: opened.enter_context(closing(SqliteQueue(tmp_path / f"queue_{next(numbers)}.db", clock)))
