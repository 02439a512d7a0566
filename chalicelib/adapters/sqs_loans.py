"""What this process has on loan from SQS, which takes an old receipt for a new one more often than not."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

from chalicelib.ports.clock import Clock
from chalicelib.ports.queue import QueueName


class Loans:
    """The loans of one process, by receipt; one whose time has passed is over, whatever SQS would say."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._ends_at: dict[tuple[QueueName, str], float] = {}

    def begin(self, queue: QueueName, receipts: Sequence[str], ends_at: float) -> None:
        """Note that the loans last until *ends_at*, by the monotonic clock; forget those that are over."""
        with self._lock:
            now = self._clock.monotonic()
            self._ends_at = {loan: end for loan, end in self._ends_at.items() if end > now}
            self._ends_at |= {(queue, receipt): ends_at for receipt in receipts}

    def hold(self, queue: QueueName, receipt: str) -> bool:
        """Say whether the loan lasts."""
        with self._lock:
            return self._ends_at.get((queue, receipt), 0.0) > self._clock.monotonic()

    def end(self, queue: QueueName, receipt: str) -> None:
        """Note that the loan is over."""
        with self._lock:
            self._ends_at.pop((queue, receipt), None)
