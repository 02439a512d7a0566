"""AWS as moto has it, and session policies held: a server on this machine that boto3 reaches as it reaches AWS."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import count
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from chalicelib.adapters.aws_clients import config
from chalicelib.adapters.dynamodb_table import definition
from chalicelib.ports.blobs import Bucket
from chalicelib.ports.queue import MAX_DELIVERIES, QueueName
from chalicelib.ports.table import TableName
from tests.fakes import aws_border
from tests.fakes.aws_calls import Calls

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

POLL_S = 0.05
REGION = "eu-central-1"
_prefixes = count(1)


@dataclass(frozen=True)
class Aws:
    """A server, the *calls* made of it, and the clients that reach it."""

    url: str
    calls: Calls

    def client(self, service: str) -> Any:
        """Give a client made as the platform makes them; one for all, since making one takes long."""
        return _client(self.url, service)

    def tables(self, *families: TableName) -> str:
        """Make the tables of a platform of its own, or only those of *families*; give the prefix of their names."""
        prefix = f"t{next(_prefixes)}-"
        for table in families or TableName:
            self.client("dynamodb").create_table(**definition(table, prefix))
        return prefix

    def buckets(self) -> dict[Bucket, str]:
        """Make the buckets of a platform of its own; say what each is called."""
        place = {"LocationConstraint": REGION}
        names = {bucket: f"t{next(_prefixes)}-{bucket}" for bucket in Bucket}
        for name in names.values():
            self.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration=place)
        return names

    def queues(self) -> dict[QueueName, str]:
        """Make the queues of a platform of its own, with those of their dead letters; say where each is."""
        prefix = f"t{next(_prefixes)}-"
        return {queue: self._queue(f"{prefix}{queue}") for queue in QueueName}

    @property
    def environment(self) -> dict[str, str]:
        """What boto3 finds the server by in another process."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def platform(self) -> dict[str, str]:
        """Make what a platform of its own needs; give the environment that its processes find it by."""
        buckets, queues = self.buckets(), self.queues()
        return self.environment | {
            "RAGSTONE_STORES": "aws",
            "RAGSTONE_TABLE_PREFIX": self.tables(),
            "RAGSTONE_SECRETS_PREFIX": f"t{next(_prefixes)}/",
            **{f"RAGSTONE_{bucket.upper()}_BUCKET": name for bucket, name in buckets.items()},
            **{f"RAGSTONE_{queue.upper()}_QUEUE_URL": url for queue, url in queues.items()},
        }

    def _queue(self, name: str) -> str:
        sqs = self.client("sqs")
        dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": MAX_DELIVERIES})
        return str(sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": policy})["QueueUrl"])


def _answer(moto: Any, environ: WSGIEnvironment, asked: bytes) -> tuple[str, list[tuple[str, str]], list[bytes]]:
    refused = aws_border.refusal(environ, asked)
    if refused is not None:
        return refused
    begun: list[Any] = []
    body = list(moto(dict(environ), lambda *given: begun.extend(given)))
    return aws_border.as_told(environ, begun[0]) or (begun[0], begun[1], body)


def _read(environ: WSGIEnvironment) -> bytes:
    """Give the body of a request that is JSON, or names objects to delete; others may be long."""
    if "HTTP_X_AMZ_TARGET" not in environ and environ["QUERY_STRING"] != "delete":
        return b""
    body: bytes = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _take_wait(environ: WSGIEnvironment, body: bytes) -> int:
    """Give how long a request waits for a message, in whole seconds, and let it not wait."""
    if environ.get("HTTP_X_AMZ_TARGET") != "AmazonSQS.ReceiveMessage":
        return 0
    asked = json.loads(body)
    wait_s = int(asked.pop("WaitTimeSeconds", 0))
    hurried = json.dumps(asked).encode()
    environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(hurried), str(len(hurried))
    return wait_s


@cache
def _client(url: str, service: str) -> Any:
    return session().client(service, config=config(service), endpoint_url=url)


@cache
def session() -> boto3.session.Session:
    """Give the session that all clients are made in; what it loads, it loads once."""
    return boto3.session.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)


class _Quiet(WSGIRequestHandler):
    """Writes no line for each request."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """See `WSGIRequestHandler`."""


@contextmanager
def aws_server() -> Iterator[Aws]:
    """
    Serve AWS on a free port.

    One request at a time: DynamoDB carries out each call as a whole, and moto does not where several threads call. Who
    waits for a message lets others go on.
    """
    moto, one_at_a_time, calls = DomainDispatcherApplication(create_backend_app), Lock(), Calls()

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        asked = _read(environ)
        calls.note(environ, asked)
        ends = time.monotonic() + _take_wait(environ, asked)
        while True:
            with one_at_a_time:
                status, headers, body = _answer(moto, environ, asked)
            if time.monotonic() >= ends or b'"Messages"' in b"".join(body):
                start_response(status, headers)
                return body
            time.sleep(POLL_S)
            environ["wsgi.input"].seek(0)

    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Aws(f"http://127.0.0.1:{server.server_port}", calls)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
