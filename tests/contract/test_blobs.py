"""The blob contract, over every adapter."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from chalicelib.adapters.file_blobs import FileBlobs
from chalicelib.ports.blobs import Presigned
from tests.contract.blobs_contract import BlobsContract, Fetch, Send, stream_of
from tests.fakes.clock import HandClock


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
