"""DynamoDB that fails on the way: what is tried again, and what callers are told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from botocore.awsrequest import AWSRequest

from chalicelib.adapters.dynamodb_table import DynamoDbTable
from chalicelib.errors import ConditionFailed, Misconfigured, Unavailable
from chalicelib.ports.table import Delete, Item, Key, Put, TableName
from tests.fakes.aws import Aws
from tests.fakes.aws_faults import ATTEMPTS, SECRET, FaultyWay, says, slow
from tests.fakes.clock import HandClock

KEY = Key(TableName.CONFIG, "acme#routes", "chat")
OTHER = Key(TableName.CONFIG, "acme#routes", "judge")


@dataclass
class Faulty:
    """A table whose requests meet what *way* has for them."""

    table: DynamoDbTable
    prefix: str
    way: FaultyWay


@pytest.fixture
def faulty(aws: Aws) -> Iterator[Faulty]:
    way, prefix = FaultyWay.to(aws.url, "dynamodb"), aws.tables(TableName.CONFIG)
    yield Faulty(DynamoDbTable(way.client, prefix, HandClock()), prefix, way)
    way.client.close()


def lose_the_answer(faulty: Faulty, aws: Aws, item: Item) -> None:
    """Let the next request put *item* there, and its answer be lost."""

    def lost(request: AWSRequest) -> None:
        DynamoDbTable(aws.client("dynamodb"), faulty.prefix, HandClock()).write(Put(item, if_absent=True))
        slow(request)

    faulty.way.meets(lost)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "ProvisionedThroughputExceededException"),
        (400, "ThrottlingException"),
        (500, "InternalServerError"),
        (503, "ServiceUnavailable"),
    ],
)
def test_what_passes_is_tried_again(faulty: Faulty, status: int, code: str) -> None:
    """Once is not noticed; what lasts is `Unavailable`, in our words, and nothing was stored."""
    faulty.way.meets(says(status, code))
    faulty.table.write(Put(Item(KEY, {"a": 1}), if_absent=True))
    assert faulty.table.get(KEY) == Item(KEY, {"a": 1})
    faulty.way.meets(*[says(status, code)] * ATTEMPTS)
    with pytest.raises(Unavailable) as raised:
        faulty.table.write(Put(Item(OTHER, {})))
    assert raised.value.retryable
    assert SECRET not in str(raised.value)
    assert faulty.table.get(OTHER) is None


@pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceNotFoundException", "UnrecognizedClientException"])
def test_what_takes_a_person_is_not_called_temporary(faulty: Faulty, code: str) -> None:
    """It is sent once, and clients are not told to try again."""
    faulty.way.meets(says(400, code))
    with pytest.raises(Misconfigured, match=code) as raised:
        faulty.table.get(KEY)
    assert (raised.value.retryable, faulty.way.sent) == (False, 1)
    assert SECRET not in str(raised.value)


def test_credentials_that_expired_may_be_new_next_time(faulty: Faulty) -> None:
    """They are renewed beside."""
    faulty.way.meets(says(400, "ExpiredTokenException"))
    with pytest.raises(Unavailable, match="expired"):
        faulty.table.get(KEY)


def test_a_write_that_meets_a_transaction_waits_for_it(faulty: Faulty) -> None:
    """A single one, and a transaction too."""
    faulty.way.meets(*[says(400, "TransactionConflictException")] * 2)
    faulty.table.write(Put(Item(KEY, {"a": 1})))
    faulty.way.meets(says(400, "TransactionConflictException"))
    faulty.table.write(Delete(KEY))
    assert faulty.table.get(KEY) is None


def test_a_write_whose_answer_was_lost_is_not_taken_for_somebody_elses(faulty: Faulty, aws: Aws) -> None:
    """It is there already when it is sent again, and it is ours."""
    item = Item(KEY, {"a": 1}, 1)
    lose_the_answer(faulty, aws, item)
    faulty.table.write(Put(item, if_absent=True))
    assert faulty.table.get(KEY) == item


def test_somebody_elses_write_is_told_from_ours(faulty: Faulty, aws: Aws) -> None:
    """What stands there after a lost answer is compared."""
    lose_the_answer(faulty, aws, Item(KEY, {"by": "another"}, 1))
    with pytest.raises(ConditionFailed):
        faulty.table.write(Put(Item(KEY, {"by": "us"}, 1), if_absent=True))
