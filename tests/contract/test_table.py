"""The table contract, over every adapter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.adapters.dynamodb_table import DynamoDbTable
from chalicelib.adapters.sqlite_table import SqliteTable
from chalicelib.ports.table import Table, TableName
from tests.contract.table_contract import TableContract
from tests.fakes.aws import Aws
from tests.fakes.clock import HandClock


class TestSqliteTable(TableContract):
    """SQLite."""

    @pytest.fixture
    def table(self, clock: HandClock, tmp_path: Path) -> Iterator[Table]:
        """Give an empty table in a new file."""
        table = SqliteTable(tmp_path / "table.db", clock)
        yield table
        table.close()


class TestDynamoDbTable(TableContract):
    """DynamoDB, as moto has it."""

    @pytest.fixture
    def table(self, clock: HandClock, aws: Aws) -> Table:
        """Give an empty table."""
        return DynamoDbTable(aws.client("dynamodb"), aws.tables(TableName.DOCUMENTS, TableName.RUNS), clock)
