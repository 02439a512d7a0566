"""What every `BlobStore` must do; a new adapter is a subclass with a fixture."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import BinaryIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.errors import ConditionFailed, InvalidRequest, NotFound
from chalicelib.ports.blobs import MAX_PRESIGN_S, BlobInfo, BlobKey, BlobStore, Bucket, Presigned, UploadTerms
from tests.fakes.clock import HandClock

PROPERTY = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
PARTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=5).filter(
    lambda part: part not in (".", "..")
)
PATHS = st.lists(PARTS | st.sampled_from(["a", "b", "a@", "a-", "@blob", "%40"]), min_size=1, max_size=4).map("/".join)
_folders = count()

Send = Callable[[Presigned, bytes], None]
"""Does what a presigned upload says with these bytes; raises when it is refused."""
Fetch = Callable[[Presigned], bytes]
"""Does what a presigned download says; raises when it is refused."""


def raw(path: str) -> BlobKey:
    """Give a key in the bucket that most tests use."""
    return BlobKey(Bucket.RAW, path)


def same(info: BlobInfo | None, put: BlobInfo) -> bool:
    """Say whether *info* is of the blob that was *put*; a store may tell its time by the second."""
    return (
        info is not None
        and replace(info, modified_at=put.modified_at) == put
        and abs(info.modified_at - put.modified_at) < timedelta(seconds=2)
    )


class Trickle(io.RawIOBase):
    """A stream of *size* bytes that gives them in small odd pieces and cannot be rewound."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.left = size
        self.largest_read = 0

    def readable(self) -> bool:
        """Say yes."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Give at most 7,919 bytes, whatever is asked for."""
        self.largest_read = max(self.largest_read, self.left if size < 0 else size)
        piece = b"x" * min(self.left, 7_919, size if size >= 0 else self.left)
        self.left -= len(piece)
        return piece


class BlobsContract:
    """Subclass, and give the fixtures `clock`, `blobs` (empty at first), `send` and `fetch`."""

    NOT_SERVED = ""
    """Characters of paths that the store takes, but not the server that stands for it in the tests."""

    @pytest.fixture
    def clock(self) -> HandClock:
        """Give the clock that the store reads."""
        return HandClock()

    @pytest.fixture
    def blobs(self, clock: HandClock) -> BlobStore:
        """Give an empty store."""
        raise NotImplementedError

    @pytest.fixture
    def send(self, blobs: BlobStore) -> Send:
        """Give a client of presigned uploads."""
        raise NotImplementedError

    @pytest.fixture
    def fetch(self, blobs: BlobStore) -> Fetch:
        """Give a client of presigned downloads."""
        raise NotImplementedError

    # put, get, open, head

    @pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 5000], ids=["empty", "one", "many"])
    def test_a_blob_is_given_back_as_it_was_stored(self, blobs: BlobStore, content: bytes) -> None:
        """Bytes and streams of bytes come back the same, by every way of reading."""
        blobs.put(raw("a/bytes"), content)
        blobs.put(raw("a/stream"), io.BytesIO(content))

        for key in (raw("a/bytes"), raw("a/stream")):
            assert blobs.get(key) == content
            with blobs.open(key) as stream:
                assert stream.read() == content

    def test_put_and_head_tell_the_same(self, blobs: BlobStore, clock: HandClock) -> None:
        """What put returns is what head knows: key, size, etag and time."""
        stored = blobs.put(raw("a/b.pdf"), b"content")

        assert same(blobs.head(raw("a/b.pdf")), stored)
        assert (stored.key, stored.size_bytes) == (raw("a/b.pdf"), 7)
        assert abs(stored.modified_at - clock.now()) < timedelta(seconds=2)
        assert stored.modified_at.tzinfo is not None

    def test_the_etag_changes_with_the_content(self, blobs: BlobStore) -> None:
        """Other bytes, of the same length too, have another etag."""
        first = blobs.put(raw("a"), b"one")
        second = blobs.put(raw("a"), b"two")

        assert first.etag != second.etag
        head = blobs.head(raw("a"))
        assert head is not None
        assert head.etag == second.etag

    def test_put_replaces(self, blobs: BlobStore) -> None:
        """The last content stands, shorter ones too."""
        blobs.put(raw("a"), b"a long first content")
        blobs.put(raw("a"), b"short")

        assert blobs.get(raw("a")) == b"short"

    def test_what_is_missing_is_not_found(self, blobs: BlobStore) -> None:
        """Reading what is not there raises; head gives None. A folder is not a blob."""
        blobs.put(raw("folder/file"), b"")
        for key in (raw("missing"), raw("folder"), raw("folder/file/below"), BlobKey(Bucket.CHUNKS, "folder/file")):
            assert blobs.head(key) is None
            with pytest.raises(NotFound):
                blobs.get(key)
            with pytest.raises(NotFound):
                blobs.open(key)

    def test_a_stream_can_be_sought(self, blobs: BlobStore) -> None:
        """A parser may jump about in what open gives."""
        blobs.put(raw("a"), b"0123456789")

        with blobs.open(raw("a")) as stream:
            assert stream.seek(-3, io.SEEK_END) == 7
            assert stream.read() == b"789"
            stream.seek(2)
            assert stream.read(3) == b"234"

    @pytest.mark.parametrize(
        ("first", "last", "expected"),
        [
            (0, None, b"0123456789"),
            (3, None, b"3456789"),
            (0, 0, b"0"),
            (2, 4, b"234"),
            (9, 9, b"9"),
            (5, 99, b"56789"),
            (10, None, b""),
            (99, 120, b""),
        ],
    )
    def test_a_range_includes_both_ends(self, blobs: BlobStore, first: int, last: int | None, expected: bytes) -> None:
        """First and last count from 0; beyond the end there is less, or nothing."""
        blobs.put(raw("a"), b"0123456789")

        assert blobs.get(raw("a"), first=first, last=last) == expected

    @pytest.mark.parametrize(("first", "last"), [(-1, None), (3, 2), (0, -1)])
    def test_a_range_that_is_none_is_refused(self, blobs: BlobStore, first: int, last: int | None) -> None:
        """A range is counted from the beginning, forwards."""
        blobs.put(raw("a"), b"0123456789")

        with pytest.raises(InvalidRequest, match="range"):
            blobs.get(raw("a"), first=first, last=last)

    def test_a_stream_is_stored_in_bounded_pieces(self, blobs: BlobStore) -> None:
        """However long it is, a stream is never asked for all of itself."""
        stream = Trickle(3_000_000)

        stored = blobs.put(raw("a"), stream)  # type: ignore[arg-type]

        assert stored.size_bytes == 3_000_000
        assert stream.largest_read < 3_000_000

    def test_a_stream_that_breaks_stores_nothing(self, blobs: BlobStore) -> None:
        """A blob is seen whole or not at all: what was there before stands."""

        class Breaking(Trickle):
            def read(self, size: int = -1) -> bytes:
                if self.left < 50_000:
                    raise ValueError("broken")
                return super().read(size)

        blobs.put(raw("there"), b"before")
        for key in (raw("there"), raw("new")):
            with pytest.raises(ValueError, match="broken"):
                blobs.put(key, Breaking(100_000))  # type: ignore[arg-type]

        assert [info.key.path for info in blobs.list(Bucket.RAW, "")] == ["there"]
        assert blobs.get(raw("there")) == b"before"

    def test_a_reader_keeps_what_it_opened(self, blobs: BlobStore) -> None:
        """A stream that was opened goes on giving the old content after the blob was replaced or deleted."""
        blobs.put(raw("a"), b"old" * 1000)
        with blobs.open(raw("a")) as stream:
            blobs.put(raw("a"), b"new" * 1000)
            blobs.delete([raw("a")])

            assert stream.read() == b"old" * 1000

    def test_readers_never_see_half_of_a_write(self, blobs: BlobStore) -> None:
        """While two contents take turns, each read and each head gives one of them, whole."""
        contents = [b"a" * 200_000, b"b" * 100_000]
        infos = {(info.etag, info.size_bytes) for info in (blobs.put(raw("a"), content) for content in contents)}
        done = threading.Event()

        def write() -> None:
            for turn in range(20):
                blobs.put(raw("a"), contents[turn % 2])
            done.set()

        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(write)
            while not done.is_set() and not writing.done():
                assert blobs.get(raw("a")) in contents
                head = blobs.head(raw("a"))
                assert head is not None
                assert (head.etag, head.size_bytes) in infos
            writing.result()

    # conditions

    def test_if_absent_stores_only_where_nothing_is(self, blobs: BlobStore) -> None:
        """The second writer is refused, and the first content stands."""
        blobs.put(raw("a"), b"first", if_absent=True)

        with pytest.raises(ConditionFailed):
            blobs.put(raw("a"), b"second", if_absent=True)

        assert blobs.get(raw("a")) == b"first"
        blobs.delete([raw("a")])
        blobs.put(raw("a"), b"third", if_absent=True)

    def test_if_match_stores_only_over_that_etag(self, blobs: BlobStore) -> None:
        """A writer that read an older content is refused, and so is one where nothing is."""
        first = blobs.put(raw("a"), b"first")
        second = blobs.put(raw("a"), b"second", if_match=first.etag)

        with pytest.raises(ConditionFailed):
            blobs.put(raw("a"), b"third", if_match=first.etag)
        with pytest.raises(ConditionFailed):
            blobs.put(raw("missing"), b"", if_match=second.etag)

        assert blobs.get(raw("a")) == b"second"
        assert blobs.head(raw("missing")) is None

    @pytest.mark.parametrize("condition", ["if_absent", "if_match"])
    def test_of_many_writers_one_wins(self, blobs: BlobStore, condition: str) -> None:
        """When many threads write under the same condition at once, one is not refused."""
        before = None if condition == "if_absent" else blobs.put(raw("a"), b"before").etag
        start = threading.Barrier(6)

        def write(number: int) -> bytes | None:
            content = b"by %d" % number
            start.wait()
            try:
                blobs.put(raw("a"), content, if_absent=before is None, if_match=before)
            except ConditionFailed:
                return None
            return content

        with ThreadPoolExecutor(6) as pool:
            winners = [content for content in pool.map(write, range(6)) if content is not None]

        assert winners == [blobs.get(raw("a"))]

    # list, delete

    @PROPERTY
    @given(paths=st.sets(PATHS, max_size=8), data=st.data())
    def test_a_list_gives_every_path_with_the_prefix_in_order(
        self, blobs: BlobStore, paths: set[str], data: st.DataObject
    ) -> None:
        """Whole paths in UTF-8 order, also where one blob's path is the folder of another's."""
        folder = f"ten_{next(_folders)}"
        paths = {path for path in paths if set(path).isdisjoint(self.NOT_SERVED)}
        stored = {f"{folder}/{path}": blobs.put(raw(f"{folder}/{path}"), path.encode()) for path in paths}
        path = data.draw(st.sampled_from(sorted(stored))) if stored else f"{folder}/x"
        prefix = path[: data.draw(st.integers(len(folder) + 1, len(path)))]

        found = list(blobs.list(Bucket.RAW, prefix))

        expected = [stored[path] for path in sorted(stored, key=str.encode) if path.startswith(prefix)]
        assert len(found) == len(expected)
        assert all(same(info, put) for info, put in zip(found, expected, strict=True))

    def test_a_list_is_of_one_bucket(self, blobs: BlobStore) -> None:
        """An empty prefix gives the whole bucket and nothing of another."""
        for bucket in Bucket:
            blobs.put(BlobKey(bucket, f"in/{bucket}"), b"")

        assert [info.key for info in blobs.list(Bucket.CHUNKS, "")] == [BlobKey(Bucket.CHUNKS, "in/chunks")]
        assert list(blobs.list(Bucket.CHUNKS, "nothing/here")) == []

    def test_deleted_blobs_are_gone(self, blobs: BlobStore) -> None:
        """Delete removes what it names and nothing else, and may be done twice."""
        for path in ("a/1", "a/2", "a/1/below"):
            blobs.put(raw(path), b"")

        for _ in range(2):
            blobs.delete([raw("a/1"), raw("missing"), raw("a/2/not a folder")])

        assert [info.key.path for info in blobs.list(Bucket.RAW, "")] == ["a/1/below", "a/2"]
        assert blobs.head(raw("a/1")) is None

    def test_deleting_nothing_succeeds(self, blobs: BlobStore) -> None:
        """An empty list removes nothing."""
        blobs.delete([])

    # presigned URLs

    def test_a_presigned_upload_stores_what_its_terms_say(self, blobs: BlobStore, send: Send, clock: HandClock) -> None:
        """Whoever holds the URL can store exactly these bytes at exactly this key, until it expires."""
        presigned = blobs.presign_upload(raw("up/ä b?.txt"), UploadTerms(5, "text/plain"), expires_s=60)

        send(presigned, b"hello")

        assert blobs.get(raw("up/ä b?.txt")) == b"hello"
        assert timedelta(seconds=59) <= presigned.expires_at - clock.now() <= timedelta(seconds=60)

    def test_a_presigned_upload_with_a_checksum_stores_those_bytes(self, blobs: BlobStore, send: Send) -> None:
        """The bytes of the checksum are taken."""
        # echo -n hello | sha256sum
        checksum = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
        terms = UploadTerms(5, sha256=checksum)

        send(blobs.presign_upload(raw("up"), terms, expires_s=60), b"hello")

        assert blobs.get(raw("up")) == b"hello"

    @pytest.mark.parametrize("content", [b"", b"hell", b"hello!", b"hullo", b"x" * 2_000_000])
    def test_a_presigned_upload_refuses_other_bytes(self, blobs: BlobStore, send: Send, content: bytes) -> None:
        """More, fewer or other bytes than the terms say are refused, and leave nothing behind."""
        checksum = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
        presigned = blobs.presign_upload(raw("up"), UploadTerms(5, sha256=checksum), expires_s=60)

        with pytest.raises(Exception):  # noqa: B017, PT011 - each store refuses in its own words
            send(presigned, content)

        assert list(blobs.list(Bucket.RAW, "")) == []

    def test_an_expired_upload_is_refused(self, blobs: BlobStore, send: Send, clock: HandClock) -> None:
        """A URL does its thing for a while only."""
        presigned = blobs.presign_upload(raw("up"), UploadTerms(5), expires_s=60)
        clock.advance(62)

        with pytest.raises(Exception):  # noqa: B017, PT011 - each store refuses in its own words
            send(presigned, b"hello")

        assert blobs.head(raw("up")) is None

    def test_a_presigned_download_reads_the_blob(self, blobs: BlobStore, fetch: Fetch, clock: HandClock) -> None:
        """Whoever holds the URL can read this blob until it expires."""
        blobs.put(raw("down/ä b?.txt"), b"content")
        presigned = blobs.presign_download(raw("down/ä b?.txt"), name='ä "b".txt', expires_s=60)

        assert presigned.method == "GET"
        assert fetch(presigned) == b"content"
        clock.advance(62)
        with pytest.raises(Exception):  # noqa: B017, PT011 - each store refuses in its own words
            fetch(presigned)

    @pytest.mark.parametrize("expires_s", [0, -5, MAX_PRESIGN_S + 1])
    def test_an_expiry_out_of_bounds_is_refused(self, blobs: BlobStore, expires_s: int) -> None:
        """A URL lives for a second to a week."""
        with pytest.raises(InvalidRequest, match="expires_s"):
            blobs.presign_upload(raw("up"), UploadTerms(5), expires_s=expires_s)
        with pytest.raises(InvalidRequest, match="expires_s"):
            blobs.presign_download(raw("up"), name="x", expires_s=expires_s)

    # paths

    @pytest.mark.parametrize(
        "path",
        ["", "/", "/a", "a/", "a//b", ".", "..", "a/./b", "a/../b", "../a", "a/..", "a\0b", "\ud800", "x" * 1025],
        ids=repr,
    )
    def test_an_unsafe_path_is_refused_by_every_call(self, blobs: BlobStore, path: str) -> None:
        """A path has no empty, `.` or `..` part, no NUL, and at most 1,024 bytes of UTF-8."""
        key = raw(path)
        calls: list[Callable[[], object]] = [
            lambda: blobs.put(key, b""),
            lambda: blobs.get(key),
            lambda: blobs.open(key),
            lambda: blobs.head(key),
            lambda: blobs.delete([key]),
            lambda: blobs.presign_upload(key, UploadTerms(5), expires_s=60),
            lambda: blobs.presign_download(key, name="x", expires_s=60),
        ]
        for call in calls:
            with pytest.raises(InvalidRequest, match="path"):
                call()


def stream_of(content: bytes) -> BinaryIO:
    """Give *content* as a request's body would come."""
    return io.BytesIO(content)
