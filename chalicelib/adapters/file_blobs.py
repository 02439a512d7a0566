"""The object store in a folder."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from chalicelib.adapters.blob_drafts import EPOCH, Draft, Drafts
from chalicelib.adapters.blob_limits import check_range
from chalicelib.adapters.blob_paths import BlobFiles, locate, walk
from chalicelib.adapters.blob_urls import BlobUrls
from chalicelib.adapters.storage_errors import storage_errors
from chalicelib.errors import ConditionFailed, InvalidRequest, NotFound, UnsupportedMedia
from chalicelib.ports.blobs import BlobInfo, BlobKey, Bucket, Presigned, UploadTerms
from chalicelib.ports.clock import Clock

_WHAT = "The blob store"
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


class FileBlobs:
    """
    See `ports.blobs.BlobStore`. The etag is the SHA-256 of the content.

    A blob is written beside the store, flushed to the disk and renamed into place. The digest file is a cache: it
    counts only for the file it was written for, and is made again where a kill or a hand came between the two.
    """

    def __init__(self, root: Path, clock: Clock, signing_key: bytes, base_url: str = "") -> None:
        self._urls = BlobUrls(signing_key, clock, base_url)
        with storage_errors(_WHAT):
            root.mkdir(parents=True, exist_ok=True)
            self._root = root.resolve()
            self._drafts = Drafts(self._root / ".drafts", clock)

    def put(
        self, key: BlobKey, data: bytes | BinaryIO, *, if_absent: bool = False, if_match: str | None = None
    ) -> BlobInfo:
        """See `BlobStore.put`."""
        files = locate(self._root, key)
        source = io.BytesIO(data) if isinstance(data, bytes) else data
        with storage_errors(_WHAT):
            if if_absent or if_match is not None:
                _check(key, self._look(key, files), if_absent, if_match)
            with self._drafts.write(source) as draft:
                return self._publish(key, files, draft, if_absent, if_match)

    def get(self, key: BlobKey, *, first: int = 0, last: int | None = None) -> bytes:
        """See `BlobStore.get`."""
        check_range(first, last)
        with storage_errors(_WHAT), self.open(key) as stream:
            stream.seek(first)
            return stream.read() if last is None else stream.read(last - first + 1)

    def open(self, key: BlobKey) -> BinaryIO:
        """See `BlobStore.open`."""
        files = locate(self._root, key)
        with storage_errors(_WHAT):
            stream = _open(files.blob)
        if stream is None:
            raise NotFound(f"There is no blob {key.bucket}/{key.path}.")
        return stream

    def head(self, key: BlobKey) -> BlobInfo | None:
        """See `BlobStore.head`."""
        files = locate(self._root, key)
        with storage_errors(_WHAT):
            return self._look(key, files)

    def list(self, bucket: Bucket, prefix: str) -> Iterator[BlobInfo]:
        """See `BlobStore.list`."""
        with storage_errors(_WHAT):
            for key, files in walk(self._root, bucket, prefix):
                # One that was deleted meanwhile is passed over.
                if info := self._look(key, files):
                    yield info

    def delete(self, keys: Sequence[BlobKey]) -> None:
        """See `BlobStore.delete`."""
        for files in [locate(self._root, key) for key in keys]:
            with storage_errors(_WHAT), self._lock():
                if files.blob.parent.exists():
                    files.blob.unlink(missing_ok=True)
                    files.digest.unlink(missing_ok=True)
                    self._remove_empty(files.blob.parent)

    def presign_upload(self, key: BlobKey, terms: UploadTerms, *, expires_s: int) -> Presigned:
        """See `BlobStore.presign_upload`. The platform serves it through `verify_upload` and `store_upload`."""
        locate(self._root, key)
        return self._urls.upload(key, terms, expires_s)

    def presign_download(self, key: BlobKey, *, name: str, expires_s: int) -> Presigned:
        """See `BlobStore.presign_download`. The platform serves it through `verify_download` and `open`."""
        locate(self._root, key)
        return self._urls.download(key, name, expires_s)

    def verify_upload(self, path: str, parameters: Mapping[str, str]) -> tuple[BlobKey, UploadTerms]:
        """See `BlobUrls.verify_upload`."""
        return self._urls.verify_upload(path, parameters)

    def verify_download(self, path: str, parameters: Mapping[str, str]) -> tuple[BlobKey, str]:
        """See `BlobUrls.verify_download`."""
        return self._urls.verify_download(path, parameters)

    def store_upload(
        self, key: BlobKey, terms: UploadTerms, stream: BinaryIO, *, media_type: str | None = None
    ) -> BlobInfo:
        """
        Store *stream* at *key* if it is what *terms* say; otherwise leave what was there, and nothing else.

        *media_type* is what the sender declared, if it did. Raises `PayloadTooLarge` as soon as a byte too many came,
        `InvalidRequest` for too few or another checksum, `UnsupportedMedia` for another media type.
        """
        if media_type is not None and media_type.lower() != terms.media_type.lower():
            raise UnsupportedMedia(f"The upload is declared as {media_type}; its URL is for {terms.media_type}.")
        files = locate(self._root, key)
        with storage_errors(_WHAT), self._drafts.write(stream, terms.size_bytes) as draft:
            if draft.size_bytes < terms.size_bytes:
                raise InvalidRequest(f"{draft.size_bytes} bytes came; the URL is for exactly {terms.size_bytes}.")
            if terms.sha256 is not None and draft.sha256 != terms.sha256.lower():
                raise InvalidRequest(f"The bytes have the SHA-256 {draft.sha256}; the URL is for {terms.sha256}.")
            return self._publish(key, files, draft)

    def _publish(
        self, key: BlobKey, files: BlobFiles, draft: Draft, if_absent: bool = False, if_match: str | None = None
    ) -> BlobInfo:
        facts = draft.path.stat()
        with self._lock():
            if if_absent or if_match is not None:
                _check(key, _remembered(key, files) or self._inspect(key, files), if_absent, if_match)
            files.blob.parent.mkdir(parents=True, exist_ok=True)
            self._remember(files, facts, draft.sha256)
            if if_absent:
                # Refuses to replace whatever else writes here; the lock makes sure that it never has to.
                os.link(draft.path, files.blob)
            else:
                draft.path.replace(files.blob)
        return _blob_info(key, facts, draft.sha256)

    def _look(self, key: BlobKey, files: BlobFiles) -> BlobInfo | None:
        info = _remembered(key, files)
        if info is None and files.blob.exists():
            with self._lock():
                return self._inspect(key, files)
        return info

    def _inspect(self, key: BlobKey, files: BlobFiles) -> BlobInfo | None:
        """Read the blob to know it, and remember what was found; only under the lock, so that it stays true."""
        stream = _open(files.blob)
        if stream is None:
            return None
        with stream:
            facts = os.fstat(stream.fileno())
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        self._remember(files, facts, digest)
        return _blob_info(key, facts, digest)

    def _remember(self, files: BlobFiles, facts: os.stat_result, digest: str) -> None:
        with self._drafts.new_path() as draft:
            draft.write_text(f"{digest} {_stamp(facts)}", "ascii")
            draft.replace(files.digest)

    def _remove_empty(self, folder: Path) -> None:
        while folder.parent != self._root:
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Let one thread of one process at a time change what stands in the store; held for moments only."""
        with (self._root / ".lock").open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _check(key: BlobKey, info: BlobInfo | None, if_absent: bool, if_match: str | None) -> None:
    if if_absent and info is not None:
        raise ConditionFailed(f"There is a blob {key.bucket}/{key.path} already.")
    if if_match is not None and (info is None or info.etag != if_match):
        found = f"has the etag {info.etag}" if info else "does not exist"
        raise ConditionFailed(f"The blob {key.bucket}/{key.path} {found}; the write asked for {if_match}.")


def _remembered(key: BlobKey, files: BlobFiles) -> BlobInfo | None:
    """Give what the digest file says, when it was written for the very file that stands there."""
    try:
        facts = files.blob.lstat()
        digest, _, stamp = files.digest.read_text("ascii").partition(" ")
    except (FileNotFoundError, NotADirectoryError):
        return None
    return _blob_info(key, facts, digest) if stamp == _stamp(facts) and stat.S_ISREG(facts.st_mode) else None


def _open(path: Path) -> io.BufferedReader | None:
    try:
        return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise


def _stamp(facts: os.stat_result) -> str:
    return f"{facts.st_ino} {facts.st_size} {facts.st_mtime_ns}"


def _blob_info(key: BlobKey, facts: os.stat_result, digest: str) -> BlobInfo:
    return BlobInfo(key, facts.st_size, digest, EPOCH + timedelta(microseconds=facts.st_mtime_ns // 1000))
