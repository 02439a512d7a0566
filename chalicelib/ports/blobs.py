"""Bytes by name, shaped like S3."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import BinaryIO, Protocol

MAX_PRESIGN_S = 604_800


class Bucket(StrEnum):
    """What kind of thing it is; each is a bucket of its own on AWS."""

    RAW = "raw"
    CHUNKS = "chunks"
    EVALUATIONS = "evaluations"
    IMPORTS = "imports"


@dataclass(frozen=True, slots=True)
class BlobKey:
    """Where a blob stands. Made by `repositories.keys` only; *path* has no empty, `.` or `..` part."""

    bucket: Bucket
    path: str


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """What is known of a blob without reading it; *etag* changes with its content."""

    key: BlobKey
    size_bytes: int
    etag: str
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class UploadTerms:
    """What a presigned upload must keep to; the store refuses anything else."""

    size_bytes: int
    media_type: str = "application/octet-stream"
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Presigned:
    """
    A URL that does one thing, for a while (1 s to `MAX_PRESIGN_S`), for whoever holds it.

    A relative one is on the platform's own host. *headers* must be sent with it.
    """

    method: str
    url: str
    expires_at: datetime
    headers: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)


class BlobStore(Protocol):
    """
    The object store. All calls are safe from any thread; a blob is seen whole or not at all.

    Every call raises `Unavailable` when the store does not answer and `StorageFull` when there is no space left.
    """

    def put(
        self, key: BlobKey, data: bytes | BinaryIO, *, if_absent: bool = False, if_match: str | None = None
    ) -> BlobInfo:
        """Store *data*, replacing what was there. Raises `ConditionFailed` unless absent, or of that etag, if asked."""
        ...

    def get(self, key: BlobKey, *, first: int = 0, last: int | None = None) -> bytes:
        """
        Give the bytes from *first* to *last*, both included (None: to the end); fewer or none beyond the end.

        Raises `NotFound`.
        """
        ...

    def open(self, key: BlobKey) -> BinaryIO:
        """Give a stream of the bytes, to be closed by the caller. Raises `NotFound`."""
        ...

    def head(self, key: BlobKey) -> BlobInfo | None:
        """Give what is known of the blob, or None."""
        ...

    def list(self, bucket: Bucket, prefix: str) -> Iterator[BlobInfo]:
        """Give every blob whose path begins with *prefix*, in order of path."""
        ...

    def delete(self, keys: Sequence[BlobKey]) -> None:
        """Remove the blobs; removing what is not there succeeds."""
        ...

    def presign_upload(self, key: BlobKey, terms: UploadTerms, *, expires_s: int) -> Presigned:
        """Give a URL that stores exactly what *terms* say at *key*."""
        ...

    def presign_download(self, key: BlobKey, *, name: str, expires_s: int) -> Presigned:
        """Give a URL that reads the blob as an attachment called *name*."""
        ...
