"""The ingestion service over HTTP, for the API's edge and for other services."""

from __future__ import annotations

from fastapi import APIRouter, Depends, status

from chalicelib.contracts.components import Components
from chalicelib.contracts.documents import (
    ChunkPreview,
    ChunkPreviewRequest,
    DocumentAccepted,
    DocumentChange,
    DocumentCreate,
    JobAccepted,
    Redriven,
    UploadsAccepted,
    UploadsCreate,
)
from chalicelib.contracts.indexes import IndexCreate, IndexView
from chalicelib.contracts.ingestions import ImportsAccepted, ImportsCreate, IngestionCreate
from chalicelib.domain.access import Permission, Principal
from chalicelib.domain.identifiers import DocumentId, JobId
from chalicelib.ports.services import Ingestor
from fargate.http.identity import Authenticate
from fargate.http.permission import requires


def router(service: Ingestor, authenticate: Authenticate) -> APIRouter:
    """Give the routes under ``/ingestion``; the list of components answers any identity, services' own included."""
    routes = APIRouter(prefix="/ingestion", tags=["ingestion"])
    _add_indexes(routes, service, authenticate)
    _add_documents(routes, service, authenticate)
    _add_intake(routes, service, authenticate)
    _add_jobs(routes, service, authenticate)

    @routes.get("/components")
    async def components() -> Components:
        """List parsers, chunkers and embedders."""
        return await service.components()

    return routes


def _add_indexes(routes: APIRouter, service: Ingestor, authenticate: Authenticate) -> None:
    engineer = Depends(requires(Permission.INDEXES_WRITE, authenticate))

    @routes.post("/indexes", status_code=status.HTTP_201_CREATED)
    async def create_index(request: IndexCreate, principal: Principal = engineer) -> IndexView:
        """Make an empty index."""
        return await service.create_index(principal, request)

    @routes.delete("/indexes/{name}", status_code=status.HTTP_202_ACCEPTED)
    async def delete_index(name: str, principal: Principal = engineer) -> JobAccepted:
        """Hide an index, and begin to remove all of it."""
        return await service.delete_index(principal, name)


def _add_documents(routes: APIRouter, service: Ingestor, authenticate: Authenticate) -> None:
    reader = Depends(requires(Permission.KNOWLEDGE_READ, authenticate))
    editor = Depends(requires(Permission.DOCUMENTS_WRITE, authenticate))

    @routes.patch("/documents/{document_id}", status_code=status.HTTP_202_ACCEPTED)
    async def change(document_id: str, request: DocumentChange, principal: Principal = editor) -> DocumentAccepted:
        """Change metadata or access list, and begin to bring what is searched in line."""
        return await service.change(principal, DocumentId(document_id), request)

    @routes.delete("/documents/{document_id}", status_code=status.HTTP_202_ACCEPTED)
    async def delete(document_id: str, principal: Principal = editor) -> JobAccepted:
        """Hide a document, and begin to remove all that was made of it."""
        return await service.delete(principal, DocumentId(document_id))

    @routes.post("/chunk-previews")
    async def preview(request: ChunkPreviewRequest, principal: Principal = reader) -> ChunkPreview:
        """Cut a text or a document; nothing is stored."""
        return await service.preview(principal, request)


def _add_intake(routes: APIRouter, service: Ingestor, authenticate: Authenticate) -> None:
    editor = Depends(requires(Permission.DOCUMENTS_WRITE, authenticate))

    @routes.post("/documents", status_code=status.HTTP_202_ACCEPTED)
    async def submit(request: DocumentCreate, principal: Principal = editor) -> DocumentAccepted:
        """Store an inline document, and begin to ingest it."""
        return await service.submit(principal, request)

    @routes.post("/uploads", status_code=status.HTTP_201_CREATED)
    async def open_uploads(request: UploadsCreate, principal: Principal = editor) -> UploadsAccepted:
        """Give a presigned URL for each file."""
        return await service.open_uploads(principal, request)

    @routes.post("/imports", status_code=status.HTTP_201_CREATED)
    async def open_imports(request: ImportsCreate, principal: Principal = editor) -> ImportsAccepted:
        """Give a presigned URL for each file that is to wait."""
        return await service.open_imports(principal, request)

    @routes.post("/batches", status_code=status.HTTP_202_ACCEPTED)
    async def ingest(request: IngestionCreate, principal: Principal = editor) -> JobAccepted:
        """Begin to take in many documents."""
        return await service.ingest(principal, request)


def _add_jobs(routes: APIRouter, service: Ingestor, authenticate: Authenticate) -> None:
    editor = Depends(requires(Permission.DOCUMENTS_WRITE, authenticate))

    @routes.post("/indexes/{name}/redrive", status_code=status.HTTP_202_ACCEPTED)
    async def redrive(name: str, principal: Principal = editor) -> Redriven:
        """Queue again what was given up."""
        return await service.redrive(principal, name)

    @routes.post("/indexes/{name}/sweep", status_code=status.HTTP_202_ACCEPTED)
    async def sweep(name: str, principal: Principal = editor) -> JobAccepted:
        """Begin to look for what nobody owns."""
        return await service.sweep(principal, name)

    @routes.post("/jobs/{job_id}/cancel", status_code=status.HTTP_202_ACCEPTED)
    async def cancel(job_id: str, principal: Principal = editor) -> JobAccepted:
        """Let an ingestion end."""
        return await service.cancel(principal, JobId(job_id))

    @routes.post("/jobs/{job_id}/retry", status_code=status.HTTP_202_ACCEPTED)
    async def retry(job_id: str, principal: Principal = editor) -> JobAccepted:
        """Let an ingestion start anew."""
        return await service.retry(principal, JobId(job_id))
