"""The object store in S3: one bucket for each kind of thing."""

from __future__ import annotations

import base64
import binascii
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, cast
from urllib.parse import quote

from botocore.exceptions import ClientError

from chalicelib.adapters import s3_objects, s3_reads, s3_writes
from chalicelib.adapters.aws_clients import ATTEMPTS, aws_errors, back_off, error_code, error_of
from chalicelib.adapters.blob_limits import check_expiry, check_range, check_size, path_parts
from chalicelib.adapters.s3_objects import Place
from chalicelib.adapters.storage_errors import storage_errors
from chalicelib.errors import ConditionFailed, InvalidRequest, NotFound, Unavailable
from chalicelib.ports.blobs import BlobInfo, BlobKey, Bucket, Presigned, UploadTerms
from chalicelib.ports.clock import Clock

MAX_DELETE = 1_000
KEPT_IN_MEMORY_BYTES = 8 * 2**20
"""Of a blob that is opened; of a larger one, all is kept in a temporary file."""
_WHAT = "The blob store"
_PASSING = frozenset({"InternalError", "SlowDown", "ServiceUnavailable", "OperationAborted"})
# What the XML of DeleteObjects cannot name.
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


class S3Blobs:
    """
    See `ports.blobs.BlobStore`. *client* is one of boto3's; *buckets* says what each is called.

    The etag is S3's own. `open` reads the blob to its end before it gives the stream, so that this one can be sought
    and shows one content only. A presigned upload is a PUT whose size, type and checksum are signed; it lives no longer
    than the credentials it was made with.
    """

    def __init__(self, client: Any, buckets: Mapping[Bucket, str], clock: Clock) -> None:
        self._client = client
        self._buckets = dict(buckets)
        self._clock = clock

    def put(
        self, key: BlobKey, data: bytes | BinaryIO, *, if_absent: bool = False, if_match: str | None = None
    ) -> BlobInfo:
        """See `BlobStore.put`."""
        place = self._place(key)
        source = io.BytesIO(data) if isinstance(data, bytes) else data
        conditions = {"IfNoneMatch": "*"} if if_absent else {}
        if if_match is not None:
            conditions["IfMatch"] = if_match
        with aws_errors(_WHAT):
            try:
                written = s3_writes.write(self._client, place, source, conditions)
            except ClientError as error:
                if error_code(error) in s3_writes.REFUSALS and conditions:
                    raise _refused(key, if_match) from None
                raise
        return BlobInfo(key, written.size_bytes, written.etag, written.at)

    def get(self, key: BlobKey, *, first: int = 0, last: int | None = None) -> bytes:
        """See `BlobStore.get`."""
        check_range(first, last)
        return b"".join(self._pieces(key, first, last))

    def open(self, key: BlobKey) -> BinaryIO:
        """See `BlobStore.open`. Raises `StorageFull` when there is no space for the temporary file."""
        stream = SpooledTemporaryFile(KEPT_IN_MEMORY_BYTES)  # noqa: SIM115 - the caller closes it
        try:
            for piece in self._pieces(key, 0, None):
                with storage_errors("The folder of temporary files"):
                    stream.write(piece)
            stream.seek(0)
        except BaseException:
            stream.close()
            raise
        return cast("BinaryIO", stream)

    def head(self, key: BlobKey) -> BlobInfo | None:
        """See `BlobStore.head`."""
        place = self._place(key)
        with aws_errors(_WHAT):
            found = s3_objects.head(self._client, place)
        return found and BlobInfo(key, found["ContentLength"], found["ETag"].strip('"'), found["LastModified"])

    def list(self, bucket: Bucket, prefix: str) -> Iterator[BlobInfo]:
        """See `BlobStore.list`."""
        with aws_errors(_WHAT):
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._buckets[bucket], Prefix=prefix):
                for found in page.get("Contents", ()):
                    key = BlobKey(bucket, found["Key"])
                    yield BlobInfo(key, found["Size"], found["ETag"].strip('"'), found["LastModified"])

    def delete(self, keys: Sequence[BlobKey]) -> None:
        """See `BlobStore.delete`. A bucket that keeps versions keeps what was deleted until its lifecycle ends it."""
        named: dict[str, list[str]] = {}
        for place in map(self._place, keys):
            named.setdefault(place["Bucket"], []).append(place["Key"])
        with aws_errors(_WHAT):
            for bucket, names in named.items():
                for name in filter(_NO_XML.search, names):
                    self._client.delete_object(Bucket=bucket, Key=name)
                several = [name for name in names if not _NO_XML.search(name)]
                for begin in range(0, len(several), MAX_DELETE):
                    self._delete(bucket, several[begin : begin + MAX_DELETE])

    def presign_upload(self, key: BlobKey, terms: UploadTerms, *, expires_s: int) -> Presigned:
        """See `BlobStore.presign_upload`."""
        check_size(terms.size_bytes)
        signed: dict[str, Any] = {"ContentLength": terms.size_bytes, "ContentType": terms.media_type}
        headers = {"Content-Type": terms.media_type, "Content-Length": str(terms.size_bytes)}
        if terms.sha256 is not None:
            signed["ChecksumSHA256"] = headers["x-amz-checksum-sha256"] = _base64(terms.sha256)
        return self._presigned("PUT", "put_object", self._place(key) | signed, expires_s, headers)

    def presign_download(self, key: BlobKey, *, name: str, expires_s: int) -> Presigned:
        """See `BlobStore.presign_download`. Always an attachment of no particular kind, as the local platform's."""
        asked = {
            "ResponseContentDisposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
            "ResponseContentType": "application/octet-stream",
        }
        return self._presigned("GET", "get_object", self._place(key) | asked, expires_s, {})

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def _pieces(self, key: BlobKey, first: int, last: int | None) -> Iterator[bytes]:
        place = self._place(key)
        with aws_errors(_WHAT):
            try:
                yield from s3_reads.pieces(self._client, place, first, last)
            except ClientError as error:
                if s3_objects.is_missing(self._client, place, error):
                    raise NotFound(f"There is no blob {key.bucket}/{key.path}.") from None
                raise

    def _delete(self, bucket: str, names: Sequence[str]) -> None:
        """Delete, and once more those that S3 could not delete just then."""
        for attempt in range(1, ATTEMPTS + 1):
            objects = [{"Key": name} for name in names]
            answer = self._client.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
            failures = answer.get("Errors", [])
            for failure in failures:
                if failure["Code"] not in _PASSING:
                    raise error_of(_WHAT, failure["Code"])
            if not failures:
                return
            names = [failure["Key"] for failure in failures]
            back_off(attempt)
        raise Unavailable(f"{_WHAT} could not delete {len(names)} blobs; try again.")

    def _presigned(
        self, method: str, operation: str, asked: Mapping[str, Any], expires_s: int, headers: Mapping[str, str]
    ) -> Presigned:
        check_expiry(expires_s)
        with aws_errors(_WHAT):
            url = self._client.generate_presigned_url(operation, Params=asked, ExpiresIn=expires_s)
        return Presigned(method, url, self._clock.now() + timedelta(seconds=expires_s), headers)

    def _place(self, key: BlobKey) -> Place:
        path_parts(key.path)
        return {"Bucket": self._buckets[key.bucket], "Key": key.path}


def _refused(key: BlobKey, if_match: str | None) -> ConditionFailed:
    if if_match is None:
        return ConditionFailed(f"There is a blob {key.bucket}/{key.path} already.")
    return ConditionFailed(f"The blob {key.bucket}/{key.path} has not the etag that the write asked for, {if_match}.")


def _base64(sha256: str) -> str:
    try:
        return base64.b64encode(bytes.fromhex(sha256)).decode()
    except (ValueError, binascii.Error):
        raise InvalidRequest(f"The checksum {sha256[:80]!r} is no SHA-256 in hexadecimal digits.") from None
