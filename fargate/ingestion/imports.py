"""The import area of an index: files that wait there until a batch takes them over."""

from __future__ import annotations

from chalicelib.contracts.documents import MAX_UPLOAD_BYTES
from chalicelib.contracts.ingestions import ImportsAccepted, ImportsCreate, ImportView
from chalicelib.domain.access import Tenant
from chalicelib.domain.documents import DocumentStatus, Rejection
from chalicelib.domain.identifiers import ingested_by
from chalicelib.domain.jobs import Job
from chalicelib.errors import NotFound
from chalicelib.ports.blobs import Bucket, UploadTerms
from chalicelib.repositories import keys
from fargate.ingestion.stores import Stores

_DELETED_AT_ONCE = 100


def open_imports(stores: Stores, tenant: Tenant, request: ImportsCreate, *, expires_s: int) -> ImportsAccepted:
    """Give a presigned URL for each file."""
    views = []
    for file in request.files:
        key = keys.import_blob(tenant, request.index, file.path)
        terms = UploadTerms(file.size_bytes, file.media_type or "application/octet-stream", file.sha256)
        presigned = stores.blobs.presign_upload(key, terms, expires_s=expires_s)
        views.append(
            ImportView(
                path=file.path,
                method="POST" if presigned.method == "POST" else "PUT",
                url=presigned.url,
                headers=dict(presigned.headers),
                fields=dict(presigned.fields),
                expires_at=presigned.expires_at,
            )
        )
    return ImportsAccepted(imports=views)


def take_over(stores: Stores, tenant: Tenant, job: Job) -> Rejection | None:
    """
    Copy the bytes of *job*'s document from the import area, unless they are here; say why where that cannot be.

    The file there may change or go afterwards. Never more than a piece of it is held.
    """
    assert job.document_id is not None
    assert job.index is not None
    raw = keys.raw_blob(tenant, job.document_id, ingested_by(job.job_id))
    document = stores.documents.get(tenant, job.document_id)
    if job.source is None or document.status is DocumentStatus.DELETED or stores.blobs.head(raw) is not None:
        return None
    source = keys.import_blob(tenant, job.index, job.source)
    info = stores.blobs.head(source)
    if info is not None and info.size_bytes > MAX_UPLOAD_BYTES:
        return too_large(info.size_bytes)
    try:
        with stores.blobs.open(source) as stream:
            stores.blobs.put(raw, stream)
    except NotFound:
        return Rejection("source_missing", f"There is no file {job.source!r} in the import area any more.")
    return None


def too_large(size_bytes: int) -> Rejection:
    """Say that a file of *size_bytes* cannot be taken over."""
    return Rejection("too_large", f"The file has {size_bytes} bytes; at most {MAX_UPLOAD_BYTES} can be taken.")


def clear(stores: Stores, tenant: Tenant, index: str) -> None:
    """Remove the import area of an index that is being deleted."""
    doomed = [info.key for info in stores.blobs.list(Bucket.IMPORTS, keys.imports_of(tenant, index))]
    for start in range(0, len(doomed), _DELETED_AT_ONCE):
        stores.blobs.delete(doomed[start : start + _DELETED_AT_ONCE])
