"""Many documents taken in by one job, and the area of an index where files wait to be taken in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from chalicelib.domain.access import EVERYONE
from chalicelib.domain.documents import Metadata

MAX_FAILURES_SHOWN = 100
MAX_IMPORT_PATH = 512


@dataclass(frozen=True, slots=True)
class Failure:
    """A line that came to nothing, and why; *document_id* is None where it did not come to be a document."""

    line: int
    job_id: str
    document_id: str | None
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Batch:
    """
    What a job with children is made of, and how far it is with them.

    Its manifest has *lines* documents (None until that was counted). They are handed out in order: up to *line*, which
    ends at *offset*. Children that have not ended are *open*, by their lines; the others are counted, the first
    failures with their reasons.
    """

    manifest: str | None = None
    """Where the manifest lies in the import area; None where it came with the request, or is made from *prefix*."""
    prefix: str | None = None
    language: str | None = None
    metadata: Metadata = field(default_factory=dict)
    acl: Sequence[str] = (EVERYONE,)
    lines: int | None = None
    line: int = 0
    offset: int = 0
    exhausted: bool = False
    """Whether nothing is left to be handed out."""
    again: int | None = None
    """Up to which line those that failed were let start anew; None when nobody asks for that."""
    open: Sequence[int] = ()
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    failures: Sequence[Failure] = ()
    turn: int = 0
    """Counts the messages that carried it on; a message of another turn is out of date."""
    idle: int = 0
    """For how many turns nothing has happened."""
    began_at: datetime | None = None
    index_made_at: datetime | None = None
    """When the index it is for was made; another of the name is not meant."""

    @property
    def ended(self) -> int:
        """Count the children that have ended."""
        return self.succeeded + self.failed + self.cancelled

    def outcome(self) -> Mapping[str, Any]:
        """Give the result of the whole."""
        return {
            "documents": self.ended,
            "succeeded": self.succeeded,
            "failed": self.failed,
            "cancelled": self.cancelled,
            "failures": [asdict(failure) for failure in self.failures],
        }


def check_import_path(path: str) -> str:
    """Give *path* back. Raises `ValueError` unless it names one file of the import area and can lead nowhere else."""
    check_import_prefix(path)
    if path.rpartition("/")[2] in _NOWHERE:
        raise ValueError("the path ends in no name of a file")
    return path


def check_import_prefix(prefix: str) -> str:
    """Give *prefix* back. Raises `ValueError` unless it is the beginning of such a path."""
    if len(prefix) > MAX_IMPORT_PATH:
        raise ValueError(f"the path has {len(prefix)} characters; at most {MAX_IMPORT_PATH} are allowed")
    if not prefix.isprintable() or "\\" in prefix:
        raise ValueError("the path holds a backslash or a character that cannot be printed")
    *folders, _ = prefix.split("/")
    if not _NOWHERE.isdisjoint(folders):
        raise ValueError("the path begins with a slash, or has an empty part, '.' or '..'")
    return prefix


_NOWHERE = frozenset({"", ".", ".."})
