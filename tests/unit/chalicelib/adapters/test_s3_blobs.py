"""S3 that breaks off, changes under a reader, or carries out what it gives no answer to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError, ResponseStreamingError

from chalicelib.adapters.s3_blobs import S3Blobs
from chalicelib.errors import ConditionFailed, InvalidRequest, Unavailable
from chalicelib.ports.blobs import BlobKey, Bucket, UploadTerms
from tests.fakes.aws import Aws
from tests.fakes.aws_faults import FaultyWay, slow
from tests.fakes.clock import HandClock

KEY = BlobKey(Bucket.RAW, "acme/doc_1/att_1")
CONTENT = b"0123456789"


class Breaking:
    """A client whose bodies break off after *each* bytes, *times* times; then the etag is *then*."""

    def __init__(self, each: int, times: int, then: str = "e1") -> None:
        self.each, self.times, self.then = each, times, then

    def get_object(self, **asked: Any) -> Any:
        """Give a part of the content that breaks off, or all."""
        etag = "e1" if self.times else self.then
        if asked.get("IfMatch", etag) != etag:
            raise ClientError({"Error": {"Code": "PreconditionFailed"}}, "GetObject")
        first, _, last = asked.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        body = CONTENT[int(first) : int(last) + 1 if last else None]
        self.times -= 1
        return {"Body": Body(body, self.each if self.times >= 0 else len(body)), "ETag": etag}


class Body:
    """A body that gives *until* bytes."""

    def __init__(self, content: bytes, until: int) -> None:
        self.content, self.until = content, until

    def iter_chunks(self, _: int) -> Iterator[bytes]:
        """Give them, and break off if that is not all."""
        yield self.content[: self.until]
        if self.until < len(self.content):
            raise ResponseStreamingError(error="broken")


def blobs(client: Any) -> S3Blobs:
    return S3Blobs(client, {Bucket.RAW: "raw"}, HandClock())


def test_a_body_that_breaks_off_is_read_on_from_there() -> None:
    """Twice, of the whole and of a range, and each byte once."""
    assert blobs(Breaking(3, 2)).get(KEY) == CONTENT
    assert blobs(Breaking(3, 2)).get(KEY, first=1, last=8) == CONTENT[1:9]
    with blobs(Breaking(3, 2)).open(KEY) as stream:
        assert stream.read() == CONTENT


def test_what_breaks_off_always_is_temporary() -> None:
    """A reader is told to try again."""
    with pytest.raises(Unavailable, match="broke off"):
        blobs(Breaking(0, 1_000)).get(KEY)


def test_two_contents_are_never_mixed() -> None:
    """When the blob was replaced after it broke off, there is no way on."""
    with pytest.raises(Unavailable, match="replaced"):
        blobs(Breaking(3, 1, then="e2")).get(KEY)


def test_somebody_elses_write_is_told_from_ours(aws: Aws) -> None:
    """After a lost answer, what stands there is looked at: it is not ours, though it has the same bytes."""
    way, buckets = FaultyWay.to(aws.url, "s3"), aws.buckets()

    def lost(request: AWSRequest) -> None:
        S3Blobs(aws.client("s3"), buckets, HandClock()).put(KEY, CONTENT, if_absent=True)
        slow(request)

    way.meets(lost, request="PutObject")
    with pytest.raises(ConditionFailed):
        S3Blobs(way.client, buckets, HandClock()).put(KEY, CONTENT, if_absent=True)
    way.client.close()


def test_a_checksum_that_is_none_is_refused(aws: Aws) -> None:
    """Before anybody gets a URL that nothing can be sent to."""
    store = S3Blobs(aws.client("s3"), {Bucket.RAW: "raw"}, HandClock())
    with pytest.raises(InvalidRequest, match="SHA-256"):
        store.presign_upload(KEY, UploadTerms(5, sha256="no digits"), expires_s=60)
