"""What one service may ask of another; the object and its HTTP client satisfy the same Protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from chalicelib.contracts.asking import Answer, AnswerEvent, QueryRequest, RetrieveRequest, RetrieveResponse
from chalicelib.contracts.documents import (
    ChunkPreview,
    ChunkPreviewRequest,
    DocumentAccepted,
    DocumentCreate,
    JobAccepted,
    UploadsAccepted,
    UploadsCreate,
)
from chalicelib.domain.access import Principal
from chalicelib.domain.identifiers import DocumentId


class Ingestor(Protocol):
    """
    Takes documents in and out.

    The index must be within the principal's reach; otherwise, and where it does not exist, `NotFound`.
    """

    async def submit(self, principal: Principal, request: DocumentCreate) -> DocumentAccepted:
        """Store an inline document and queue its ingestion; it is searchable once its job succeeded."""
        ...

    async def open_uploads(self, principal: Principal, request: UploadsCreate) -> UploadsAccepted:
        """Give a presigned URL for each file; a file's ingestion starts when its bytes arrive."""
        ...

    async def delete(self, principal: Principal, document_id: DocumentId) -> JobAccepted:
        """Hide the document from every question at once, and queue the removal of all that was made of it."""
        ...

    async def delete_index(self, principal: Principal, name: str) -> JobAccepted:
        """Hide the index at once, and queue the removal of all its documents."""
        ...

    async def preview(self, principal: Principal, request: ChunkPreviewRequest) -> ChunkPreview:
        """Cut a text, or a document the principal may read, with another chunker; nothing is stored."""
        ...


class Retriever(Protocol):
    """Finds passages."""

    async def retrieve(self, principal: Principal, request: RetrieveRequest) -> RetrieveResponse:
        """
        Give the best passages that *principal* may read, best first; equal scores by chunk id.

        Raises `NotFound` for an index or release that does not exist or is out of the principal's reach.
        """
        ...


class Generator(Protocol):
    """Answers questions from passages."""

    async def answer(self, principal: Principal, request: QueryRequest) -> Answer:
        """Answer, or abstain, with citations; the run is stored before this returns."""
        ...

    def stream(self, principal: Principal, request: QueryRequest) -> AsyncIterator[AnswerEvent]:
        """
        Answer in events: `run`, `passages`, `token` any number of times, `citations`, `claims`, then exactly one
        `done` or `error`. Errors that come before the `run` event are raised instead.
        """
        ...
