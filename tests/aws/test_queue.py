"""The queue contract on real Amazon SQS: ``pytest -m aws tests/aws/test_queue.py``. It waits as long as leases last."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from chalicelib.adapters.sqs_queue import SqsQueue
from chalicelib.ports.queue import Delivery, Queue, QueueName
from tests.aws.account import LAG_S, Account, WaitingClock
from tests.contract.queue_contract import NewQueue, QueueContract

LOOKS = 5
"""SQS asks some of its servers for messages, and there may be one on another; its own wait would outlast leases."""
_NOT_ON_SQS = {
    "fairness is SQS's own to measure, over minutes": (
        "test_no_group_waits_for_the_backlog_of_another",
        "test_groups_share_what_is_on_loan",
        "test_what_a_group_acknowledged_no_longer_counts_against_it",
    ),
    "a standard queue keeps order as well as it can": ("test_the_oldest_comes_first",),
    "it counts roughly and late, and CloudWatch gives ages by the minute": (
        "test_queues_are_apart",
        "test_the_largest_body_passes_and_a_byte_more_does_not",
        "test_numbers_out_of_bounds_are_refused",
        "test_a_void_receipt_changes_nothing",
        "test_redriven_messages_start_anew",
        "test_depth_counts_what_is_where",
        "test_a_lapsed_lease_counts_as_waiting",
    ),
    "it would wait for a quarter of an hour, or for twelve": (
        "test_a_delayed_message_waits",
        "test_an_acknowledged_message_is_gone",
    ),
    "the model of leases moves a clock back and forth": ("test_leases_hold_in_every_order_of_events",),
    "a dead letter is moved when somebody next receives, and counted later": (
        "test_a_message_never_acknowledged_becomes_a_dead_letter",
    ),
}


@pytest.mark.aws
class TestSqsOnAws(QueueContract):
    """SQS itself."""

    @pytest.fixture(autouse=True)
    def _possible(self, request: pytest.FixtureRequest) -> None:
        for reason, names in _NOT_ON_SQS.items():
            if request.function.__name__ in names:
                pytest.skip(reason)

    @pytest.fixture
    def clock(self) -> WaitingClock:
        """Give the time that SQS has."""
        return WaitingClock()

    @pytest.fixture
    def new_queue(self, clock: WaitingClock, account: Account) -> NewQueue:
        """Give a maker of queues, each with names of its own."""
        clients = account.client("sqs"), account.client("cloudwatch")
        return lambda: _Patient(*clients, account.queues(), clock)

    def test_depth_counts_in_the_end(self, queue: Queue) -> None:
        """What waits and what is lent."""
        for number in range(3):
            queue.send(QueueName.INGESTION, {"n": number})
        (lent,) = queue.receive(QueueName.INGESTION, limit=1, lease_s=2 * LAG_S)
        ends = time.monotonic() + 2 * LAG_S
        while (seen := _counts(queue)) != (2, 1) and time.monotonic() < ends:
            time.sleep(1)
        queue.ack(QueueName.INGESTION, lent.receipt)
        assert seen == (2, 1)


class _Patient(SqsQueue):
    """Looks several times before it says that there is nothing."""

    def receive(self, queue: QueueName, *, limit: int = 1, lease_s: float = 30) -> Sequence[Delivery]:
        """See `Queue.receive`."""
        for _ in range(LOOKS):
            if found := super().receive(queue, limit=limit, lease_s=lease_s):
                return found
            time.sleep(0.1)
        return ()


def _counts(queue: Queue) -> tuple[int, int]:
    depth = queue.depth(QueueName.INGESTION)
    return depth.waiting, depth.leased
