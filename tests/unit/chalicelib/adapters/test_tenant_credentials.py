"""One client serves all tenants, each by credentials of its own, which AWS holds to that tenant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.sts.models import sts_backends

from chalicelib.adapters.aws_clients import client
from chalicelib.adapters.dynamodb_table import DynamoDbTable
from chalicelib.adapters.s3_blobs import S3Blobs
from chalicelib.adapters.system_clock import SystemClock
from chalicelib.adapters.tenant_credentials import tenant_session
from chalicelib.domain.access import Tenant
from chalicelib.domain.acting import PLATFORM, UndeclaredTask, act_for
from chalicelib.domain.identifiers import AttemptId, DocumentId, KeyId, TenantId
from chalicelib.errors import ConfigurationError, DependencyError, NotFound
from chalicelib.ports.blobs import Bucket
from chalicelib.ports.table import Item, Key, Put, Query, TableName
from chalicelib.repositories import keys
from tests.fakes.aws import Aws

ACME, GLOBEX = Tenant(TenantId("acme")), Tenant(TenantId("globex"))
ROLE = f"arn:aws:iam::{DEFAULT_ACCOUNT_ID}:role/edge"


@pytest.fixture
def environment(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let boto3 find the server."""
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def table(aws: Aws, environment: None) -> Iterator[DynamoDbTable]:
    """A table store that works with the credentials of the tenant at hand; nothing but AWS holds it to that one."""
    prefix = aws.tables(TableName.INDEXES, TableName.CONFIG)
    session = tenant_session(ROLE, table_prefix=prefix, buckets=["raw"], vector_bucket=None)
    with closing(DynamoDbTable(client("dynamodb", session), prefix, SystemClock())) as table:
        yield table


@pytest.fixture
def blobs(aws: Aws, environment: None) -> Iterator[S3Blobs]:
    """A blob store likewise."""
    buckets = aws.buckets()
    session = tenant_session(ROLE, table_prefix="none-", buckets=list(buckets.values()), vector_bucket=None)
    with closing(S3Blobs(client("s3", session), buckets, SystemClock())) as blobs:
        yield blobs


def row(tenant: Tenant) -> Key:
    """Name a row of *tenant*."""
    return keys.index(tenant, "handbook")


def test_each_tenant_gets_credentials_of_its_own_once(table: DynamoDbTable) -> None:
    """They are asked for when they are first used, in the tenant's name; the platform's own are not asked for."""
    assumed = sts_backends[DEFAULT_ACCOUNT_ID]["aws"].assumed_roles
    before = len(assumed)
    for whom in (PLATFORM, ACME, GLOBEX, ACME):
        with act_for(whom):
            table.get(keys.api_key(KeyId("key_1")) if whom is PLATFORM else row(whom))
    assert [(role.session_name, role.role_arn) for role in assumed[before:]] == [("acme", ROLE), ("globex", ROLE)]


def test_a_tenants_credentials_do_what_is_the_tenants(table: DynamoDbTable) -> None:
    """Writing and reading, one row or a partition."""
    with act_for(ACME):
        table.write(Put(Item(row(ACME), {"a": 1})))
        assert table.get(row(ACME)) == Item(row(ACME), {"a": 1})
        assert len(table.batch_get([row(ACME)])) == len(
            table.query(Query(TableName.INDEXES, row(ACME).partition)).items
        )


@pytest.mark.parametrize("foreign", [row(GLOBEX), keys.api_key(KeyId("key_1"))], ids=["another's", "the platform's"])
def test_rows_of_others_are_refused_by_aws_itself(table: DynamoDbTable, foreign: Key) -> None:
    """Whatever key the platform's code might make."""
    with act_for(ACME):
        for ask in (
            lambda: table.get(foreign),
            lambda: table.batch_get([row(ACME), foreign]),
            lambda: table.query(Query(foreign.table, foreign.partition)),
            lambda: table.write(Put(Item(foreign, {}))),
            lambda: table.write(Put(Item(row(ACME), {})), Put(Item(foreign, {}))),
        ):
            with pytest.raises(DependencyError, match="AccessDenied"):
                ask()
        assert table.get(row(ACME)) is None


def test_blobs_of_others_are_refused_by_aws_itself(blobs: S3Blobs) -> None:
    """Reading, writing, listing and deleting; what is the tenant's own and not there is not there."""
    own, foreign = (keys.raw_blob(one, DocumentId("doc_1"), AttemptId("att_1")) for one in (ACME, GLOBEX))
    with act_for(GLOBEX):
        blobs.put(foreign, b"theirs")
    with act_for(ACME):
        assert blobs.head(own) is None
        with pytest.raises(NotFound):
            blobs.get(own)
        blobs.put(own, b"ours")
        assert blobs.get(own) == b"ours"
        for ask in (
            lambda: blobs.get(foreign),
            lambda: blobs.head(foreign),
            lambda: blobs.put(foreign, b"ours"),
            lambda: list(blobs.list(Bucket.RAW, "")),
            lambda: blobs.delete([own, foreign]),
        ):
            with pytest.raises(DependencyError, match=r"AccessDenied|403"):
                ask()
    with act_for(GLOBEX):
        assert blobs.get(foreign) == b"theirs"


def test_a_task_that_works_for_nobody_gets_no_credentials(table: DynamoDbTable) -> None:
    """Not even the platform's own."""
    with pytest.raises(UndeclaredTask):
        table.get(row(ACME))


def test_what_is_no_role_is_refused_at_the_start(environment: None) -> None:
    """With the variable's name."""
    with pytest.raises(ConfigurationError, match="RAGSTONE_TENANT_ROLE_ARN"):
        tenant_session("ragstone-edge", table_prefix="", buckets=[], vector_bucket=None)
