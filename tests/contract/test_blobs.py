"""The blob contract, over every adapter."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from chalicelib.adapters.file_blobs import FileBlobs
from chalicelib.adapters.s3_blobs import S3Blobs
from chalicelib.ports.blobs import Presigned
from tests.contract.blobs_contract import BlobsContract, Fetch, Send, stream_of
from tests.fakes.aws import Aws
from tests.fakes.clock import HandClock
from tests.fakes.s3_door import S3Door


class TestFileBlobs(BlobsContract):
    """Files."""

    @pytest.fixture
    def blobs(self, clock: HandClock, tmp_path: Path) -> FileBlobs:
        """Give an empty store in a new folder."""
        return FileBlobs(tmp_path / "blobs", clock, b"a signing key")

    @pytest.fixture
    def send(self, blobs: FileBlobs) -> Send:
        """Do what the platform's route does for an upload."""

        def upload(presigned: Presigned, content: bytes) -> None:
            url = urlsplit(presigned.url)
            key, terms = blobs.verify_upload(unquote(url.path), dict(parse_qsl(url.query)))
            blobs.store_upload(key, terms, stream_of(content), media_type=presigned.headers["Content-Type"])

        return upload

    @pytest.fixture
    def fetch(self, blobs: FileBlobs) -> Fetch:
        """Do what the platform's route does for a download."""

        def download(presigned: Presigned) -> bytes:
            url = urlsplit(presigned.url)
            key, _ = blobs.verify_download(unquote(url.path), dict(parse_qsl(url.query)))
            with blobs.open(key) as stream:
                return stream.read()

        return download


class TestS3Blobs(BlobsContract):
    """S3, as moto has it, behind a door that asks what S3 asks of a presigned URL and moto does not."""

    NOT_SERVED = "\n"

    @pytest.fixture
    def clock(self) -> HandClock:
        """Give a clock that begins now, since the server's own tells when a blob was stored."""
        return HandClock(datetime.now(UTC))

    @pytest.fixture
    def blobs(self, clock: HandClock, aws: Aws) -> S3Blobs:
        """Give an empty store in new buckets."""
        return S3Blobs(aws.client("s3"), aws.buckets(), clock)

    @pytest.fixture
    def send(self, clock: HandClock) -> Send:
        """Do what a browser does for an upload."""
        return S3Door(clock).send

    @pytest.fixture
    def fetch(self, clock: HandClock) -> Fetch:
        """Do what a browser does for a download."""
        return S3Door(clock).fetch
