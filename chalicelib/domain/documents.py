"""Documents, their versions, the blocks a parser finds in them and the chunks they are cut into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from chalicelib.domain.access import EVERYONE
from chalicelib.domain.identifiers import AttemptId, ChunkId, DocumentId, JobId, attempt_of, ordinal_of

MetadataValue = str | int | float | bool | list[str]
Metadata = Mapping[str, MetadataValue]


class DocumentStatus(StrEnum):
    """`pending` → `processing` → `ready` or `failed`; `deleted` is for ever."""

    PENDING = "pending"
    PROCESSING = "processing"
    READY = "ready"
    FAILED = "failed"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a document could not be used: a stable *code* and a sentence its owner understands."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Published:
    """The version readers see: every visible chunk belongs to *attempt*."""

    version: int
    attempt: AttemptId
    generation: int
    chunks: int
    pages: int | None
    title: str
    language: str
    sha256: str
    warnings: tuple[str, ...] = ()
    """What its parser left out, or is not sure of."""

    def shows(self, chunk: str) -> bool:
        """Say whether readers see *chunk*: one of this attempt, and not left over from a try that cut more finely."""
        return attempt_of(chunk) == self.attempt and ordinal_of(chunk) < self.chunks


@dataclass(frozen=True, slots=True)
class Holder:
    """
    Where an attachment was found: in a version, by its *attempt*, of another document.

    It is read by whoever may read that document, while readers see that version; *depth* counts from 1.
    """

    document_id: DocumentId
    attempt: AttemptId
    depth: int = 1


@dataclass(frozen=True, slots=True)
class Document:
    """
    One document of an index, as its owner sees it.

    *latest_version* counts what was submitted; *published* is what questions are answered from and may be an older
    version while a newer one is processed or after it failed. *acl* and *metadata* hold for every version.
    """

    document_id: DocumentId
    index: str
    name: str
    media_type: str | None
    status: DocumentStatus
    latest_version: int
    size_bytes: int
    created_at: datetime
    updated_at: datetime
    external_id: str | None = None
    holder: Holder | None = None
    metadata: Metadata = field(default_factory=dict)
    acl: Sequence[str] = (EVERYONE,)
    error: Rejection | None = None
    published: Published | None = None
    job_id: JobId | None = None
    abandoned: Mapping[AttemptId, int] = field(default_factory=dict)
    """Attempts that were cancelled or replaced by a retry, each with its version's number; none may be published."""
    version: int = 0
    """The row's own version, for conditional writes."""


@dataclass(frozen=True, slots=True)
class DocumentVersion:
    """One submission of a document's bytes; *attempt* names everything derived from it."""

    document_id: DocumentId
    number: int
    attempt: AttemptId
    size_bytes: int
    sha256: str | None
    media_type: str | None
    name: str
    created_at: datetime
    language: str | None = None
    """As its owner said; None where the text is to tell."""


class BlockKind(StrEnum):
    """What a block is made of; chunkers keep tables, lists and code together where they fit."""

    HEADING = "heading"
    TEXT = "text"
    LIST = "list"
    TABLE = "table"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Block:
    """
    A paragraph, list, table or code listing of a parsed document.

    *start* and *end* are character offsets into `ParsedDocument.text`; *page* counts from 1 where the format has pages.
    A table's header rows, which say what stands in the columns, reach from *start* to *header_end*.
    """

    kind: BlockKind
    start: int
    end: int
    heading_path: tuple[str, ...] = ()
    page: int | None = None
    header_end: int | None = None


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file inside a document: it becomes a document of its own, a child of the one that held it."""

    __pydantic_config__ = {"ser_json_bytes": "base64", "val_json_bytes": "base64"}  # noqa: RUF012 - for its JSON only

    name: str
    media_type: str | None
    data: bytes


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """What a parser gives: the whole *text*, and *blocks* in reading order, none overlapping another."""

    text: str
    blocks: tuple[Block, ...]
    title: str
    media_type: str
    pages: int | None = None
    warnings: tuple[str, ...] = ()
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """
    A chunk before it has a name: ``text == parsed.text[start:end]``; *tokens* as its embedder counts them.

    *parent* is where the longer piece begins and ends that is read where this one is found.
    """

    start: int
    end: int
    tokens: int
    kind: BlockKind
    heading_path: tuple[str, ...]
    page: int | None
    parent: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Parent:
    """
    The longer piece a chunk belongs to, which is read where the chunk is found.

    It begins with the chunk *first*, and its *text* is kept with that chunk alone.
    """

    start: int
    end: int
    first: ChunkId
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """
    A named piece of a document version: what is embedded, found and cited.

    *context* is the header of the table that *text* goes on with, searched with it but not part of it. *lead* is what
    stands between the chunk before and this one: white space as a rule, nothing where they overlap, None where it is
    too long to be kept.
    """

    chunk_id: ChunkId
    document_id: DocumentId
    ordinal: int
    text: str
    tokens: int
    start: int
    end: int
    kind: BlockKind
    heading_path: tuple[str, ...]
    page: int | None
    context: str = ""
    parent: Parent | None = None
    lead: str | None = None

    def read_in(self, opening: Chunk | None) -> Chunk:
        """Give the chunk as its reader gets it: with its parent's text and place, where *opening* begins that."""
        parent = opening.parent if opening else None
        if opening is None or parent is None or parent.text is None:
            return self
        return replace(opening, chunk_id=self.chunk_id, text=parent.text, start=parent.start, end=parent.end)
