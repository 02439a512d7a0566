"""The work queue in SQS: one queue for each kind of worker, and beside it that of its dead letters."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from botocore.exceptions import ClientError
from pydantic import JsonValue

from chalicelib.adapters.aws_clients import aws_errors, error_code
from chalicelib.adapters.queue_limits import check_delay, check_group, check_lease, check_limit, encode
from chalicelib.adapters.sqs_loans import Loans
from chalicelib.domain.identifiers import new_id
from chalicelib.errors import Conflict, Misconfigured
from chalicelib.ports.clock import Clock
from chalicelib.ports.queue import MAX_DELIVERIES, MAX_RECEIVE, Delivery, Depth, QueueName

REDRIVE_LEASE_S = 60
_WHAT = "The queue"
_ID = "id"
_OVER = frozenset(
    {
        "MessageNotInflight",
        "AWS.SimpleQueueService.MessageNotInflight",
        "ReceiptHandleIsInvalid",
        "InvalidParameterValue",
    }
)
_COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed", "ApproximateNumberOfMessagesNotVisible")
_METRICS_LAG = timedelta(minutes=5)


class SqsQueue:
    """
    See `ports.queue.Queue`. *client* and *metrics* are boto3's of SQS and CloudWatch; *urls* says where each queue is.

    A message bears its id as an attribute, because SQS gives it another when it comes back from the dead letters. It
    goes there when somebody next receives. `receive` waits up to *wait_s* for a message: SQS charges for each time it
    is asked. Groups are served by SQS's own measure of fairness, and times are whole seconds, rounded up.
    """

    def __init__(
        self, client: Any, metrics: Any, urls: Mapping[QueueName, str], clock: Clock, *, wait_s: int = 0
    ) -> None:
        self._client = client
        self._metrics = metrics
        self._urls = dict(urls)
        self._dead_urls: dict[QueueName, str] = {}
        self._clock = clock
        self._wait_s = wait_s
        self._loans = Loans(clock)

    def send(
        self, queue: QueueName, body: Mapping[str, JsonValue], *, group: str | None = None, delay_s: float = 0
    ) -> str:
        """See `Queue.send`."""
        text = encode(body)
        check_group(group)
        check_delay(delay_s)
        message_id = new_id("msg", self._clock.now())
        self._send(queue, text, message_id, group, delay_s)
        return message_id

    def receive(self, queue: QueueName, *, limit: int = 1, lease_s: float = 60) -> Sequence[Delivery]:
        """See `Queue.receive`."""
        check_limit(limit)
        check_lease(lease_s)
        ends_at = self._clock.monotonic() + lease_s
        found = self._received(self._urls[queue], limit, lease_s)
        self._loans.begin(queue, [message["ReceiptHandle"] for message in found], ends_at)
        return [_delivery(message, message["ReceiptHandle"], _attempt(message)) for message in found]

    def extend(self, queue: QueueName, receipt: str, lease_s: float) -> None:
        """See `Queue.extend`."""
        check_lease(lease_s)
        ends_at = self._clock.monotonic() + lease_s
        if not (self._loans.hold(queue, receipt) and self._hide(queue, receipt, lease_s)):
            raise Conflict("The loan of this work is over: it was acknowledged, given back, or ran out of time.")
        self._loans.begin(queue, [receipt], ends_at)

    def ack(self, queue: QueueName, receipt: str) -> None:
        """See `Queue.ack`."""
        if self._loans.hold(queue, receipt):
            self._delete(self._urls[queue], receipt)
            self._loans.end(queue, receipt)

    def release(self, queue: QueueName, receipt: str, *, delay_s: float = 0) -> None:
        """See `Queue.release`."""
        check_delay(delay_s)
        if self._loans.hold(queue, receipt):
            self._hide(queue, receipt, delay_s)
            self._loans.end(queue, receipt)

    def depth(self, queue: QueueName) -> Depth:
        """See `Queue.depth`. The age is CloudWatch's, of some minutes ago."""
        ready, delayed, leased = self._counts(self._urls[queue])
        dead = sum(self._counts(self._dead_url(queue)))
        waiting = ready + delayed
        return Depth(waiting, leased, dead, self._oldest_s(queue) if ready else 0.0)

    def dead(self, queue: QueueName, *, limit: int = 10) -> Sequence[Delivery]:
        """See `Queue.dead`. A dead letter has no receipt."""
        check_limit(limit)
        letters: dict[str, Delivery] = {}
        for _ in range(limit):  # each time SQS gives some of them, and perhaps the same
            found = self._received(self._dead_url(queue), MAX_RECEIVE, 0)
            fresh = {_message_id(each): _delivery(each, "", MAX_DELIVERIES) for each in found}
            fresh = {name: letter for name, letter in fresh.items() if name not in letters}
            letters |= fresh
            if not fresh or len(letters) >= limit:
                break
        return list(letters.values())[:limit]

    def redrive(self, queue: QueueName) -> int:
        """See `Queue.redrive`. One by one: a message is in both queues for a moment, and in neither never."""
        moved = 0
        for message in self._all_dead(queue):
            group = message.get("Attributes", {}).get("MessageGroupId")
            self._send(queue, message["Body"], _message_id(message), group, 0)
            self._delete(self._dead_url(queue), message["ReceiptHandle"])
            moved += 1
        return moved

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()
        self._metrics.close()

    def _send(self, queue: QueueName, text: str, message_id: str, group: str | None, delay_s: float) -> None:
        named = {"MessageGroupId": group} if group is not None else {}
        with aws_errors(_WHAT):
            self._client.send_message(
                QueueUrl=self._urls[queue],
                MessageBody=text,
                DelaySeconds=math.ceil(delay_s),
                MessageAttributes={_ID: {"DataType": "String", "StringValue": message_id}},
                **named,
            )

    def _received(self, url: str, limit: int, lease_s: float) -> Sequence[Any]:
        with aws_errors(_WHAT):
            answer = self._client.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=limit,
                VisibilityTimeout=math.ceil(lease_s),
                WaitTimeSeconds=self._wait_s,
                MessageAttributeNames=[_ID],
                MessageSystemAttributeNames=["ApproximateReceiveCount", "MessageGroupId"],
            )
        return list(answer.get("Messages", ()))

    def _hide(self, queue: QueueName, receipt: str, lease_s: float) -> bool:
        """Keep the message from others for so long; say whether it still was on this loan."""
        with aws_errors(_WHAT):
            try:
                self._client.change_message_visibility(
                    QueueUrl=self._urls[queue], ReceiptHandle=receipt, VisibilityTimeout=math.ceil(lease_s)
                )
            except ClientError as error:
                if error_code(error) in _OVER:
                    return False
                raise
        return True

    def _delete(self, url: str, receipt: str) -> None:
        with aws_errors(_WHAT):
            try:
                self._client.delete_message(QueueUrl=url, ReceiptHandle=receipt)
            except ClientError as error:
                if error_code(error) not in _OVER:
                    raise

    def _all_dead(self, queue: QueueName) -> Iterator[Any]:
        while found := self._received(self._dead_url(queue), MAX_RECEIVE, REDRIVE_LEASE_S):
            yield from found

    def _counts(self, url: str) -> tuple[int, int, int]:
        with aws_errors(_WHAT):
            found = self._client.get_queue_attributes(QueueUrl=url, AttributeNames=list(_COUNTS))["Attributes"]
        ready, delayed, leased = (int(found[name]) for name in _COUNTS)
        return ready, delayed, leased

    def _oldest_s(self, queue: QueueName) -> float:
        now = self._clock.now()
        with aws_errors("The metrics of the queue"):
            points = self._metrics.get_metric_statistics(
                Namespace="AWS/SQS",
                MetricName="ApproximateAgeOfOldestMessage",
                Dimensions=[{"Name": "QueueName", "Value": self._urls[queue].rpartition("/")[2]}],
                StartTime=now - _METRICS_LAG,
                EndTime=now,
                Period=60,
                Statistics=["Maximum"],
            )["Datapoints"]
        latest = max(points, key=lambda point: point["Timestamp"], default={"Maximum": 0.0})
        return float(latest["Maximum"])

    def _dead_url(self, queue: QueueName) -> str:
        if queue not in self._dead_urls:
            self._dead_urls[queue] = self._found_dead_url(queue)
        return self._dead_urls[queue]

    def _found_dead_url(self, queue: QueueName) -> str:
        with aws_errors(_WHAT):
            answer = self._client.get_queue_attributes(QueueUrl=self._urls[queue], AttributeNames=["RedrivePolicy"])
        policy = json.loads(answer.get("Attributes", {}).get("RedrivePolicy", "{}"))
        if int(policy.get("maxReceiveCount", 0)) != MAX_DELIVERIES:
            raise Misconfigured(f"The redrive policy of the {queue} queue must have maxReceiveCount {MAX_DELIVERIES}.")
        account, name = policy["deadLetterTargetArn"].split(":")[-2:]
        with aws_errors("The queue of dead letters"):
            return str(self._client.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"])


def _delivery(message: Any, receipt: str, attempt: int) -> Delivery:
    return Delivery(_message_id(message), receipt, _body(message["Body"]), attempt)


def _message_id(message: Any) -> str:
    """Give the id that `send` made, or SQS's own of what another service sent."""
    own = message.get("MessageAttributes", {}).get(_ID, {})
    return str(own.get("StringValue", message["MessageId"]))


def _attempt(message: Any) -> int:
    return int(message["Attributes"]["ApproximateReceiveCount"])


def _body(text: str) -> Mapping[str, JsonValue]:
    """Give the JSON; what is none goes to whoever reads it as it is, and so to the dead letters."""
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    return body if isinstance(body, dict) else {"unreadable": text}
