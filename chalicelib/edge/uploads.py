"""Uploads: large files, sent straight to the object store."""

from __future__ import annotations

from chalicelib.contracts.documents import UploadsAccepted, UploadsCreate
from chalicelib.domain.access import Permission
from chalicelib.edge.operations import SAME_ANSWER, Call, Resource
from chalicelib.errors import Conflict, NotFound

uploads = Resource("uploads", "Large files, sent straight to the object store")


@uploads.post(
    "/uploads",
    permission=Permission.DOCUMENTS_WRITE,
    body=UploadsCreate,
    returns=UploadsAccepted,
    status=201,
    repeat=SAME_ANSWER,
    raises=(NotFound, Conflict),
    summary="Open uploads",
)
def create_uploads(call: Call[UploadsCreate]) -> UploadsAccepted:
    """Gives a presigned URL for each file; a file's ingestion starts when its bytes arrive."""
    return call.edge.wait(call.edge.ingestor.open_uploads(call.principal, call.input))
