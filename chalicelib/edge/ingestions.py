"""Batches of documents, and the files that wait to be taken in by one."""

from __future__ import annotations

from chalicelib.contracts.documents import JobAccepted
from chalicelib.contracts.ingestions import ImportsAccepted, ImportsCreate, IngestionCreate
from chalicelib.domain.access import Permission
from chalicelib.edge.operations import SAME_ANSWER, Call, Resource
from chalicelib.errors import Conflict, NotFound

ingestions = Resource("ingestions", "Many documents at once")


@ingestions.post(
    "/imports",
    permission=Permission.DOCUMENTS_WRITE,
    body=ImportsCreate,
    returns=ImportsAccepted,
    status=201,
    repeat=SAME_ANSWER,
    raises=(NotFound, Conflict),
    summary="Put files into the import area",
)
def create_imports(call: Call[ImportsCreate]) -> ImportsAccepted:
    """
    Gives a presigned URL for each file. Files wait in the import area of their index until `POST /ingestions` names
    them, and stay there until they are replaced or the index is deleted.
    """
    return call.edge.wait(call.edge.ingestor.open_imports(call.principal, call.input))


@ingestions.post(
    "/ingestions",
    permission=Permission.DOCUMENTS_WRITE,
    body=IngestionCreate,
    returns=JobAccepted,
    status=202,
    repeat=SAME_ANSWER,
    raises=(NotFound, Conflict),
    summary="Take in many documents",
)
def create_ingestion(call: Call[IngestionCreate]) -> JobAccepted:
    """
    By one job, whose children (`GET /jobs?parent=`) are one document each: those sent here (up to 1,000, within the
    limit of a request), those a manifest lists (JSON lines, up to 100,000, with `text`, `content_base64` or the
    `source` of a file in the import area), or all files of the import area under a prefix.

    A bad line fails as a child and stops no other. The job succeeds when all its children have ended; its result counts
    them and gives the first 100 failures.
    """
    return call.edge.wait(call.edge.ingestor.ingest(call.principal, call.input))
