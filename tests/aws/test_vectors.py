"""The vector contract on real Amazon S3 Vectors: ``pytest -m aws tests/aws/test_vectors.py``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib.adapters.system_clock import SystemClock
from chalicelib.ports.vectors import VectorIndex
from fargate.adapters.s3_vectors import S3Vectors
from tests.aws.account import Account
from tests.contract.vectors_contract import VectorsContract


@pytest.mark.aws
class TestS3VectorsOnAws(VectorsContract):
    """Amazon S3 Vectors itself."""

    @pytest.fixture
    def vectors(self, account: Account, vector_bucket: str) -> Iterator[VectorIndex]:
        """Give an empty store."""
        store = S3Vectors(account.client("s3vectors"), vector_bucket, SystemClock())
        yield store
        for index in store.indexes():
            store.drop(index)

    @pytest.fixture
    def elsewhere(self, account: Account, vector_bucket: str) -> VectorIndex:
        """Give another view of the same store."""
        return S3Vectors(account.client("s3vectors"), vector_bucket, SystemClock())
