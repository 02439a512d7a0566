"""Where blobs lie on the disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.adapters.blob_paths import MAX_PART_BYTES, locate, walk
from chalicelib.errors import InvalidRequest
from chalicelib.ports.blobs import BlobKey, Bucket

PROPERTY = settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
NASTY = st.lists(
    st.sampled_from(["..", ".", "", "/", "a", "@", "%", "%40", "@blob", "@sha256", "%2e%2e", "\0", "~", "\\", "é"]),
    max_size=8,
).map("".join)


def raw(path: str) -> BlobKey:
    """Give a key."""
    return BlobKey(Bucket.RAW, path)


@PROPERTY
@given(path=NASTY | st.text(max_size=20) | st.lists(NASTY, max_size=5).map("/".join))
def test_no_path_leads_out_of_its_bucket(tmp_path: Path, path: str) -> None:
    """Whatever a path says, its file is below its bucket's folder, or it is refused."""
    try:
        files = locate(tmp_path, raw(path))
    except InvalidRequest:
        return
    bucket = tmp_path / "raw"
    for file in (files.blob, files.digest):
        assert bucket in Path(str(file.resolve())).parents
        assert ".." not in file.parts


@PROPERTY
@given(paths=st.sets(NASTY, min_size=2, max_size=2))
def test_different_paths_have_different_files(tmp_path: Path, paths: set[str]) -> None:
    """No two blobs share a file, nor does one blob's file stand where another needs a folder."""
    try:
        one, other = (locate(tmp_path, raw(path)) for path in paths)
    except InvalidRequest:
        return
    files = {one.blob, one.digest, other.blob, other.digest}
    assert len(files) == 4
    assert not any(file in another.parents for file in files for another in files)


def test_a_part_too_long_for_a_file_name_is_refused(tmp_path: Path) -> None:
    """A part has room for the ending that its file gets."""
    locate(tmp_path, raw("a/" + "x" * MAX_PART_BYTES))

    with pytest.raises(InvalidRequest, match="part"):
        locate(tmp_path, raw("a/" + "é" * (MAX_PART_BYTES // 2) + "x"))


def test_a_path_through_a_link_is_refused(tmp_path: Path) -> None:
    """A symbolic link below the store is not followed, and its name is not listed."""
    root = tmp_path / "store"
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "file@blob").write_bytes(b"secret")
    (root / "raw").mkdir(parents=True)
    (root / "raw" / "link").symlink_to(outside)

    for path in ("link/file", "link/deep/file"):
        with pytest.raises(InvalidRequest, match="symbolic link"):
            locate(root, raw(path))
    assert list(walk(root, Bucket.RAW, "")) == []
    assert list(walk(root, Bucket.RAW, "link/")) == []


@pytest.mark.parametrize("prefix", ["../", "/etc/", "a//", "a/../b", "./", "a\0/"], ids=repr)
def test_an_unsafe_prefix_is_refused(tmp_path: Path, prefix: str) -> None:
    """A prefix that names folders keeps to the rules of paths."""
    with pytest.raises(InvalidRequest, match="blob path"):
        list(walk(tmp_path, Bucket.RAW, prefix))


def test_half_a_part_is_only_compared(tmp_path: Path) -> None:
    """The last part of a prefix is no folder, so it may be anything."""
    assert list(walk(tmp_path, Bucket.RAW, "..")) == []
