"""
Stores that serve no one but the tenant for whom the task at hand works (`domain.acting`), whatever key they are asked.

They stand before the stores of every platform, on a laptop as on AWS. The platform itself, which works over all
tenants, reads its own rows only; what it writes may note something among a tenant's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

from chalicelib.domain.access import Tenant
from chalicelib.domain.acting import PLATFORM, Everyone, act_for, acting_for
from chalicelib.ports.blobs import BlobInfo, BlobKey, BlobStore, Bucket, Presigned, UploadTerms
from chalicelib.ports.table import Item, Key, Operation, Page, Put, Query, Table
from chalicelib.repositories import keys


class OutOfBounds(RuntimeError):
    """A task asked for what is another's than it works for; a fault of the platform's own code."""


class TenantBoundTable:
    """`Table`, for the tenant at hand."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, key: Key) -> Item | None:
        """See `Table.get`. Raises `OutOfBounds`, as all of this class do."""
        _check_rows(key.partition)
        return self._table.get(key)

    def batch_get(self, keys: Sequence[Key]) -> Sequence[Item]:
        """See `Table.batch_get`."""
        _check_rows(*(key.partition for key in keys))
        return self._table.batch_get(keys)

    def write(self, *operations: Operation) -> None:
        """See `Table.write`."""
        if isinstance(acting_for(), Tenant):
            _check_rows(*(_key_of(operation).partition for operation in operations))
        self._table.write(*operations)

    def query(self, query: Query) -> Page:
        """See `Table.query`."""
        _check_rows(query.partition)
        return self._table.query(query)


class TenantBoundBlobs:
    """
    `BlobStore`, for the tenant at hand; the platform itself has no blobs.

    It signs the URLs, though: one lives no longer than the credentials that signed it, and a tenant's own end within
    an hour.
    """

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    def put(
        self, key: BlobKey, data: bytes | BinaryIO, *, if_absent: bool = False, if_match: str | None = None
    ) -> BlobInfo:
        """See `BlobStore.put`. Raises `OutOfBounds`, as all of this class do."""
        _check_blobs(key.path)
        return self._blobs.put(key, data, if_absent=if_absent, if_match=if_match)

    def get(self, key: BlobKey, *, first: int = 0, last: int | None = None) -> bytes:
        """See `BlobStore.get`."""
        _check_blobs(key.path)
        return self._blobs.get(key, first=first, last=last)

    def open(self, key: BlobKey) -> BinaryIO:
        """See `BlobStore.open`."""
        _check_blobs(key.path)
        return self._blobs.open(key)

    def head(self, key: BlobKey) -> BlobInfo | None:
        """See `BlobStore.head`."""
        _check_blobs(key.path)
        return self._blobs.head(key)

    def list(self, bucket: Bucket, prefix: str) -> Iterator[BlobInfo]:
        """See `BlobStore.list`."""
        _check_blobs(prefix)
        return self._blobs.list(bucket, prefix)

    def delete(self, keys: Sequence[BlobKey]) -> None:
        """See `BlobStore.delete`."""
        _check_blobs(*(key.path for key in keys))
        self._blobs.delete(keys)

    def presign_upload(self, key: BlobKey, terms: UploadTerms, *, expires_s: int) -> Presigned:
        """See `BlobStore.presign_upload`."""
        _check_blobs(key.path)
        with act_for(PLATFORM):
            return self._blobs.presign_upload(key, terms, expires_s=expires_s)

    def presign_download(self, key: BlobKey, *, name: str, expires_s: int) -> Presigned:
        """See `BlobStore.presign_download`."""
        _check_blobs(key.path)
        with act_for(PLATFORM):
            return self._blobs.presign_download(key, name=name, expires_s=expires_s)


def check_names(names: Sequence[str], beginning: str) -> None:
    """Raise `OutOfBounds` unless every name begins with *beginning*."""
    for name in names:
        if not name.startswith(beginning):
            raise OutOfBounds(f"A task that works for {beginning!r} asked for {name[:80]!r}.")


def _check_rows(*partitions: str) -> None:
    whom = acting_for()
    check_names(partitions, keys.rows_of_platform() if isinstance(whom, Everyone) else keys.rows_of_tenant(whom))


def _check_blobs(*paths: str) -> None:
    whom = acting_for()
    if isinstance(whom, Everyone):
        raise OutOfBounds("A task that works for the platform asked for blobs, which are tenants'.")
    check_names(paths, keys.blobs_of_tenant(whom))


def _key_of(operation: Operation) -> Key:
    return operation.item.key if isinstance(operation, Put) else operation.key
