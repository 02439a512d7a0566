"""What the suites on a real account share: things of their own, which are gone when they end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import boto3
import pytest

from chalicelib.ports.blobs import Bucket
from chalicelib.ports.table import TableName
from tests.aws.account import Account


@pytest.fixture(scope="session")
def account() -> Iterator[Account]:
    """Give the account that boto3's credentials are for, and remove what was made there."""
    session = boto3.session.Session()
    if session.get_credentials() is None:
        pytest.skip("there are no AWS credentials")
    if session.region_name is None:
        pytest.skip("no AWS region is configured")
    with Account.opened(session.region_name) as account:
        yield account


@pytest.fixture(scope="session")
def table_prefix(account: Account) -> str:
    """Make the tables, once for all tests since it takes half a minute; give what their names begin with."""
    return account.tables(TableName.DOCUMENTS, TableName.RUNS)


@pytest.fixture(scope="session")
def buckets(account: Account) -> Mapping[Bucket, str]:
    """Make the buckets; say what each is called."""
    return account.buckets()


@pytest.fixture(scope="session")
def vector_bucket(account: Account) -> str:
    """Make the vector bucket; give its name."""
    return account.vector_bucket()
