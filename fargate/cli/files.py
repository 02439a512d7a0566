"""Which files of a folder are documents, and what each is called in the index."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file to ingest; *external_id* is its path relative to the folder it was found in, with forward slashes."""

    path: Path
    external_id: str


def find(roots: Sequence[Path]) -> list[LocalFile]:
    """
    Give the files at and below *roots*, each folder's in order of name.

    Hidden ones are left out, and so are links, which may lead anywhere; a root itself may be either. Raises
    `BadParameter` when two files would have one external id.
    """
    found: dict[str, LocalFile] = {}
    for root in roots:
        for file in _below(root):
            before = found.setdefault(file.external_id, file)
            if before.path.resolve() != file.path.resolve():
                raise typer.BadParameter(
                    f"{before.path} and {file.path} would both be {file.external_id!r}; ingest them one by one."
                )
    return list(found.values())


def _below(root: Path) -> Iterator[LocalFile]:
    if not root.is_dir():
        yield LocalFile(root, root.name)
        return
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder) / name
            if not name.startswith(".") and path.is_file() and not path.is_symlink():
                yield LocalFile(path, path.relative_to(root).as_posix())
