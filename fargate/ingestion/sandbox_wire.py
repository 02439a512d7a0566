"""What the sandbox and its child say to each other: JSON both ways, and nothing a child says is taken on trust."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from pydantic import TypeAdapter, ValidationError

from chalicelib.contracts.documents import MAX_UPLOAD_BYTES
from chalicelib.domain.documents import ParsedDocument
from chalicelib.errors import DocumentRejected

REASONS = frozenset(
    (
        "unreadable",
        "encrypted",
        "scanned_needs_ocr",
        "empty",
        "unsupported_media_type",
        "timeout",
        "memory_limit",
        "too_large",
        "too_many_pages",
        "suspicious_archive",
    )
)
_MAX_DETAIL = 1_000
_PARSED = TypeAdapter(ParsedDocument)
_ACCEPTED, _REJECTED = b"+", b"-"


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """What one file may cost. *memory_bytes* counts from what the parsers themselves take."""

    wall_s: float = 120.0
    cpu_s: int = 90
    memory_bytes: int = 1536 * 1024 * 1024
    file_bytes: int = MAX_UPLOAD_BYTES
    pages: int = 5_000
    characters: int = 20_000_000
    answer_bytes: int = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """One file to be read; its bytes travel as an open descriptor."""

    name: str
    media_type: str | None
    language: str
    password: str | None
    limits: SandboxLimits

    def encode(self) -> bytes:
        """Write it as JSON."""
        return json.dumps(asdict(self)).encode()

    @staticmethod
    def decode(data: bytes) -> Request:
        """Read what `encode` wrote."""
        fields: dict[str, Any] = json.loads(data)
        return Request(**(fields | {"limits": SandboxLimits(**fields["limits"])}))


def accept(parsed: ParsedDocument) -> bytes:
    """Write the answer of a child that could read its file."""
    return _ACCEPTED + _PARSED.dump_json(parsed)


def reject(reason: str, detail: str) -> bytes:
    """Write the answer of a child that could not."""
    return _REJECTED + json.dumps([reason, detail]).encode()


def verdict(answer: bytearray) -> ParsedDocument:
    """
    Read a child's answer, and use it up: it may be large.

    Raises the `DocumentRejected` that it tells, or `unreadable` where it makes no sense: a child that a file took over
    may write what it likes.
    """
    try:
        kind = bytes(answer[:1])
        del answer[:1]
        if kind == _ACCEPTED:
            return _checked(_PARSED.validate_json(answer, strict=False))
        reason, detail = json.loads(answer)
    except (ValidationError, ValueError, TypeError) as error:
        raise nonsense() from error
    if kind != _REJECTED or reason not in REASONS or not isinstance(detail, str):
        raise nonsense()
    raise DocumentRejected(reason, detail[:_MAX_DETAIL])


def nonsense() -> DocumentRejected:
    """Say that a file brought its reader to an answer that makes no sense."""
    return DocumentRejected("unreadable", "The file confused its reader and cannot be used. Save it again, or as PDF.")


def _checked(parsed: ParsedDocument) -> ParsedDocument:
    for block in parsed.blocks:
        if not 0 <= block.start < block.end <= len(parsed.text):
            raise ValueError("a block lies outside the text")
        if block.header_end is not None and not block.start < block.header_end <= block.end:
            raise ValueError("a table's header lies outside the table")
    if any(before.end > after.start for before, after in pairwise(parsed.blocks)):
        raise ValueError("blocks overlap")
    return parsed
