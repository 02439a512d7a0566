"""What the stores on AWS can be asked, each asked once in a world that is always the same at first."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.s3.models import s3_backends
from moto.secretsmanager.models import secretsmanager_backends
from moto.sqs.models import sqs_backends
from pydantic import SecretBytes

from chalicelib.adapters.dynamodb_table import DynamoDbTable
from chalicelib.adapters.s3_blobs import S3Blobs
from chalicelib.adapters.secrets_manager import SecretsManager
from chalicelib.adapters.sqs_queue import SqsQueue
from chalicelib.ports.blobs import BlobKey, Bucket
from chalicelib.ports.queue import MAX_DELIVERIES, Delivery, QueueName
from chalicelib.ports.table import Check, Delete, IndexName, Item, Key, Put, Query, TableName
from tests.fakes.aws import REGION, Aws
from tests.fakes.aws_faults import FaultyWay
from tests.fakes.clock import HandClock
from tests.fakes.sqs import QueueAges

WORK = QueueName.INGESTION
_SUFFIXES = ("", "-dead")
_numbers = count()


@dataclass
class TableWorld:
    """A partition with the rows `a` and `b`."""

    aws: Aws
    way: FaultyWay
    prefix: str
    partition: str = "acme#routes"
    _first: dict[Any, Any] = field(default_factory=dict)

    service = "dynamodb"

    def begin(self) -> None:
        """Put the rows there, and take away others."""
        if not self._first:
            plain = DynamoDbTable(self.aws.client("dynamodb"), self.prefix, HandClock())
            plain.write(Put(self.item("a", 1)), Put(self.item("b", 1)))
            self._first = {partition: dict(rows) for partition, rows in self._rows().items()}
        self._rows().clear()
        self._rows().update({partition: dict(rows) for partition, rows in self._first.items()})

    @property
    def store(self) -> DynamoDbTable:
        """The table whose requests meet faults."""
        return DynamoDbTable(self.way.client, self.prefix, HandClock())

    def key(self, sort: str) -> Key:
        """Name a row."""
        return Key(TableName.CONFIG, self.partition, sort)

    def item(self, sort: str, version: int) -> Item:
        """Make a row that stands in an index too."""
        return Item(self.key(sort), {"by": sort}, version, gsi1=(self.partition + "#list", sort))

    def held(self) -> Any:
        """Give all rows."""
        rows = [row.to_json()["Attributes"] for rows in self._rows().values() for row in rows.values()]
        return sorted((row["sk"]["S"], row["data"]["S"], row["version"]["N"]) for row in rows)

    def slice(self, index: IndexName | None = None) -> Query:
        """Ask for all rows."""
        return Query(TableName.CONFIG, self.partition + ("#list" if index else ""), index=index)

    def _rows(self) -> Any:
        return dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables[self.prefix + TableName.CONFIG].items


@dataclass
class BlobsWorld:
    """A folder of its own with the blobs `a` and `b`."""

    aws: Aws
    way: FaultyWay
    buckets: dict[Bucket, str]
    folder: str = ""

    service = "s3"

    def begin(self) -> None:
        """Make another folder."""
        self.folder = f"acme/{next(_numbers)}"
        for name in "ab":
            path = self.key(name).path
            s3_backends[DEFAULT_ACCOUNT_ID]["aws"].put_object(self.buckets[Bucket.RAW], path, b"of " + name.encode())

    @property
    def store(self) -> S3Blobs:
        """The blobs whose requests meet faults."""
        return S3Blobs(self.way.client, self.buckets, HandClock())

    def key(self, name: str) -> BlobKey:
        """Name a blob."""
        return BlobKey(Bucket.RAW, f"{self.folder}/{name}")

    def etag(self, name: str) -> str:
        """Give a blob's etag."""
        return str(self._keys()[self.key(name).path].etag.strip('"'))

    def held(self) -> Any:
        """Give all blobs."""
        return {path.rpartition("/")[2]: key.value for path, key in self._keys().items() if self.folder in path}

    def _keys(self) -> Any:
        return s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[self.buckets[Bucket.RAW]].keys


@dataclass
class QueueWorld:
    """A queue with one message, another on loan, and a dead letter."""

    aws: Aws
    way: FaultyWay
    urls: dict[QueueName, str]
    clock: HandClock = field(default_factory=HandClock)
    loan: Delivery | None = None
    _first: dict[str, Any] = field(default_factory=dict)

    service = "sqs"

    def begin(self) -> None:
        """Put the messages there, and take away others."""
        self.store = SqsQueue(self.way.client, QueueAges(self.clock), self.urls, self.clock)
        if not self._first:
            self._fill()
            self._first = {suffix: self._queue(suffix)._messages for suffix in _SUFFIXES}
        self.store._loans.begin(WORK, [self.receipt], self.clock.monotonic() + 600)
        for suffix in _SUFFIXES:
            self._queue(suffix)._messages = deepcopy(self._first[suffix])
            self._queue(suffix).deleted_messages.clear()

    def _fill(self) -> None:
        self.store.send(WORK, {"n": "lent"})
        (self.loan,) = self.store.receive(WORK, lease_s=600)
        self.store.send(WORK, {"n": "waiting"})
        self.aws.client("sqs").send_message(QueueUrl=self.urls[WORK] + "-dead", MessageBody='{"n":"dead"}')

    def pass_time(self) -> None:
        """Let what was received from among the dead letters be seen again."""
        for message in self._queue("-dead")._messages:
            message.visible_at = 0

    @property
    def receipt(self) -> str:
        """The receipt of what is on loan."""
        assert self.loan is not None
        return self.loan.receipt

    def held(self) -> Any:
        """Say which messages are where; one that is there twice is there."""
        return {
            (suffix, json.loads(message.body)["n"]) for suffix in _SUFFIXES for message in self._queue(suffix)._messages
        }

    def _queue(self, suffix: str) -> Any:
        name = self.urls[WORK].rpartition("/")[2] + suffix
        return sqs_backends[DEFAULT_ACCOUNT_ID][REGION].queues[name]


@dataclass
class SecretsWorld:
    """A prefix of its own with the secret `old`."""

    aws: Aws
    way: FaultyWay
    prefix: str = ""

    service = "secretsmanager"

    def begin(self) -> None:
        """Take another prefix."""
        self.prefix = f"faults-{next(_numbers)}/"
        SecretsManager(self.aws.client("secretsmanager"), self.prefix).create("old", SecretBytes(b"old"))

    @property
    def store(self) -> SecretsManager:
        """The secrets whose requests meet faults."""
        return SecretsManager(self.way.client, self.prefix)

    def held(self) -> Any:
        """Give the names of all secrets; none is ever changed."""
        found = secretsmanager_backends[DEFAULT_ACCOUNT_ID][REGION].secrets.values()
        return sorted(one.name.removeprefix(self.prefix) for one in found if one.name.startswith(self.prefix))


@dataclass(frozen=True)
class Operation:
    """
    An operation and the requests it is made of, each of which may fail.

    *conditional* ones may be refused by what stands there; *at_most_once* gives what it gives but once, so that after a
    lost answer it is another; *in_steps* may leave some of what it does behind.
    """

    run: Callable[[Any], object]
    requests: tuple[str, ...]
    conditional: bool = False
    at_most_once: bool = False
    in_steps: bool = False


TABLE = {
    "get": Operation(lambda w: w.store.get(w.key("a")).data, ("GetItem",)),
    "get_missing": Operation(lambda w: w.store.get(w.key("c")), ("GetItem",)),
    "batch_get": Operation(
        lambda w: sorted(item.key.sort for item in w.store.batch_get([w.key(sort) for sort in "abc"])),
        ("BatchGetItem",),
    ),
    "put": Operation(lambda w: w.store.write(Put(w.item("c", 1))), ("PutItem",)),
    "put_over": Operation(lambda w: w.store.write(Put(w.item("a", 7))), ("PutItem",)),
    "put_if_absent": Operation(lambda w: w.store.write(Put(w.item("c", 1), if_absent=True)), ("PutItem",), True),
    "put_if_version": Operation(lambda w: w.store.write(Put(w.item("a", 2), if_version=1)), ("PutItem",), True),
    "delete": Operation(lambda w: w.store.write(Delete(w.key("a"))), ("DeleteItem",)),
    "delete_if_version": Operation(lambda w: w.store.write(Delete(w.key("a"), if_version=1)), ("DeleteItem",), True),
    "write_two": Operation(lambda w: w.store.write(Put(w.item("c", 1)), Delete(w.key("a"))), ("TransactWriteItems",)),
    "write_two_if": Operation(
        lambda w: w.store.write(Put(w.item("c", 1), if_absent=True), Put(w.item("a", 2), if_version=1)),
        ("TransactWriteItems",),
        True,
    ),
    "write_with_check": Operation(
        lambda w: w.store.write(Put(w.item("c", 1)), Check(w.key("b"), 1)), ("TransactWriteItems",), True
    ),
    "check": Operation(lambda w: w.store.write(Check(w.key("a"), 1)), ("TransactWriteItems",), True),
    "query": Operation(lambda w: [item.key.sort for item in w.store.query(w.slice()).items], ("Query",)),
    "query_index": Operation(
        lambda w: [item.key.sort for item in w.store.query(w.slice(IndexName.GSI1)).items], ("Query",)
    ),
}


def _opened(world: Any) -> bytes:
    with world.store.open(world.key("a")) as stream:
        content: bytes = stream.read()
        return content


_LONG = b"a long blob, of three parts and more"
BLOBS = {
    "put": Operation(lambda w: w.store.put(w.key("c"), b"new").size_bytes, ("PutObject",)),
    "put_over": Operation(lambda w: w.store.put(w.key("a"), b"new").size_bytes, ("PutObject",)),
    "put_stream": Operation(lambda w: w.store.put(w.key("c"), io.BytesIO(b"new")).size_bytes, ("PutObject",)),
    "put_if_absent": Operation(lambda w: w.store.put(w.key("c"), b"new", if_absent=True).etag, ("PutObject",), True),
    "put_if_match": Operation(
        lambda w: w.store.put(w.key("a"), b"new", if_match=w.etag("a")).etag, ("PutObject",), True
    ),
    "put_parts": Operation(
        lambda w: w.store.put(w.key("c"), _LONG).size_bytes,
        ("CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"),
    ),
    "put_parts_if_absent": Operation(
        lambda w: w.store.put(w.key("c"), _LONG, if_absent=True).size_bytes, ("CompleteMultipartUpload",), True
    ),
    "get": Operation(lambda w: w.store.get(w.key("a")), ("GetObject",)),
    "get_range": Operation(lambda w: w.store.get(w.key("a"), first=1, last=2), ("GetObject",)),
    "open": Operation(_opened, ("GetObject",)),
    "head": Operation(lambda w: w.store.head(w.key("a")).size_bytes, ("HeadObject",)),
    "head_missing": Operation(lambda w: w.store.head(w.key("c")), ("HeadObject",)),
    "list": Operation(
        lambda w: [info.key.path[-1] for info in w.store.list(Bucket.RAW, w.folder + "/")], ("ListObjectsV2",)
    ),
    "delete": Operation(lambda w: w.store.delete([w.key("a")]), ("DeleteObjects",)),
    "delete_several": Operation(lambda w: w.store.delete([w.key(name) for name in "abc"]), ("DeleteObjects",)),
    "delete_odd": Operation(
        lambda w: w.store.delete([w.key("\x01"), w.key("b")]), ("DeleteObject", "DeleteObjects"), in_steps=True
    ),
}
QUEUE = {
    "send": Operation(lambda w: bool(w.store.send(WORK, {"n": "new"})), ("SendMessage",)),
    "send_in_group": Operation(lambda w: bool(w.store.send(WORK, {"n": "new"}, group="acme")), ("SendMessage",)),
    "send_later": Operation(lambda w: bool(w.store.send(WORK, {"n": "new"}, delay_s=60)), ("SendMessage",)),
    "receive": Operation(
        lambda w: [delivery.body for delivery in w.store.receive(WORK, limit=10)],
        ("ReceiveMessage",),
        at_most_once=True,
    ),
    "extend": Operation(lambda w: w.store.extend(WORK, w.receipt, 900), ("ChangeMessageVisibility",)),
    "ack": Operation(lambda w: w.store.ack(WORK, w.receipt), ("DeleteMessage",)),
    "release": Operation(lambda w: w.store.release(WORK, w.receipt), ("ChangeMessageVisibility",)),
    "depth": Operation(lambda w: w.store.depth(WORK), ("GetQueueAttributes", "GetQueueUrl")),
    "dead": Operation(
        lambda w: [(letter.body, letter.attempt == MAX_DELIVERIES) for letter in w.store.dead(WORK)],
        ("GetQueueAttributes", "ReceiveMessage"),
    ),
    "redrive": Operation(
        lambda w: w.store.redrive(WORK),
        ("ReceiveMessage", "SendMessage", "DeleteMessage"),
        at_most_once=True,
        in_steps=True,
    ),
}
SECRETS = {
    "get": Operation(lambda w: w.store.get("old"), ("GetSecretValue",)),
    "get_missing": Operation(lambda w: w.store.get("new"), ("GetSecretValue",)),
    "create": Operation(
        lambda w: w.store.create("new", SecretBytes(b"new")), ("CreateSecret", "GetSecretValue"), in_steps=True
    ),
    "create_taken": Operation(lambda w: w.store.create("old", SecretBytes(b"new")), ("CreateSecret", "GetSecretValue")),
}
