"""Where blobs lie on the disk; every path into the store is made, and refused, here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from chalicelib.adapters.blob_limits import path_parts
from chalicelib.errors import InvalidRequest
from chalicelib.ports.blobs import BlobKey, Bucket

MAX_PART_BYTES = 240
_BLOB = "@blob"
_DIGEST = "@sha256"


@dataclass(frozen=True, slots=True)
class BlobFiles:
    """The file with a blob's bytes, and the one beside it that remembers their digest."""

    blob: Path
    digest: Path


def locate(root: Path, key: BlobKey) -> BlobFiles:
    """
    Give the files of *key* below *root*, a path without symbolic links.

    The blob ``a/b.pdf`` lies in ``a/b.pdf@blob``: `@` stands in no folder's name, so that ``a`` may be a blob too.
    Raises `InvalidRequest` for a path with an empty, ``.`` or ``..`` part or a NUL, one that is too long, and one that
    a symbolic link would lead astray.
    """
    *folders, name = (_encode(part) for part in path_parts(key.path))
    folder = root.joinpath(key.bucket.value, *folders)
    if os.path.realpath(folder) != str(folder):
        raise InvalidRequest(f"The blob path {key.path!r} leads through a symbolic link; remove the link.")
    return BlobFiles(folder / (name + _BLOB), folder / (name + _DIGEST))


def walk(root: Path, bucket: Bucket, prefix: str) -> Iterator[tuple[BlobKey, BlobFiles]]:
    """Give every blob whose path begins with *prefix*, in UTF-8 order of path; links are passed over."""
    base, slash, beginning = prefix.rpartition("/")
    folders = [_encode(part) for part in path_parts(base)] if slash else []
    folder = root.joinpath(bucket.value, *folders)
    if os.path.realpath(folder) == str(folder):
        for path, files in _walk(folder, base + slash, beginning):
            yield BlobKey(bucket, path), files


def _encode(part: str) -> str:
    name = part.replace("%", "%25").replace("@", "%40")
    if len(name.encode()) > MAX_PART_BYTES:
        raise InvalidRequest(f"The part {part[:80]!r} of a blob path is over {MAX_PART_BYTES} bytes long.")
    return name


def _decode(name: str) -> str:
    return name.replace("%40", "@").replace("%25", "%")


def _walk(folder: Path, base: str, beginning: str) -> Iterator[tuple[str, BlobFiles]]:
    for name, stem in sorted(_names(folder, beginning)):
        if name.endswith("/"):
            yield from _walk(folder / stem, base + name, "")
        else:
            yield base + name, BlobFiles(folder / (stem + _BLOB), folder / (stem + _DIGEST))


def _names(folder: Path, beginning: str) -> Iterator[tuple[str, str]]:
    """
    Give the names that begin so, each with how it is written on the disk.

    A folder's name ends with the slash that sorts it among the others as whole paths sort.
    """
    try:
        entries = os.scandir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    with entries:
        for entry in entries:
            stem, at, kind = entry.name.partition("@")
            name = _decode(stem)
            if not name.startswith(beginning):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield name + "/", stem
            elif at + kind == _BLOB and entry.is_file(follow_symlinks=False):
                yield name, stem
