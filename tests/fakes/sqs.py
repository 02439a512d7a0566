"""SQS by a clock of the test's own, and what CloudWatch says of its queues."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any
from unittest.mock import patch

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.sqs.models import sqs_backends

from tests.fakes.aws import REGION
from tests.fakes.clock import HandClock


@contextmanager
def sqs_time(clock: HandClock) -> Iterator[None]:
    """Let moto's queues live by *clock*; each look at it is a microsecond later, since a lease ends after its time."""
    looks = count(1)

    def now_s() -> float:
        return clock.now().timestamp() + next(looks) / 1e6

    with (
        patch("moto.sqs.models.unix_time", now_s),
        patch("moto.sqs.models.unix_time_millis", lambda: now_s() * 1_000),
    ):
        yield


@dataclass(frozen=True)
class QueueAges:
    """CloudWatch, as far as the age of a queue's oldest message goes; moto's knows nothing of its queues."""

    clock: HandClock

    def get_metric_statistics(self, **asked: Any) -> Any:
        """Give one point, or none for a queue without a ready message."""
        (dimension,) = asked["Dimensions"]
        queue = sqs_backends[DEFAULT_ACCOUNT_ID][REGION].queues[dimension["Value"]]
        sent = [message.sent_timestamp or 0 for message in queue.messages if message.visible]
        if not sent:
            return {"Datapoints": []}
        age_s = max(0.0, round(self.clock.now().timestamp() - min(sent) / 1_000, 3))
        return {"Datapoints": [{"Timestamp": asked["EndTime"], "Maximum": age_s}]}

    def close(self) -> None:
        """Have nothing to let go of."""
