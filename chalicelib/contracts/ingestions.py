"""Batches of documents, and the files that wait to be taken in by one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from chalicelib.contracts.common import IndexName, Metadata, RequestModel, ResponseModel, Timestamp
from chalicelib.contracts.documents import (
    MAX_UPLOAD_BYTES,
    MAX_UPLOAD_FILES,
    Acl,
    DocumentFields,
    DocumentName,
    ExternalId,
    MediaType,
    Sha256,
)
from chalicelib.contracts.indexes import Language
from chalicelib.domain.access import EVERYONE
from chalicelib.domain.batches import MAX_IMPORT_PATH, check_import_path, check_import_prefix

MAX_BATCH_DOCUMENTS = 1_000
MAX_MANIFEST_LINES = 100_000
MAX_MANIFEST_BYTES = 512 * 1024 * 1024

ImportPath = Annotated[
    str,
    AfterValidator(check_import_path),
    Field(
        min_length=1,
        max_length=MAX_IMPORT_PATH,
        description="Where a file lies in the import area of the index",
        examples=["2026/leave.pdf"],
    ),
]
ImportPrefix = Annotated[
    str,
    AfterValidator(check_import_prefix),
    Field(
        max_length=MAX_IMPORT_PATH,
        description="How the paths of files in the import area of the index begin; empty for all",
        examples=["2026/"],
    ),
]


class ImportFile(RequestModel):
    """A file that will be put into an import area."""

    path: ImportPath
    size_bytes: int = Field(gt=0, le=MAX_UPLOAD_BYTES)
    media_type: MediaType | None = None
    sha256: Sha256 | None = None


class ImportsCreate(RequestModel):
    """Files to be put into the import area of one index, which whoever may write to that index shares."""

    index: IndexName
    files: list[ImportFile] = Field(min_length=1, max_length=MAX_UPLOAD_FILES)


class ImportView(ResponseModel):
    """Where one file goes: send its bytes with *method* to *url*, with *headers* (or as a form with *fields*)."""

    path: str
    method: Literal["PUT", "POST"]
    url: str
    headers: dict[str, str]
    fields: dict[str, str]
    expires_at: Timestamp


class ImportsAccepted(ResponseModel):
    """One upload for each file, in the order asked."""

    imports: list[ImportView]


class InlineDocument(DocumentFields):
    """A small document among others, sent as *text* or as *content_base64*."""

    text: str | None = Field(None, examples=["# Leave\n\nEverybody has 30 days."])
    content_base64: str | None = None

    @model_validator(mode="after")
    def _one_content(self) -> InlineDocument:
        if (self.text is None) == (self.content_base64 is None):
            raise ValueError("give exactly one of text and content_base64")
        return self


class ManifestLine(RequestModel):
    """One line of a manifest, as JSON: a document, sent in it or lying as *source* in the import area."""

    name: DocumentName | None = None
    media_type: MediaType | None = None
    external_id: ExternalId | None = None
    language: Language | None = None
    metadata: Metadata = Field(default_factory=dict)
    acl: Acl = Field(default_factory=lambda: [EVERYONE])
    text: str | None = None
    content_base64: str | None = None
    source: ImportPath | None = None
    sha256: Sha256 | None = None

    @model_validator(mode="after")
    def _one_content(self) -> ManifestLine:
        if sum(one is not None for one in (self.text, self.content_base64, self.source)) != 1:
            raise ValueError("give exactly one of text, content_base64 and source")
        if self.source is None and self.name is None:
            raise ValueError("give a name")
        if self.source is None and self.sha256 is not None:
            raise ValueError("give sha256 with a source only")
        return self


class IngestionCreate(RequestModel):
    """
    Many documents for one index: those in *documents*, those a *manifest* in the import area lists, or all files there
    whose path begins with *prefix*. *language*, *metadata* and *acl* hold for those that have none of their own.
    """

    index: IndexName
    documents: list[InlineDocument] | None = Field(None, min_length=1, max_length=MAX_BATCH_DOCUMENTS)
    manifest: ImportPath | None = None
    prefix: ImportPrefix | None = None
    language: Language | None = None
    metadata: Metadata = Field(default_factory=dict)
    acl: Acl = Field(default_factory=lambda: [EVERYONE])

    @model_validator(mode="after")
    def _one_source(self) -> IngestionCreate:
        if sum(one is not None for one in (self.documents, self.manifest, self.prefix)) != 1:
            raise ValueError("give exactly one of documents, manifest and prefix")
        return self
