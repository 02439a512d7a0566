"""Amazon S3 Vectors on this machine: strict, with faults, reached by boto3 as it reaches AWS."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
from botocore.config import Config

from chalicelib.adapters.aws_clients import CONFIG
from chalicelib.ports.clock import Clock
from tests.fakes.aws_border import refuses_vectors
from tests.fakes.aws_calls import Calls
from tests.fakes.s3_vectors_account import Account, Answer, Index, Params
from tests.fakes.s3_vectors_entries import delete_vectors, get_vectors, list_vectors, put_vectors
from tests.fakes.s3_vectors_requests import Refused, read_request
from tests.fakes.s3_vectors_rules import VECTORS_PER_SECOND, WRITES_PER_SECOND
from tests.fakes.s3_vectors_search import query_vectors

_OF_VECTORS: Mapping[str, Callable[[Index, Params], Answer]] = {
    "PutVectors": put_vectors,
    "GetVectors": get_vectors,
    "DeleteVectors": delete_vectors,
    "ListVectors": list_vectors,
}
_OF_BUCKETS = {
    "CreateVectorBucket": "create_vector_bucket",
    "GetVectorBucket": "get_vector_bucket",
    "DeleteVectorBucket": "delete_vector_bucket",
    "ListVectorBuckets": "list_vector_buckets",
    "PutVectorBucketDefaultIndexMode": "put_vector_bucket_default_index_mode",
    "CreateIndex": "create_index",
    "GetIndex": "get_index",
    "DeleteIndex": "delete_index",
    "ListIndexes": "list_indexes",
    "UpdateIndexMode": "update_index_mode",
    "TagResource": "tag_resource",
    "UntagResource": "untag_resource",
    "ListTagsForResource": "list_tags_for_resource",
}


@dataclass(frozen=True)
class Fault:
    """
    What becomes of one request to *operation*, or to any: it is refused with *code*, or *lost*.

    A lost one is carried out, and the connection ends without an answer.
    """

    code: str = ""
    status: int = 400
    lost: bool = False
    operation: str = ""


THROTTLED = Fault("TooManyRequestsException", 429)
FAILED = Fault("InternalServerException", 500)
UNAVAILABLE = Fault("ServiceUnavailableException", 503)
DENIED = Fault("AccessDeniedException", 403)
EXPIRED = Fault("ExpiredTokenException", 403)
LOST = Fault(lost=True)


@dataclass
class S3VectorsServer:
    """
    A server at *url*: its *account*, the operations that it was to have *carried* out, and what is to go wrong.

    Of *faults* each meets the first request that it is meant for. The caller may not do what is *denied*. With a
    *clock*, an index takes no more writes in any second than AWS lets it. Who asks what is noted in *calls*.
    """

    url: str = ""
    account: Account = field(default_factory=Account)
    carried: list[str] = field(default_factory=list)
    faults: deque[Fault] = field(default_factory=deque)
    denied: set[str] = field(default_factory=set)
    clock: Clock | None = None
    calls: Calls = field(default_factory=Calls)
    _written: deque[tuple[float, str, int]] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def client(self) -> Any:
        """A client made as the platform makes them."""
        return self.new_client(CONFIG)

    def new_client(self, config: Config) -> Any:
        """Give a client of its own, to be closed by the caller."""
        secrets = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        session = boto3.session.Session(**secrets, region_name="eu-central-1")
        return session.client("s3vectors", config=config, endpoint_url=self.url)

    def answer(self, method: str, target: str, body: bytes, signature: str) -> Answer | None:
        """Carry out one request; None where its answer gets lost. Raises `Refused`."""
        if "/s3vectors/aws4_request" not in signature:
            raise Refused("AccessDeniedException", "The request is not signed for s3vectors")
        operation, params = read_request(method, target, body)
        self.calls.note_vectors(signature, operation, params)
        if refuses_vectors(signature, operation, params):
            raise Refused("AccessDeniedException", f"{operation} is not allowed here")
        with self._lock:
            fault = self._fault(operation)
            if fault and fault.code:
                raise Refused(fault.code, f"injected, with {json.dumps(params)[:200]}")
            if fault:
                with suppress(Refused):
                    self._carry_out(operation, params)
                return None
            return self._carry_out(operation, params)

    def _fault(self, operation: str) -> Fault | None:
        for fault in self.faults:
            if fault.operation in ("", operation):
                self.faults.remove(fault)
                return fault
        return None

    def _carry_out(self, operation: str, params: Params) -> Answer:
        self.carried.append(operation)
        if operation in self.denied:
            raise Refused("AccessDeniedException", f"{operation} is not allowed")
        if operation in _OF_BUCKETS:
            method: Callable[[Params], Answer] = getattr(self.account, _OF_BUCKETS[operation])
            return method(params)
        if operation == "QueryVectors":
            return query_vectors(self.account.index(params), params, may_get="GetVectors" not in self.denied)
        if operation in _OF_VECTORS:
            index = self.account.index(params)
            if operation in ("PutVectors", "DeleteVectors"):
                self._check_rate(index, len(params.get("vectors") or params["keys"]))
            return _OF_VECTORS[operation](index, params)
        raise Refused("UnknownOperationException", operation)

    def _check_rate(self, index: Index, vectors: int) -> None:
        if self.clock is None:
            return
        now = self.clock.monotonic()
        while self._written and self._written[0][0] <= now - 1:
            self._written.popleft()
        recent = [count for _, arn, count in self._written if arn == index.arn]
        if len(recent) + 1 > WRITES_PER_SECOND.limit or sum(recent) + vectors > VECTORS_PER_SECOND.limit:
            raise Refused("TooManyRequestsException", "Please reduce your request rate")
        self._written.append((now, index.arn, vectors))


@contextmanager
def s3_vectors_server(clock: Clock | None = None, calls: Calls | None = None) -> Iterator[S3VectorsServer]:
    """Serve S3 Vectors on a free port."""
    world = S3VectorsServer(clock=clock, calls=calls or Calls())
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, world))
    server.daemon_threads = True
    world.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
    thread.start()
    try:
        yield world
        world.client.close()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """Reads a request and writes its answer as the protocol rest-json has it."""

    protocol_version = "HTTP/1.1"

    def __init__(self, world: S3VectorsServer, *connection: Any) -> None:
        self._world = world
        super().__init__(*connection)

    def setup(self) -> None:
        """Send small answers at once."""
        super().setup()
        self.connection.setsockopt(6, 1, 1)  # TCP_NODELAY

    def do_POST(self) -> None:
        """Answer."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            found = self._world.answer(self.command, self.path, body, self.headers.get("Authorization", ""))
        except Refused as refused:
            fields = [{"path": path, "message": message} for path, message in refused.fields]
            said = {"message": refused.message} | ({"fieldList": fields} if fields else {})
            self._send(_status(refused), said, {"x-amzn-errortype": refused.code})
        else:
            if found is None:
                self.close_connection = True
            else:
                self._send(200, found, {})

    def do_GET(self) -> None:
        """Answer."""
        self.do_POST()

    def do_DELETE(self) -> None:
        """Answer."""
        self.do_POST()

    def log_message(self, *_: object) -> None:
        """Write no line for each request."""

    def _send(self, status: int, answer: Answer, headers: dict[str, str]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json", "Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


_NOT_IN_THE_MODEL = {"ExpiredTokenException": 403, "UnknownOperationException": 404}


def _status(refused: Refused) -> int:
    return _NOT_IN_THE_MODEL.get(refused.code, refused.status)
