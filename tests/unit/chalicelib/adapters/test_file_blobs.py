"""What files add to the blob contract: kills, several processes, uploads, links, a full disk."""

from __future__ import annotations

import errno
import hashlib
import io
import os
from pathlib import Path

import pytest

from chalicelib.adapters.blob_drafts import Drafts
from chalicelib.adapters.file_blobs import FileBlobs
from chalicelib.errors import InvalidRequest, NotFound, PayloadTooLarge, StorageFull, Unavailable, UnsupportedMedia
from chalicelib.ports.blobs import BlobKey, Bucket, UploadTerms
from tests.fakes.clock import HandClock
from tests.unit.chalicelib.adapters.processes import killed, start, together

KEY = BlobKey(Bucket.RAW, "ten_1/doc_1/1.pdf")
HELLO = hashlib.sha256(b"hello").hexdigest()
CREATE = """
import sys
from pathlib import Path
from chalicelib.adapters.file_blobs import FileBlobs
from chalicelib.adapters.system_clock import SystemClock
from chalicelib.errors import ConditionFailed
from chalicelib.ports.blobs import BlobKey, Bucket
blobs = FileBlobs(Path(sys.argv[2]), SystemClock(), b"k")
print("ready", flush=True)
sys.stdin.readline()
for number in range(20):
    try:
        blobs.put(BlobKey(Bucket.RAW, f"a/{number}"), sys.argv[1].encode(), if_absent=True)
        print(number)
    except ConditionFailed:
        pass
    blobs.put(BlobKey(Bucket.RAW, f"own/{number}/x"), b"")
    blobs.delete([BlobKey(Bucket.RAW, f"own/{number}/x")])
"""
REPLACE_FOR_EVER = """
import sys
from itertools import count
from pathlib import Path
from chalicelib.adapters.file_blobs import FileBlobs
from chalicelib.adapters.system_clock import SystemClock
from chalicelib.ports.blobs import BlobKey, Bucket
blobs = FileBlobs(Path(sys.argv[1]), SystemClock(), b"k")
for number in count():
    blobs.put(BlobKey(Bucket.RAW, "a"), str(number).encode() * 10_000)
    print(number, flush=True)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give the store's folder."""
    return tmp_path / "blobs"


@pytest.fixture
def blobs(root: Path, clock: HandClock) -> FileBlobs:
    """Give an empty store."""
    return FileBlobs(root, clock, b"key")


def files(root: Path) -> set[str]:
    """Give every file below *root* that is not the lock."""
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()} - {".lock"}


def test_blobs_are_there_after_a_restart(blobs: FileBlobs, root: Path, clock: HandClock) -> None:
    """A store opened again knows what it held."""
    stored = blobs.put(KEY, b"hello")

    assert FileBlobs(root, clock, b"key").head(KEY) == stored
    assert stored.etag == HELLO


def test_a_kill_leaves_a_whole_blob(root: Path, clock: HandClock) -> None:
    """After kill -9 in the midst of replacing, the blob is one of the contents, and its etag tells which."""
    last = int(killed(start(REPLACE_FOR_EVER, root), after_lines=10)[-1])
    blobs = FileBlobs(root, clock, b"key")

    content = blobs.get(BlobKey(Bucket.RAW, "a"))
    head = blobs.head(BlobKey(Bucket.RAW, "a"))

    assert content in [str(number).encode() * 10_000 for number in (last, last + 1)]
    assert head is not None
    assert head.etag == hashlib.sha256(content).hexdigest()


def test_of_many_processes_one_creates(root: Path, clock: HandClock) -> None:
    """Each blob is created by one process, while all of them make and remove folders beside it."""
    printed = together(CREATE, root)

    blobs = FileBlobs(root, clock, b"key")
    assert sorted(int(line) for lines in printed for line in lines) == list(range(20))
    for process, lines in enumerate(printed):
        assert all(blobs.get(BlobKey(Bucket.RAW, f"a/{line}")) == b"%d" % process for line in lines)


def test_a_file_changed_by_hand_gets_another_etag(blobs: FileBlobs, root: Path) -> None:
    """The digest beside a file counts for that file only: a restored backup is read anew, once."""
    blobs.put(KEY, b"other")
    (root / "raw/ten_1/doc_1/1.pdf@blob").write_bytes(b"hello")

    for _ in range(2):
        head = blobs.head(KEY)
        assert head is not None
        assert (head.etag, head.size_bytes) == (HELLO, 5)
    assert (root / "raw/ten_1/doc_1/1.pdf@sha256").read_text().startswith(HELLO)


def test_a_lost_digest_is_made_again(blobs: FileBlobs, root: Path) -> None:
    """Without the file beside it a blob is whole all the same, in conditions too."""
    blobs.put(KEY, b"hello")
    (root / "raw/ten_1/doc_1/1.pdf@sha256").unlink()

    blobs.put(KEY, b"new", if_match=HELLO)

    assert blobs.get(KEY) == b"new"


def test_deleting_leaves_nothing_on_the_disk(blobs: FileBlobs, root: Path) -> None:
    """Neither the digest nor an empty folder with a telling name remains."""
    blobs.put(KEY, b"hello")
    blobs.delete([KEY])

    assert files(root) == set()
    assert list((root / "raw").iterdir()) == []


def test_a_link_in_the_place_of_a_blob_is_not_followed(blobs: FileBlobs, root: Path, tmp_path: Path) -> None:
    """What a symbolic link points to is neither read nor written."""
    (tmp_path / "outside").write_bytes(b"secret")
    blobs.put(KEY, b"hello")
    link = root / "raw/ten_1/doc_1/2.pdf@blob"
    link.symlink_to(tmp_path / "outside")
    linked = BlobKey(Bucket.RAW, "ten_1/doc_1/2.pdf")

    assert blobs.head(linked) is None
    with pytest.raises(NotFound):
        blobs.get(linked)
    assert [info.key for info in blobs.list(Bucket.RAW, "")] == [KEY]
    blobs.put(linked, b"mine")
    assert (tmp_path / "outside").read_bytes() == b"secret"


def test_what_killed_writers_left_is_removed_in_time(blobs: FileBlobs, root: Path, clock: HandClock) -> None:
    """Opening a store removes old drafts; a young one may still be written by another process."""
    (root / ".drafts/left").touch()

    FileBlobs(root, clock, b"key")
    assert files(root) == {".drafts/left"}
    Drafts(root / ".drafts", clock, abandoned_after_s=-1)
    assert files(root) == set()


class FullDisk(io.RawIOBase):
    """A stream that ends as writing to a full disk does."""

    def __init__(self, code: int) -> None:
        super().__init__()
        self.code = code

    def read(self, size: int = -1) -> bytes:
        """Raise."""
        raise OSError(self.code, os.strerror(self.code))


def test_a_full_disk_stores_nothing(blobs: FileBlobs, root: Path) -> None:
    """The caller is told that no space is left; what was there stays, and no draft remains."""
    blobs.put(KEY, b"hello")
    before = files(root)

    for code, error in ((errno.ENOSPC, StorageFull), (errno.EDQUOT, StorageFull), (errno.EIO, Unavailable)):
        with pytest.raises(error, match="blob store"):
            blobs.put(KEY, FullDisk(code))  # type: ignore[arg-type]

    assert files(root) == before
    assert blobs.get(KEY) == b"hello"


def test_a_store_that_cannot_be_made_is_unavailable(tmp_path: Path, clock: HandClock) -> None:
    """The system's reason is in the message."""
    (tmp_path / "file").touch()

    with pytest.raises(Unavailable, match="blob store"):
        FileBlobs(tmp_path / "file" / "blobs", clock, b"key")


# uploads


def test_an_upload_is_stored(blobs: FileBlobs) -> None:
    """Bytes that keep to the terms are there under their key."""
    info = blobs.store_upload(KEY, UploadTerms(5, "text/plain", HELLO.upper()), io.BytesIO(b"hello"))

    assert blobs.head(KEY) == info
    assert blobs.get(KEY) == b"hello"


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"hello!", PayloadTooLarge, "More bytes came than the 5"),
        (b"hell", InvalidRequest, "4 bytes came; the URL is for exactly 5"),
        (b"", InvalidRequest, "0 bytes came"),
        (b"hullo", InvalidRequest, "SHA-256"),
    ],
)
def test_other_bytes_leave_nothing_behind(
    blobs: FileBlobs, root: Path, content: bytes, error: type[Exception], message: str
) -> None:
    """Each refusal says what came and what was agreed, and what was there before stands."""
    blobs.put(KEY, b"before")
    before = files(root)

    with pytest.raises(error, match=message):
        blobs.store_upload(KEY, UploadTerms(5, sha256=HELLO), io.BytesIO(content))

    assert files(root) == before
    assert blobs.get(KEY) == b"before"


def test_an_endless_upload_is_cut_off(blobs: FileBlobs) -> None:
    """A sender who never stops is refused within the first pieces."""

    class Endless(io.RawIOBase):
        pieces = 0

        def read(self, size: int = -1) -> bytes:
            self.pieces += 1
            return b"x" * size

    endless = Endless()
    with pytest.raises(PayloadTooLarge):
        blobs.store_upload(KEY, UploadTerms(3_000_000), endless)  # type: ignore[arg-type]

    assert endless.pieces == 3


def test_an_upload_declared_as_something_else_is_refused(blobs: FileBlobs) -> None:
    """The media type is one of the terms; who declares none is believed."""
    terms = UploadTerms(5, "text/plain")
    with pytest.raises(UnsupportedMedia, match="text/html"):
        blobs.store_upload(KEY, terms, io.BytesIO(b"hello"), media_type="text/html")

    blobs.store_upload(KEY, terms, io.BytesIO(b"hello"), media_type="Text/Plain")
    blobs.store_upload(KEY, terms, io.BytesIO(b"hello"))
