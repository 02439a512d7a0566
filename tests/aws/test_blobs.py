"""The blob contract on real Amazon S3: ``pytest -m aws tests/aws/test_blobs.py``."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import urllib3

from chalicelib.adapters.s3_blobs import S3Blobs
from chalicelib.ports.blobs import Bucket, Presigned
from tests.aws.account import Account, WaitingClock
from tests.contract.blobs_contract import BlobsContract, Fetch, Send


@pytest.mark.aws
class TestS3OnAws(BlobsContract):
    """S3 itself."""

    NOT_SERVED = "\n"

    @pytest.fixture
    def clock(self) -> WaitingClock:
        """Give the time that S3 has."""
        return WaitingClock()

    @pytest.fixture
    def blobs(self, clock: WaitingClock, account: Account, buckets: Mapping[Bucket, str]) -> S3Blobs:
        """Give an empty store."""
        for name in buckets.values():
            account.empty_bucket(name)
        return S3Blobs(account.client("s3"), buckets, clock)

    @pytest.fixture
    def send(self) -> Send:
        """Do what a browser does for an upload."""

        def upload(presigned: Presigned, content: bytes) -> None:
            _asked(presigned, {**presigned.headers, "Content-Length": str(len(content))}, content)

        return upload

    @pytest.fixture
    def fetch(self) -> Fetch:
        """Do what a browser does for a download."""
        return lambda presigned: _asked(presigned, presigned.headers, None)


def _asked(presigned: Presigned, headers: Mapping[str, str], content: bytes | None) -> bytes:
    response = urllib3.request(presigned.method, presigned.url, headers=dict(headers), body=content)
    if response.status != 200:
        raise PermissionError(response.status)
    return response.data
