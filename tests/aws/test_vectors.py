"""
The vector contract on real Amazon S3 Vectors: ``pytest -m aws tests/aws/test_vectors.py``.

It needs credentials, a region, and `RAGSTONE_AWS_TEST_BUCKET`, a vector bucket of its own, whose indexes it removes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import boto3
import pytest

from chalicelib.adapters.aws_clients import client
from chalicelib.adapters.system_clock import SystemClock
from chalicelib.ports.vectors import VectorIndex
from fargate.adapters.s3_vectors import S3Vectors
from tests.contract.vectors_contract import VectorsContract

BUCKET = os.environ.get("RAGSTONE_AWS_TEST_BUCKET", "")


def _missing() -> str:
    if not BUCKET:
        return "RAGSTONE_AWS_TEST_BUCKET names no vector bucket"
    return "" if boto3.session.Session().get_credentials() else "there are no AWS credentials"


@pytest.mark.aws
@pytest.mark.skipif(bool(_missing()), reason=_missing())
class TestS3VectorsOnAws(VectorsContract):
    """Amazon S3 Vectors itself."""

    @pytest.fixture
    def vectors(self) -> Iterator[VectorIndex]:
        """Give an empty store."""
        store = S3Vectors(client("s3vectors"), BUCKET, SystemClock())
        _empty(store)
        yield store
        _empty(store)
        store.close()

    @pytest.fixture
    def elsewhere(self, vectors: VectorIndex) -> Iterator[VectorIndex]:
        """Give another view of the same store."""
        store = S3Vectors(client("s3vectors"), BUCKET, SystemClock())
        yield store
        store.close()


def _empty(store: VectorIndex) -> None:
    for index in store.indexes():
        store.drop(index)
