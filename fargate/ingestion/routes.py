"""The ingestion service over HTTP, for the API's edge and for other services."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, status

from chalicelib.contracts.components import Components
from chalicelib.contracts.documents import (
    ChunkPreview,
    ChunkPreviewRequest,
    DocumentAccepted,
    DocumentCreate,
    JobAccepted,
    UploadsAccepted,
    UploadsCreate,
)
from chalicelib.contracts.indexes import IndexCreate, IndexView
from chalicelib.domain.access import Permission, Principal, allows
from chalicelib.domain.identifiers import DocumentId
from chalicelib.errors import Forbidden
from chalicelib.ports.services import Ingestor


def router(service: Ingestor, authenticate: Callable[..., Principal]) -> APIRouter:
    """Give the routes under ``/ingestion``; *authenticate* is a FastAPI dependency."""
    routes = APIRouter(prefix="/ingestion", tags=["ingestion"])
    reader = _holder_of(Permission.KNOWLEDGE_READ, authenticate)
    editor = _holder_of(Permission.DOCUMENTS_WRITE, authenticate)
    engineer = _holder_of(Permission.INDEXES_WRITE, authenticate)

    @routes.post("/indexes", status_code=status.HTTP_201_CREATED)
    async def create_index(request: IndexCreate, principal: Principal = engineer) -> IndexView:
        """Make an empty index."""
        return await service.create_index(principal, request)

    @routes.delete("/indexes/{name}", status_code=status.HTTP_202_ACCEPTED)
    async def delete_index(name: str, principal: Principal = engineer) -> JobAccepted:
        """Hide an index, and begin to remove all of it."""
        return await service.delete_index(principal, name)

    @routes.post("/documents", status_code=status.HTTP_202_ACCEPTED)
    async def submit(request: DocumentCreate, principal: Principal = editor) -> DocumentAccepted:
        """Store an inline document, and begin to ingest it."""
        return await service.submit(principal, request)

    @routes.delete("/documents/{document_id}", status_code=status.HTTP_202_ACCEPTED)
    async def delete(document_id: str, principal: Principal = editor) -> JobAccepted:
        """Hide a document, and begin to remove all that was made of it."""
        return await service.delete(principal, DocumentId(document_id))

    @routes.post("/uploads", status_code=status.HTTP_201_CREATED)
    async def open_uploads(request: UploadsCreate, principal: Principal = editor) -> UploadsAccepted:
        """Give a presigned URL for each file."""
        return await service.open_uploads(principal, request)

    @routes.post("/chunk-previews")
    async def preview(request: ChunkPreviewRequest, principal: Principal = reader) -> ChunkPreview:
        """Cut a text or a document; nothing is stored."""
        return await service.preview(principal, request)

    @routes.get("/components", dependencies=[reader])
    async def components() -> Components:
        """List parsers, chunkers and embedders."""
        return await service.components()

    return routes


def _holder_of(permission: Permission, authenticate: Callable[..., Principal]) -> Any:
    # A coroutine: FastAPI would run a plain function in a thread.
    async def permitted(principal: Annotated[Principal, Depends(authenticate)]) -> Principal:
        if not allows(principal, permission):
            raise Forbidden(f"This needs the permission {permission.value!r}; ask an admin for a role that has it.")
        return principal

    return Depends(permitted)
