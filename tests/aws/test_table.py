"""The table contract on real Amazon DynamoDB: ``pytest -m aws tests/aws/test_table.py``."""

from __future__ import annotations

import pytest

from chalicelib.adapters.dynamodb_table import DynamoDbTable
from chalicelib.ports.table import Page, Query, Table, TableName
from tests.aws.account import Account
from tests.contract.table_contract import TableContract
from tests.fakes.clock import HandClock

FAMILIES = (TableName.DOCUMENTS, TableName.RUNS)


class _Patient(DynamoDbTable):
    """Asks an index when it has caught up, as the contract lets it lag."""

    account: Account

    def query(self, query: Query) -> Page:
        """See `Table.query`."""
        if query.index is not None:
            self.account.await_index(self._prefix, query.table, query.index)
        return super().query(query)


@pytest.mark.aws
class TestDynamoDbOnAws(TableContract):
    """DynamoDB itself."""

    @pytest.fixture
    def table(self, clock: HandClock, account: Account, table_prefix: str) -> Table:
        """Give an empty table."""
        account.empty_tables(table_prefix, *FAMILIES)
        table = _Patient(account.client("dynamodb"), table_prefix, clock)
        table.account = account
        return table
