"""The queue contract, over every adapter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path

import pytest

from chalicelib.adapters.sqlite_queue import SqliteQueue
from chalicelib.adapters.sqs_queue import SqsQueue
from tests.contract.queue_contract import NewQueue, QueueContract
from tests.fakes.aws import Aws
from tests.fakes.clock import HandClock
from tests.fakes.sqs import QueueAges, sqs_time


class TestSqliteQueue(QueueContract):
    """SQLite."""

    @pytest.fixture
    def new_queue(self, clock: HandClock, tmp_path: Path) -> Iterator[NewQueue]:
        """Give a maker of queues, each in a file of its own."""
        numbers = count()
        with ExitStack() as opened:
            yield lambda: opened.enter_context(closing(SqliteQueue(tmp_path / f"queue_{next(numbers)}.db", clock)))


class TestSqsQueue(QueueContract):
    """SQS, as moto has it."""

    # Who is served first among groups is SQS's to measure, and moto does not.
    test_no_group_waits_for_the_backlog_of_another = None  # type: ignore[assignment]
    test_groups_share_what_is_on_loan = None  # type: ignore[assignment]
    test_what_a_group_acknowledged_no_longer_counts_against_it = None  # type: ignore[assignment]
    # The model counts a dead letter from its last lease on, SQS from the time when somebody next receives.
    test_leases_hold_in_every_order_of_events = None  # type: ignore[assignment]

    @pytest.fixture
    def new_queue(self, clock: HandClock, aws: Aws) -> Iterator[NewQueue]:
        """Give a maker of queues, each with names of its own."""
        with sqs_time(clock):
            yield lambda: SqsQueue(aws.client("sqs"), QueueAges(clock), aws.queues(), clock)
