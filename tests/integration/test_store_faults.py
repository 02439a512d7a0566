"""The stores on AWS, failing on the way: every request of every operation, with every way to fail."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from chalicelib.adapters import aws_clients, s3_writes
from chalicelib.errors import ConditionFailed, Misconfigured, RagError, Unavailable
from chalicelib.ports.table import TableName
from tests.fakes.aws import Aws
from tests.fakes.aws_faults import ATTEMPTS, SECRET, Fault, FaultyWay, answers, lost, says, says_in_xml, slow, unreached
from tests.fakes.store_calls import (
    BLOBS,
    QUEUE,
    SECRETS,
    TABLE,
    BlobsWorld,
    Operation,
    QueueWorld,
    SecretsWorld,
    TableWorld,
)

World = TableWorld | BlobsWorld | QueueWorld | SecretsWorld

OPERATIONS: dict[str, Mapping[str, Operation]] = {
    "dynamodb": TABLE,
    "s3": BLOBS,
    "sqs": QUEUE,
    "secretsmanager": SECRETS,
}
THROTTLED = {
    "dynamodb": says(400, "ProvisionedThroughputExceededException"),
    "s3": says_in_xml(503, "SlowDown"),
    "sqs": says(403, "RequestThrottled"),
    "secretsmanager": says(400, "ThrottlingException"),
}
REFUSED = {
    "PutItem": says(400, "ConditionalCheckFailedException"),
    "DeleteItem": says(400, "ConditionalCheckFailedException"),
    "TransactWriteItems": says(
        400, "TransactionCanceledException", CancellationReasons=[{"Code": "ConditionalCheckFailed"}]
    ),
    "PutObject": says_in_xml(412, "PreconditionFailed"),
    "CompleteMultipartUpload": says_in_xml(412, "PreconditionFailed"),
}
Expected = dict[Operation, tuple[object, Any]]
_counted: Counter[str] = Counter()


@pytest.fixture(scope="module", autouse=True)
def small_parts() -> Iterator[None]:
    """Let a short blob have several parts, and nobody wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(s3_writes, "PART_BYTES", 12)
        patch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 1)
        patch.setattr(aws_clients, "FIRST_WAIT_S", 0.0)
        yield


@pytest.fixture(scope="module", params=OPERATIONS)
def world(aws: Aws, request: pytest.FixtureRequest) -> Iterator[World]:
    """Give a store of each service."""
    way = FaultyWay.to(aws.url, request.param)
    worlds: dict[str, Callable[[], World]] = {
        "dynamodb": lambda: TableWorld(aws, way, aws.tables(TableName.CONFIG)),
        "s3": lambda: BlobsWorld(aws, way, aws.buckets()),
        "sqs": lambda: QueueWorld(aws, way, aws.queues()),
        "secretsmanager": lambda: SecretsWorld(aws, way),
    }
    yield worlds[request.param]()
    way.client.close()


@pytest.fixture(scope="module", autouse=True)
def report() -> Iterator[None]:
    """Print how many cases came to what."""
    yield
    operations = sum(map(len, OPERATIONS.values()))
    requests = sum(len(operation.requests) for each in OPERATIONS.values() for operation in each.values())
    counts = (
        f"{operations} operations, {requests} requests of theirs, {sum(_counted.values())} faults: {dict(_counted)}"
    )
    print(f"\n{counts}")  # noqa: T201 - shown by -s, and with what fails


def each_fault() -> pytest.MarkDecorator:
    """Run a test for what goes away by itself: for the two that differ most always, for the others in the drill."""
    always = {"throttled", "answer lost"}
    marks = {name: () if name in always else pytest.mark.drill for name in passing("s3")}
    return pytest.mark.parametrize("fault", [pytest.param(name, marks=mark) for name, mark in marks.items()])


def passing(service: str) -> dict[str, Fault]:
    """Give what goes away by itself."""
    says_no = says_in_xml if service == "s3" else says
    return {
        "throttled": THROTTLED[service],
        "500": says_no(500, "InternalError"),
        "503": says_no(503, "ServiceUnavailable"),
        "unreached": unreached,
        "slow": slow,
        "answer lost": lost,
    }


def calls(world: World) -> Iterator[tuple[str, Operation, str]]:
    """Give every request of every operation, each in a new world."""
    for name, operation in OPERATIONS[world.service].items():
        for request in operation.requests:
            world.way.faults.clear()
            world.begin()
            yield f"{world.service} {name} {request}", operation, request


@pytest.fixture(scope="module")
def expected(world: World) -> Expected:
    """Say for each operation what it gives where nothing goes wrong, and what is held then."""
    found = {}
    for operation in OPERATIONS[world.service].values():
        world.begin()
        found[operation] = (operation.run(world), world.held())
    return found


def failed(world: World, operation: Operation, name: str) -> RagError:
    """Give the error that *operation* ends with."""
    with pytest.raises(RagError) as raised:  # noqa: PT012 - pytest does not say which of many did not fail
        operation.run(world)
        pytest.fail(f"{name} did not fail")
    assert SECRET not in str(raised.value)
    return raised.value


@each_fault()
def test_what_passes_is_not_noticed(world: World, fault: str, expected: Expected) -> None:
    """The result, and what is held in the end, are those of a call that met nothing."""
    for name, operation, request in calls(world):
        given, whole = expected[operation]
        world.way.meets(passing(world.service)[fault], request=request)
        result = operation.run(world)
        assert not world.way.faults, name
        if operation.at_most_once and fault == "answer lost":
            _repeat(world, operation)
        else:
            assert result == given, name
        assert world.held() == whole, name
        _counted["not noticed"] += 1


@each_fault()
def test_what_lasts_is_temporary_and_nothing_is_half_done(world: World, fault: str, expected: Expected) -> None:
    """Callers may try again, are told so in our words, and doing it again brings what doing it once does."""
    for name, operation, request in calls(world):
        before, whole = world.held(), expected[operation][1]
        world.way.meets(*[passing(world.service)[fault]] * ATTEMPTS, request=request)
        error = failed(world, operation, name)
        assert isinstance(error, Unavailable), name
        assert error.retryable, name
        assert world.held() in ((before, whole) if fault == "answer lost" else (before,)) or operation.in_steps, name
        _repeat(world, operation)
        assert world.held() == whole, name
        _counted["temporary"] += 1


def _repeat(world: World, operation: Operation) -> None:
    """Do it again, some time later; one that bears a condition may find its own work done."""
    if isinstance(world, QueueWorld):
        world.pass_time()
    try:
        operation.run(world)
    except ConditionFailed:
        assert operation.conditional


def test_what_another_did_first_is_told_at_once(world: World) -> None:
    """A condition that does not hold is no failure of the store: nothing is stored, and nothing is tried again."""
    for name, operation, request in calls(world):
        if operation.conditional:
            before = world.held()
            world.way.meets(REFUSED[request], request=request)
            assert isinstance(failed(world, operation, name), ConditionFailed), name
            assert world.held() == before, name
            _counted["refused"] += 1


# A missing object is told by a listing where it is "forbidden" to ask for it.
ASKED_AGAIN = {"GetObject", "HeadObject"}


def test_what_takes_a_person_is_not_called_temporary(world: World) -> None:
    """It is sent once, or asked again in another way; it changes nothing, and clients are not told to try again."""
    denied = says_in_xml(403, "AccessDenied") if world.service == "s3" else says(400, "AccessDeniedException")
    for name, operation, request in calls(world):
        before = world.held()
        sent = (request, "ListObjectsV2") if request in ASKED_AGAIN else (request,)
        world.way.meets(*[denied] * (len(sent) + 1), request=sent)
        error = failed(world, operation, name)
        assert (type(error), error.retryable, len(world.way.faults)) == (Misconfigured, False, 1), name
        assert world.held() == before or operation.in_steps, name
        _counted["for a person"] += 1


def test_credentials_that_expired_may_be_new_next_time(world: World) -> None:
    """They are renewed beside."""
    expired = says_in_xml(400, "ExpiredToken") if world.service == "s3" else says(400, "ExpiredTokenException")
    for name, operation, request in calls(world):
        world.way.meets(*[expired] * ATTEMPTS, request=request)
        assert isinstance(failed(world, operation, name), Unavailable), name
        _counted["temporary"] += 1


def test_what_was_done_by_half_is_done_whole(world: World, expected: Expected) -> None:
    """What a batch leaves out is asked for again: keys that were not read, blobs that were not deleted."""
    if isinstance(world, TableWorld):
        operation, request = TABLE["batch_get"], "BatchGetItem"
        world.begin()
        keys = [{"pk": {"S": world.partition}, "sk": {"S": sort}} for sort in "abc"]
        left = {world.prefix + "config": {"Keys": keys, "ConsistentRead": True}}
        half = answers(json.dumps({"Responses": {}, "UnprocessedKeys": left}).encode())
    elif isinstance(world, BlobsWorld):
        operation, request = BLOBS["delete_several"], "DeleteObjects"
        world.begin()
        errors = [f"<Error><Key>{world.key(name).path}</Key><Code>InternalError</Code></Error>" for name in "ab"]
        half = answers(f"<DeleteResult>{''.join(errors)}</DeleteResult>".encode())
    else:
        pytest.skip("asks for one thing at a time")
    world.way.meets(half, half, request=request)
    assert (operation.run(world), world.held()) == expected[operation]
    assert not world.way.faults
    _counted["not noticed"] += 1
