"""The same request, sent again, has the same effect."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chalicelib.adapters.sqlite_table import SqliteTable
from chalicelib.domain.access import Principal, Tenant
from chalicelib.domain.identifiers import TenantId
from chalicelib.errors import Conflict, IdempotencyMismatch
from chalicelib.repositories.idempotency import CLAIM_S, KEPT_S, IdempotencyRecords, RecordedAnswer
from tests.fakes.clock import HandClock

ANN = Principal(Tenant(TenantId("acme")), "ann", frozenset())
BOB = Principal(Tenant(TenantId("acme")), "bob", frozenset())
STRANGER = Principal(Tenant(TenantId("rival")), "ann", frozenset())
ANSWER = RecordedAnswer(202, {"job": {"job_id": "job_1"}})


@pytest.fixture
def clock() -> HandClock:
    return HandClock(datetime(2026, 11, 22, tzinfo=UTC))


@pytest.fixture
def records(tmp_path: Path, clock: HandClock) -> Iterator[IdempotencyRecords]:
    table = SqliteTable(tmp_path / "table.sqlite", clock)
    yield IdempotencyRecords(table)
    table.close()


def test_a_repeated_request_is_answered_from_the_record(records: IdempotencyRecords, clock: HandClock) -> None:
    """Status and body are those of the first time."""
    assert records.claim(ANN, "k", "digest", clock.now()) is None
    records.record(ANN, "k", "digest", ANSWER, clock.now())
    assert records.claim(ANN, "k", "digest", clock.now()) == ANSWER


def test_another_request_under_the_same_key_is_refused(records: IdempotencyRecords, clock: HandClock) -> None:
    """Whether the first is finished or not."""
    records.claim(ANN, "k", "digest", clock.now())
    with pytest.raises(IdempotencyMismatch):
        records.claim(ANN, "k", "other", clock.now())
    records.record(ANN, "k", "digest", ANSWER, clock.now())
    with pytest.raises(IdempotencyMismatch):
        records.claim(ANN, "k", "other", clock.now())


def test_while_the_first_is_under_way_the_second_waits(records: IdempotencyRecords, clock: HandClock) -> None:
    """Two at once would both take effect."""
    records.claim(ANN, "k", "digest", clock.now())
    with pytest.raises(Conflict):
        records.claim(ANN, "k", "digest", clock.now())


def test_a_failed_request_can_be_tried_again(records: IdempotencyRecords, clock: HandClock) -> None:
    """Its claim is given up."""
    records.claim(ANN, "k", "digest", clock.now())
    records.release(ANN, "k")
    assert records.claim(ANN, "k", "digest", clock.now()) is None


def test_the_claim_of_one_that_died_lapses(records: IdempotencyRecords, clock: HandClock) -> None:
    """Nobody is locked out for a day by a crash."""
    records.claim(ANN, "k", "digest", clock.now())
    clock.advance(CLAIM_S + 1)
    assert records.claim(ANN, "k", "digest", clock.now()) is None


def test_a_record_is_kept_for_a_day(records: IdempotencyRecords, clock: HandClock) -> None:
    """Then the key is free again."""
    records.claim(ANN, "k", "digest", clock.now())
    records.record(ANN, "k", "digest", ANSWER, clock.now())
    clock.advance(KEPT_S - 1)
    assert records.claim(ANN, "k", "digest", clock.now()) == ANSWER
    clock.advance(2)
    assert records.claim(ANN, "k", "other", clock.now()) is None


def test_keys_belong_to_their_subject(records: IdempotencyRecords, clock: HandClock) -> None:
    """Neither a colleague nor another tenant meets them."""
    records.claim(ANN, "k", "digest", clock.now())
    assert records.claim(BOB, "k", "other", clock.now()) is None
    assert records.claim(STRANGER, "k", "another", clock.now()) is None
