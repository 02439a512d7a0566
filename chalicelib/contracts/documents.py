"""Documents, uploads, chunks and the jobs that process them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from chalicelib.contracts.common import Identifier, IndexName, Metadata, RequestModel, ResponseModel, Timestamp
from chalicelib.contracts.indexes import ComponentModel, Language
from chalicelib.domain.access import EVERYONE
from chalicelib.domain.documents import BlockKind, DocumentStatus
from chalicelib.domain.jobs import JobKind, JobStatus

MAX_INLINE_BYTES = 4 * 1024 * 1024
MAX_UPLOAD_BYTES = 512 * 1024 * 1024
MAX_UPLOAD_FILES = 100
MAX_PREVIEW_CHARACTERS = 200_000

DocumentName = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")]
ExternalId = Annotated[str, StringConstraints(min_length=1, max_length=512, pattern=r"^[^\x00-\x1f\x7f]+$")]
MediaType = Annotated[str, StringConstraints(max_length=127, pattern=r"^[\w.+-]+/[\w.+-]+(\s*;.*)?$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Group = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:@-]+$")]
Acl = Annotated[list[Group], Field(min_length=1, max_length=20, description="Groups that may read it")]


class DocumentFields(RequestModel):
    """What is said of a document beside its bytes."""

    name: DocumentName = Field(examples=["leave.md"])
    media_type: MediaType | None = Field(None, examples=["text/markdown"])
    external_id: ExternalId | None = Field(None, description="Yours; the same one again makes a new version")
    language: Language | None = Field(None, description="Of its text; told from the text where it is left out")
    metadata: Metadata = Field(default_factory=dict)
    acl: Acl = Field(default_factory=lambda: [EVERYONE])


class DocumentCreate(DocumentFields):
    """A small document, sent as *text* or as *content_base64*."""

    index: IndexName
    text: str | None = Field(None, examples=["# Leave\n\nEverybody has 30 days."])
    content_base64: str | None = None

    @model_validator(mode="after")
    def _one_content(self) -> DocumentCreate:
        if (self.text is None) == (self.content_base64 is None):
            raise ValueError("give exactly one of text and content_base64")
        return self


class DocumentPatch(RequestModel):
    """What holds for a document from now on: each field that is given replaces what stood there, as a whole."""

    metadata: Metadata = Field(default_factory=dict)
    acl: Acl = Field(default_factory=list)

    @model_validator(mode="after")
    def _something(self) -> DocumentPatch:
        if self.model_fields_set.isdisjoint({"metadata", "acl"}):
            raise ValueError("give metadata, acl or both")
        return self


class DocumentChange(DocumentPatch):
    """A change for the ingestion service; with *if_revision* only of the document as it was then."""

    if_revision: int | None = None


class DocumentError(ResponseModel):
    """Why a document could not be used."""

    code: str
    detail: str


class DocumentView(ResponseModel):
    """A document."""

    document_id: Identifier
    index: str
    name: str
    media_type: str | None
    status: DocumentStatus
    version: int = Field(description="The version that answers questions; 0 before there is one")
    latest_version: int = Field(description="The version submitted last")
    size_bytes: int
    pages: int | None
    chunks: int
    language: str | None = Field(None, description="Of the version that answers questions, as it was said or found")
    error: DocumentError | None
    warnings: list[str] = Field(description="What was left out of the version that answers questions, by code")
    metadata: Metadata
    acl: list[str]
    external_id: str | None
    attached_to: Identifier | None = Field(description="The document it was found in: a letter, say, or a PDF")
    created_at: Timestamp
    updated_at: Timestamp
    revision: int = Field(0, description="Grows with every change of this record; its `ETag` is the same in quotes")


class DocumentVersionView(ResponseModel):
    """One submission of a document's bytes."""

    version: int
    size_bytes: int
    sha256: str | None
    media_type: str | None
    name: str
    published: bool
    created_at: Timestamp


class ContentView(ResponseModel):
    """Where the bytes of the version that answers questions can be read; a relative *url* is on the API's own host."""

    method: Literal["GET"] = "GET"
    url: str
    expires_at: Timestamp


class ProgressView(ResponseModel):
    """How far a job is."""

    done: int
    total: int
    stage: str
    rate_per_s: float | None
    eta_s: float | None


class ChildrenView(ResponseModel):
    """How many documents a batch has, and what has become of them so far."""

    total: int
    open: int
    succeeded: int
    failed: int
    cancelled: int


class JobView(ResponseModel):
    """Long work. One that takes in many documents has a child for each, with its *line*."""

    job_id: Identifier
    kind: JobKind
    status: JobStatus
    index: str | None
    document_id: str | None
    progress: ProgressView
    error: DocumentError | None
    result: dict[str, Any] | None
    parent_id: Identifier | None = None
    line: int | None = None
    children: ChildrenView | None = None
    created_at: Timestamp
    updated_at: Timestamp


class DocumentAccepted(ResponseModel):
    """The document as it stands, and the job that will make it searchable."""

    document: DocumentView
    job: JobView


class JobAccepted(ResponseModel):
    """The job that does what was asked."""

    job: JobView


class Redriven(ResponseModel):
    """How many jobs were queued again."""

    jobs: int


class UploadFile(DocumentFields):
    """A file that will be sent to a presigned URL."""

    size_bytes: int = Field(gt=0, le=MAX_UPLOAD_BYTES)
    sha256: Sha256 | None = None


class UploadsCreate(RequestModel):
    """Files to be uploaded into one index."""

    index: IndexName
    files: list[UploadFile] = Field(min_length=1, max_length=MAX_UPLOAD_FILES)


class UploadView(ResponseModel):
    """Where one file goes: send its bytes with *method* to *url*, with *headers* (or as a form with *fields*)."""

    document_id: Identifier
    job_id: Identifier
    method: Literal["PUT", "POST"]
    url: str
    headers: dict[str, str]
    fields: dict[str, str]
    expires_at: Timestamp


class UploadsAccepted(ResponseModel):
    """A job for the first file, and one upload for each file in the order asked."""

    job: JobView
    uploads: list[UploadView]


class ParentView(ResponseModel):
    """The longer piece that is read where a chunk is found, by its place in the document's text."""

    start: int
    end: int


class ChunkView(ResponseModel):
    """A chunk: ``text`` is what stands from *start* to *end* of the document's text, in characters."""

    chunk_id: str
    ordinal: int
    text: str
    tokens: int
    page: int | None
    heading_path: list[str]
    start: int
    end: int
    kind: BlockKind
    context: str = Field("", description="The header of the table that the text goes on with; searched with it")
    parent: ParentView | None = Field(None, description="What is read where this chunk is found")


class ChunkPreviewRequest(RequestModel):
    """A text, or a document, to be cut with a chunker; nothing is stored."""

    chunker: ComponentModel
    text: str | None = Field(None, max_length=MAX_PREVIEW_CHARACTERS)
    document_id: Identifier | None = None
    language: Language = Field("en", description="Of the text, not of a document")

    @model_validator(mode="after")
    def _one_source(self) -> ChunkPreviewRequest:
        if (self.text is None) == (self.document_id is None):
            raise ValueError("give exactly one of text and document_id")
        return self


class ChunkPreview(ResponseModel):
    """The chunks a chunker makes."""

    items: list[ChunkView]
