"""An AWS account, and what a run of the tests makes in it: all under one prefix, all removed in the end."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from itertools import count
from typing import Any

from chalicelib.adapters.aws_clients import client
from chalicelib.adapters.dynamodb_table import definition
from chalicelib.ports.blobs import Bucket
from chalicelib.ports.queue import MAX_DELIVERIES, QueueName
from chalicelib.ports.table import IndexName, TableName
from tests.fakes.clock import HandClock

LAG_S = 60
"""What AWS calls eventually, at the longest."""


class WaitingClock(HandClock):
    """A clock of the world's own time: whoever advances it waits."""

    def __init__(self) -> None:
        super().__init__(datetime.now(UTC))

    def now(self) -> datetime:
        """See `Clock.now`."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.monotonic()

    def advance(self, seconds: float) -> None:
        """Wait until they have passed."""
        time.sleep(seconds)


@dataclass
class Account:
    """What was made is removed last first by *made*, also when a test fails."""

    region: str
    made: ExitStack
    prefix: str = field(default_factory=lambda: f"ragstone-test-{uuid.uuid4().hex[:10]}-")
    _numbers: Iterator[int] = field(default_factory=count)

    @classmethod
    @contextmanager
    def opened(cls, region: str) -> Iterator[Account]:
        """Give the account, and remove in the end what was made in it."""
        with ExitStack() as made:
            yield cls(region, made)

    @staticmethod
    @cache
    def client(service: str) -> Any:
        """Give a client made as the platform makes them."""
        return client(service)

    def tables(self, *families: TableName) -> str:
        """Make tables as the templates do; give the prefix of their names."""
        dynamodb, prefix = self.client("dynamodb"), self._own()
        for table in families:
            made = definition(table, prefix)
            dynamodb.create_table(**made)
            self.made.callback(dynamodb.delete_table, TableName=made["TableName"])
        for table in families:
            dynamodb.get_waiter("table_exists").wait(TableName=definition(table, prefix)["TableName"])
        return prefix

    def empty_tables(self, prefix: str, *families: TableName) -> None:
        """Remove every row of tables of this run."""
        dynamodb = self.client("dynamodb")
        for table in families:
            name = definition(table, prefix)["TableName"]
            for page in dynamodb.get_paginator("scan").paginate(TableName=name, ProjectionExpression="pk, sk"):
                for row in page["Items"]:
                    dynamodb.delete_item(TableName=name, Key=row)

    def await_index(self, prefix: str, table: TableName, index: IndexName) -> None:
        """Wait until a secondary index shows what was written: the rows that have a place in it, and no others."""
        name, ends = definition(table, prefix)["TableName"], time.monotonic() + LAG_S
        while (shown := self._places(name, index, IndexName=index.value)) != self._places(name, index):
            assert time.monotonic() < ends, f"{index} of {name} still shows {len(shown)} rows"
            time.sleep(0.2)

    def buckets(self) -> dict[Bucket, str]:
        """Make buckets; say what each is called."""
        s3, prefix = self.client("s3"), self._own()
        names = {bucket: f"{prefix}{bucket}" for bucket in Bucket}
        place = {} if self.region == "us-east-1" else {"LocationConstraint": self.region}
        for name in names.values():
            s3.create_bucket(Bucket=name, **({"CreateBucketConfiguration": place} if place else {}))
            self.made.callback(s3.delete_bucket, Bucket=name)
            self.made.callback(self.empty_bucket, name)
        return names

    def empty_bucket(self, name: str) -> None:
        """Remove what is in a bucket of this run."""
        s3 = self.client("s3")
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=name):
            for found in page.get("Contents", ()):
                s3.delete_object(Bucket=name, Key=found["Key"])

    def queues(self) -> dict[QueueName, str]:
        """Make queues with those of their dead letters; say where each is."""
        prefix = self._own()
        return {queue: self._queue(f"{prefix}{queue}") for queue in QueueName}

    def secrets(self) -> str:
        """Give a prefix for names of secrets, and remove in the end what bears it."""
        prefix = self._own()
        self.made.callback(self._remove_secrets, prefix)
        return prefix

    def vector_bucket(self) -> str:
        """Make a vector bucket; give its name."""
        vectors, name = self.client("s3vectors"), f"{self._own()}vectors"
        vectors.create_vector_bucket(vectorBucketName=name)
        self.made.callback(vectors.delete_vector_bucket, vectorBucketName=name)
        return name

    def _own(self) -> str:
        """Give what names begin with that are used once."""
        return f"{self.prefix}{next(self._numbers)}-"

    def _queue(self, name: str) -> str:
        dead = self._made_queue(f"{name}-dead", {})
        asked = {"QueueUrl": dead, "AttributeNames": ["QueueArn"]}
        arn = self.client("sqs").get_queue_attributes(**asked)["Attributes"]["QueueArn"]
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MAX_DELIVERIES})
        return self._made_queue(name, {"RedrivePolicy": policy})

    def _made_queue(self, name: str, attributes: dict[str, str]) -> str:
        sqs = self.client("sqs")
        url = str(sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])
        self.made.callback(sqs.delete_queue, QueueUrl=url)
        return url

    def _places(self, name: str, index: IndexName, **where: str) -> list[tuple[str, ...]]:
        """Give where rows stand in the table and in the index, by a scan of either."""
        wanted = ("pk", "sk", f"{index}pk", f"{index}sk", "version")
        pages = self.client("dynamodb").get_paginator("scan").paginate(TableName=name, **where)
        rows = (row for page in pages for row in page["Items"] if f"{index}pk" in row)
        return sorted(tuple(str(row.get(one)) for one in wanted) for row in rows)

    def _remove_secrets(self, prefix: str) -> None:
        store, named = self.client("secretsmanager"), [{"Key": "name", "Values": [prefix]}]
        for page in store.get_paginator("list_secrets").paginate(Filters=named):
            for found in (one for one in page["SecretList"] if one["Name"].startswith(prefix)):
                store.delete_secret(SecretId=found["ARN"], ForceDeleteWithoutRecovery=True)
