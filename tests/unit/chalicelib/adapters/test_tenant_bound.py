"""Stores give a task nothing but what is its tenant's, whatever key it asks with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chalicelib.adapters.file_blobs import FileBlobs
from chalicelib.adapters.sqlite_table import SqliteTable
from chalicelib.adapters.tenant_bound import OutOfBounds, TenantBoundBlobs, TenantBoundTable
from chalicelib.domain.access import Tenant
from chalicelib.domain.acting import PLATFORM, Everyone, UndeclaredTask, act_for, acting_for
from chalicelib.domain.identifiers import AttemptId, DocumentId, KeyId, TenantId
from chalicelib.ports.blobs import BlobKey, Bucket, UploadTerms
from chalicelib.ports.table import Check, Delete, Item, Key, Put, Query
from chalicelib.ports.vectors import VectorIndexName, VectorIndexSpec, VectorQuery
from chalicelib.repositories import keys
from fargate.adapters.sqlite_vectors import SqliteVectors
from fargate.adapters.tenant_bound_vectors import TenantBoundVectors
from tests.fakes.clock import HandClock

# The second's name begins as the first's does.
ACME, ACME2 = Tenant(TenantId("acme")), Tenant(TenantId("acme2"))
API_KEY = keys.api_key(KeyId("key_1"))
TERMS = UploadTerms(size_bytes=1, media_type="text/plain")


@pytest.fixture
def table(tmp_path: Path) -> Iterator[TenantBoundTable]:
    """The local platform's."""
    with closing(SqliteTable(tmp_path / "table.sqlite", HandClock())) as table:
        yield TenantBoundTable(table)


@pytest.fixture
def blobs(tmp_path: Path) -> TenantBoundBlobs:
    """The local platform's."""
    return TenantBoundBlobs(FileBlobs(tmp_path / "blobs", HandClock(), b"k" * 32))


@pytest.fixture
def vectors(tmp_path: Path) -> Iterator[TenantBoundVectors]:
    """The local platform's."""
    with closing(SqliteVectors(tmp_path / "vectors")) as vectors:
        yield TenantBoundVectors(vectors)


def row(tenant: Tenant) -> Key:
    """Name a row of *tenant*."""
    return keys.index(tenant, "handbook")


def blob(tenant: Tenant) -> BlobKey:
    """Name a blob of *tenant*."""
    return keys.raw_blob(tenant, DocumentId("doc_1"), AttemptId("att_1"))


def calls_of_table(table: TenantBoundTable, key: Key) -> list[Callable[[], object]]:
    """Give every call there is, for *key*."""
    return [
        lambda: table.get(key),
        lambda: table.batch_get([key]),
        lambda: table.query(Query(key.table, key.partition)),
        lambda: table.write(Put(Item(key, {}))),
        lambda: table.write(Delete(key)),
        lambda: table.write(Check(key)),
    ]


def calls_of_blobs(blobs: TenantBoundBlobs, key: BlobKey) -> list[Callable[[], object]]:
    """Give every call there is, for *key*; it is there."""
    return [
        lambda: blobs.put(key, b"1"),
        lambda: blobs.get(key),
        lambda: blobs.open(key).close(),
        lambda: blobs.head(key),
        lambda: list(blobs.list(Bucket.RAW, key.path)),
        lambda: blobs.presign_upload(key, TERMS, expires_s=60),
        lambda: blobs.presign_download(key, name="a", expires_s=60),
        lambda: blobs.delete([key]),
    ]


def calls_of_vectors(vectors: TenantBoundVectors, index: VectorIndexName) -> list[Callable[[], object]]:
    """Give every call there is, for *index*; the first makes it."""
    return [
        lambda: vectors.create(index, VectorIndexSpec(2)),
        lambda: vectors.indexes(index.name),
        lambda: vectors.put(index, []),
        lambda: vectors.get(index, []),
        lambda: vectors.delete(index, []),
        lambda: vectors.list(index),
        lambda: vectors.query(index, VectorQuery(top_k=1, text="a")),
        lambda: vectors.version(index),
        lambda: vectors.drop(index),
    ]


def public_calls(of: type) -> int:
    """Count what a store can be asked."""
    return sum(callable(member) for name, member in vars(of).items() if not name.startswith("_") and name != "close")


def test_no_call_is_forgotten(table: TenantBoundTable, blobs: TenantBoundBlobs, vectors: TenantBoundVectors) -> None:
    """What is tested here is all that a store can be asked; a write has three kinds of operations."""
    assert len(calls_of_table(table, row(ACME))) == public_calls(TenantBoundTable) + 2
    assert len(calls_of_blobs(blobs, blob(ACME))) == public_calls(TenantBoundBlobs)
    assert len(calls_of_vectors(vectors, keys.vector_index(ACME, "handbook", 1))) == public_calls(TenantBoundVectors)


def test_a_tenant_gets_what_is_its_own(
    table: TenantBoundTable, blobs: TenantBoundBlobs, vectors: TenantBoundVectors
) -> None:
    """By every call."""
    with act_for(ACME):
        for call in (
            *calls_of_table(table, row(ACME)),
            *calls_of_blobs(blobs, blob(ACME)),
            *calls_of_vectors(vectors, keys.vector_index(ACME, "handbook", 1)),
        ):
            call()


@pytest.mark.parametrize("whom", [ACME, PLATFORM], ids=["another tenant", "the platform"])
def test_nobody_gets_what_is_a_tenants(
    table: TenantBoundTable, blobs: TenantBoundBlobs, vectors: TenantBoundVectors, whom: Tenant | Everyone
) -> None:
    """Another tenant nothing at all; the platform may note something, and see which search indexes there are."""
    calls = [
        *calls_of_table(table, row(ACME2))[: 3 if whom is PLATFORM else None],
        *calls_of_blobs(blobs, blob(ACME2)),
        *calls_of_vectors(vectors, keys.vector_index(ACME2, "handbook", 1)),
    ]
    if whom is PLATFORM:
        del calls[3 + 8 + 1]
    with act_for(whom):
        for call in calls:
            with pytest.raises(OutOfBounds):
                call()


def test_one_foreign_key_among_others_refuses_the_whole(table: TenantBoundTable, blobs: TenantBoundBlobs) -> None:
    """Nothing of it is done."""
    with act_for(ACME):
        for call in (
            lambda: table.write(Put(Item(row(ACME), {})), Put(Item(row(ACME2), {}))),
            lambda: table.batch_get([row(ACME), row(ACME2)]),
            lambda: blobs.delete([blob(ACME), blob(ACME2)]),
        ):
            with pytest.raises(OutOfBounds):
                call()
        assert table.get(row(ACME)) is None


def test_the_platforms_own_rows_are_the_platforms(table: TenantBoundTable) -> None:
    """It reads and writes them, beside a note among a tenant's rows; a tenant does neither."""
    with act_for(PLATFORM):
        table.write(Put(Item(API_KEY, {})), Put(Item(row(ACME), {})))
        assert table.get(API_KEY) is not None
    with act_for(ACME):
        for call in calls_of_table(table, API_KEY):
            with pytest.raises(OutOfBounds):
                call()


def test_a_task_that_has_not_said_for_whom_it_works_gets_nothing(
    table: TenantBoundTable, blobs: TenantBoundBlobs, vectors: TenantBoundVectors
) -> None:
    """Whatever it asks for."""
    calls = calls_of_table(table, row(ACME)) + calls_of_blobs(blobs, blob(ACME))
    for call in calls + calls_of_vectors(vectors, keys.vector_index(ACME, "handbook", 1)):
        with pytest.raises(UndeclaredTask):
            call()


def test_a_task_works_for_whom_it_did_before_when_a_part_of_it_ends() -> None:
    """However it ends."""
    with act_for(ACME):
        with pytest.raises(ZeroDivisionError), act_for(ACME2):
            raise ZeroDivisionError
        with act_for(PLATFORM):
            pass
        assert acting_for() == ACME
