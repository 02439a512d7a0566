"""S3 Vectors that fails on the way: every call of every operation, with every way to fail."""

from __future__ import annotations

import copy
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import pytest
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import ConnectTimeoutError
from botocore.retries.quota import RetryQuota
from botocore.retries.standard import (
    ExponentialBackoff,
    RetryEventAdapter,
    RetryHandler,
    RetryPolicy,
    RetryQuotaChecker,
    StandardRetryConditions,
)

from chalicelib.adapters.aws_clients import CONFIG
from chalicelib.domain.filters import parse_filter
from chalicelib.errors import Misconfigured, NotFound, StorageFull, Unavailable
from chalicelib.ports.vectors import VectorIndexName, VectorIndexSpec, VectorQuery, VectorRecord
from fargate.adapters.s3_vectors import S3Vectors
from tests.fakes.clock import HandClock
from tests.fakes.s3_vectors_account import Bucket
from tests.fakes.s3_vectors_server import (
    DENIED,
    EXPIRED,
    FAILED,
    LOST,
    THROTTLED,
    UNAVAILABLE,
    Fault,
    S3VectorsServer,
    s3_vectors_server,
)

INDEX, OTHER = VectorIndexName("acme.handbook.g1"), VectorIndexName("acme.handbook.g2")
SPEC = VectorIndexSpec(2)
NORTH, EAST = struct.pack("<2f", 0, 1), struct.pack("<2f", 1, 0)
SECRET = "what-only-the-request-knows"
UNREACHED = Fault("connect timeout")
ATTEMPTS = 3
_numbers = count(1)

Expected = dict[str, tuple[Any, dict[str, Any]]]
"""What each operation gives, and what the bucket holds then."""


@dataclass(frozen=True)
class Call:
    """An operation of the port, and the request of it that goes wrong."""

    name: str
    request: str
    run: Callable[[S3Vectors], object]


def _record(key: str, language: str | None = None) -> VectorRecord:
    return VectorRecord(key, EAST, f"leave {SECRET}", {"team": "hr"}, language)


_OPERATIONS: dict[str, tuple[Callable[[S3Vectors], object], tuple[str, ...]]] = {
    "create": (
        lambda store: store.create(OTHER, SPEC),
        ("CreateIndex", "GetIndex", "ListTagsForResource", "UpdateIndexMode"),
    ),
    "drop": (lambda store: store.drop(INDEX), ("DeleteIndex",)),
    "indexes": (lambda store: store.indexes("acme."), ("ListIndexes",)),
    "put": (
        lambda store: store.put(INDEX, [_record("c"), _record("d", "de")]),
        ("GetIndex", "ListTagsForResource", "TagResource", "PutVectors"),
    ),
    "get": (lambda store: store.get(INDEX, ["a", "b", "c"]), ("GetVectors",)),
    "delete": (lambda store: store.delete(INDEX, ["a", "c"]), ("DeleteVectors",)),
    "list": (lambda store: sorted(store.list(INDEX)[0]), ("ListVectors",)),
    "query": (
        lambda store: store.query(INDEX, VectorQuery(5, EAST, "leave", parse_filter({"team": "hr"}))),
        ("GetIndex", "ListTagsForResource", "QueryVectors"),
    ),
    "version": (lambda store: store.version(INDEX), ("GetIndex", "ListTagsForResource")),
}
CALLS = [Call(name, request, run) for name, (run, requests) in _OPERATIONS.items() for request in requests]
PASSING = {"throttled": THROTTLED, "500": FAILED, "503": UNAVAILABLE, "unreached": UNREACHED, "answer lost": LOST}


@dataclass
class World:
    """A bucket of its own, with what a client of it meets on the way."""

    server: S3VectorsServer
    client: Any
    bucket: str
    unreached: dict[str, int]

    def store(self) -> S3Vectors:
        """Give an adapter that remembers nothing."""
        return S3Vectors(self.client, self.bucket, HandClock(), sleep=lambda _: None)

    def meets(self, fault: Fault, request: str, times: int = 1) -> None:
        """Let *fault* meet the next requests called *request*."""
        if fault is UNREACHED:
            self.unreached[request] = times
        else:
            self.server.faults.extend([replace(fault, operation=request)] * times)

    def held(self) -> dict[str, Any]:
        """Give all that the bucket holds."""
        indexes = self.server.account.buckets[self.bucket].indexes.values()
        return {
            one.name: (one.mode, {key: (vector.data.tolist(), vector.metadata) for key, vector in one.vectors.items()})
            for one in indexes
        }


@pytest.fixture(scope="module")
def server() -> Iterator[S3VectorsServer]:
    """Serve S3 Vectors."""
    with s3_vectors_server() as running:
        yield running


@pytest.fixture(scope="module")
def patient(server: S3VectorsServer) -> Iterator[tuple[Any, dict[str, int]]]:
    """Give a client of few attempts that does not wait between them, and which requests do not reach the server."""
    client = server.new_client(CONFIG.merge(Config(retries={"mode": "standard", "total_max_attempts": ATTEMPTS})))
    unreached: dict[str, int] = {}

    def meet(request: AWSRequest, event_name: str, **_: Any) -> None:
        operation = event_name.rpartition(".")[2]
        if unreached.get(operation, 0):
            unreached[operation] -= 1
            raise ConnectTimeoutError(endpoint_url=request.url)

    client.meta.events.register_first("before-send.s3vectors.*", meet)
    client.meta.events.unregister("needs-retry.s3vectors", unique_id="retry-config-s3vectors")
    client.meta.events.register("needs-retry.s3vectors", _without_waiting().needs_retry)
    yield client, unreached
    client.close()


def _without_waiting() -> RetryHandler:
    policy = RetryPolicy(
        retry_checker=StandardRetryConditions(max_attempts=ATTEMPTS),
        retry_backoff=ExponentialBackoff(random=lambda: 0),
    )
    endless = RetryQuotaChecker(RetryQuota(initial_capacity=10**9))
    return RetryHandler(retry_policy=policy, retry_event_adapter=RetryEventAdapter(), retry_quota=endless)


@pytest.fixture
def world(server: S3VectorsServer, patient: tuple[Any, dict[str, int]]) -> Iterator[World]:
    """Give a bucket of its own."""
    with _bucket(server, *patient) as made:
        yield made
        server.faults.clear()
        server.denied.clear()


@contextmanager
def _bucket(server: S3VectorsServer, client: Any, unreached: dict[str, int]) -> Iterator[World]:
    """Give a bucket of old, whose new indexes are CLASSIC, with an index that holds two records."""
    name = f"bucket-{next(_numbers)}"
    bucket = copy.deepcopy(_template(server))
    bucket.name = name
    for index in bucket.indexes.values():
        index.bucket = name
    server.account.buckets[name] = bucket
    unreached.clear()
    yield World(server, client, name, unreached)
    del server.account.buckets[name]


def _template(server: S3VectorsServer) -> Bucket:
    name = "template"
    if name not in server.account.buckets:
        server.client.create_vector_bucket(vectorBucketName=name)
        server.client.put_vector_bucket_default_index_mode(vectorBucketName=name, defaultIndexMode="CLASSIC")
        store = S3Vectors(server.client, name, HandClock())
        store.create(INDEX, SPEC)
        store.put(INDEX, [_record("a"), VectorRecord("b", NORTH, "policy")])
    return server.account.buckets[name]


@pytest.fixture(scope="module")
def expected(server: S3VectorsServer, patient: tuple[Any, dict[str, int]]) -> Expected:
    """Say for each operation what it gives, and what the bucket holds then, where nothing goes wrong."""
    found = {}
    for name, (run, _) in _OPERATIONS.items():
        with _bucket(server, *patient) as world:
            found[name] = (run(world.store()), world.held())
    return found


def each_call() -> pytest.MarkDecorator:
    """Run a test for every request of every operation."""
    return pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.name}-{call.request}")


@each_call()
@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_what_passes_is_not_noticed(world: World, call: Call, fault: Fault, expected: Expected) -> None:
    """The result, and what the bucket holds in the end, are those of a call that met nothing."""
    world.meets(fault, call.request)
    result = call.run(world.store())
    assert not world.server.faults
    assert (result, world.held()) == expected[call.name]


@each_call()
@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_what_lasts_is_temporary_and_nothing_is_half_done(
    world: World, call: Call, fault: Fault, expected: Expected
) -> None:
    """Callers may try again, are told so in our words, and doing it again brings what doing it once does."""
    before, whole = world.held(), expected[call.name][1]
    world.meets(fault, call.request, ATTEMPTS)
    with pytest.raises(Unavailable) as raised:
        call.run(world.store())
    assert raised.value.retryable
    assert SECRET not in str(raised.value)
    assert world.held().get(INDEX.name) in (before[INDEX.name], whole.get(INDEX.name))
    call.run(world.store())
    assert world.held() == whole


@each_call()
def test_what_takes_a_person_is_not_called_temporary(world: World, call: Call) -> None:
    """It is sent once, and clients are not told to try again."""
    world.meets(DENIED, call.request, 2)
    with pytest.raises(Misconfigured, match="AccessDenied") as raised:
        call.run(world.store())
    assert (raised.value.retryable, len(world.server.faults)) == (False, 1)
    assert SECRET not in str(raised.value)


@each_call()
def test_credentials_that_expired_may_be_new_next_time(world: World, call: Call) -> None:
    """They are renewed beside."""
    world.meets(EXPIRED, call.request)
    with pytest.raises(Unavailable, match="expired"):
        call.run(world.store())


@pytest.mark.parametrize("code", ["KmsDisabledException", "KmsNotFoundException", "KmsInvalidStateException"])
def test_a_key_that_cannot_be_used_takes_a_person(world: World, code: str) -> None:
    """The name of the error is told, and no text of AWS."""
    world.meets(Fault(code), "PutVectors")
    with pytest.raises(Misconfigured, match=code) as raised:
        world.store().put(INDEX, [_record("c")])
    assert SECRET not in str(raised.value)


def test_a_quota_is_a_store_that_is_full(world: World) -> None:
    """Of indexes, or of vectors."""
    for request, run in (("CreateIndex", _OPERATIONS["create"][0]), ("PutVectors", _OPERATIONS["put"][0])):
        world.meets(Fault("ServiceQuotaExceededException", 402), request)
        with pytest.raises(StorageFull):
            run(world.store())


def test_filters_and_texts_need_a_second_permission(world: World) -> None:
    """A role that may query but not get is told apart from an index that is empty."""
    world.server.denied.add("GetVectors")
    with pytest.raises(Misconfigured):
        world.store().query(INDEX, VectorQuery(5, EAST))


def test_a_bucket_that_does_not_exist_takes_a_person(world: World) -> None:
    """For `create` and `indexes`; a search says that there is no such index."""
    elsewhere = S3Vectors(world.client, "no-such-bucket", HandClock())
    for call in ("create", "indexes"):
        with pytest.raises(Misconfigured, match="no-such-bucket"):
            _OPERATIONS[call][0](elsewhere)
    with pytest.raises(NotFound):
        elsewhere.query(INDEX, VectorQuery(5, EAST))
