"""Documents, their versions and chunks, and the way to their bytes."""

from __future__ import annotations

from chalicelib.contracts.common import ListOf
from chalicelib.contracts.documents import (
    ChunkPreview,
    ChunkPreviewRequest,
    ChunkView,
    ContentView,
    DocumentAccepted,
    DocumentChange,
    DocumentCreate,
    DocumentPatch,
    DocumentVersionView,
    DocumentView,
    JobAccepted,
)
from chalicelib.contracts.queries import DocumentsQuery, NoQuery, PageQuery
from chalicelib.contracts.rendering import chunk_view, document_view, version_view
from chalicelib.domain.access import Permission, may_use_index
from chalicelib.domain.identifiers import DocumentId
from chalicelib.edge.operations import SAME_ANSWER, Call, Resource
from chalicelib.edge.reach import managed, readable
from chalicelib.errors import Conflict, NotFound
from chalicelib.repositories import keys
from chalicelib.repositories.documents import DocumentFilter

CONTENT_URL_S = 300

documents = Resource("documents", "Documents, and what is made of them")


@documents.post(
    "/documents",
    permission=Permission.DOCUMENTS_WRITE,
    body=DocumentCreate,
    returns=DocumentAccepted,
    status=202,
    repeat=SAME_ANSWER,
    raises=(NotFound, Conflict),
    summary="Submit a small document",
)
def create_document(call: Call[DocumentCreate]) -> DocumentAccepted:
    """
    At most 4 MiB, as `text` or as `content_base64`; larger files go through `POST /uploads`.

    The same `external_id` again makes a new version. It is searchable once the job has succeeded.
    """
    return call.edge.wait(call.edge.ingestor.submit(call.principal, call.input))


@documents.get(
    "/documents",
    permission=Permission.KNOWLEDGE_READ,
    query=DocumentsQuery,
    returns=ListOf[DocumentView],
    summary="List documents",
)
def list_documents(call: Call[DocumentsQuery]) -> ListOf[DocumentView]:
    """Newest first. Deleted documents show only when asked for by status."""
    asked = call.input
    if asked.index is not None and not may_use_index(call.principal, asked.index):
        return ListOf[DocumentView](items=[])
    holder = DocumentId(asked.attached_to) if asked.attached_to else None
    wanted = DocumentFilter(asked.index, asked.status, asked.external_id, asked.q, holder)
    found, cursor = call.edge.documents.list(call.principal.tenant, wanted, limit=asked.limit, cursor=asked.cursor)
    reached = [document_view(document) for document in found if may_use_index(call.principal, document.index)]
    return ListOf[DocumentView](items=reached, next_cursor=cursor)


@documents.get(
    "/documents/{document_id}",
    permission=Permission.KNOWLEDGE_READ,
    query=NoQuery,
    returns=DocumentView,
    summary="Read a document's record",
    revision=lambda document: document.revision,
)
def get_document(call: Call[NoQuery]) -> DocumentView:
    """Its state, not its text. A deleted document stays, with the status `deleted`."""
    return document_view(managed(call.edge, call.principal, call.path["document_id"]))


@documents.patch(
    "/documents/{document_id}",
    permission=Permission.DOCUMENTS_WRITE,
    body=DocumentPatch,
    returns=DocumentAccepted,
    status=202,
    summary="Change a document's metadata or access list",
    revision=lambda accepted: accepted.document.revision,
)
def change_document(call: Call[DocumentPatch]) -> DocumentAccepted:
    """
    What is given replaces what stood there as a whole, and what is left out stays; neither may be null.

    Who may read it changes at once; the job brings what is searched in line, and embeds nothing again. An attachment
    follows the document it was found in.
    """
    document = managed(call.edge, call.principal, call.path["document_id"])
    given = call.input.model_dump(exclude_unset=True)
    change = DocumentChange(**given, if_revision=call.if_match)
    return call.edge.wait(call.edge.ingestor.change(call.principal, document.document_id, change))


@documents.delete(
    "/documents/{document_id}",
    permission=Permission.DOCUMENTS_WRITE,
    returns=JobAccepted,
    status=202,
    summary="Delete a document",
)
def delete_document(call: Call[NoQuery]) -> JobAccepted:
    """No question is answered from it any more at once; the job removes what was stored and lists it in its result."""
    document = managed(call.edge, call.principal, call.path["document_id"])
    return call.edge.wait(call.edge.ingestor.delete(call.principal, document.document_id))


@documents.get(
    "/documents/{document_id}/chunks",
    permission=Permission.KNOWLEDGE_READ,
    query=PageQuery,
    returns=ListOf[ChunkView],
    summary="Read the chunks of a document",
)
def list_chunks(call: Call[PageQuery]) -> ListOf[ChunkView]:
    """In order, of the version that answers questions; needs membership in one of the document's groups."""
    document = readable(call.edge, call.principal, call.path["document_id"])
    if document.published is None:
        return ListOf[ChunkView](items=[])
    chunks, cursor = call.edge.chunks.page(
        call.principal.tenant,
        document.document_id,
        document.published.attempt,
        limit=call.input.limit,
        cursor=call.input.cursor,
    )
    shown = [chunk_view(chunk) for chunk in chunks if document.published.shows(chunk.chunk_id)]
    return ListOf[ChunkView](items=shown, next_cursor=cursor)


@documents.get(
    "/documents/{document_id}/versions",
    permission=Permission.KNOWLEDGE_READ,
    query=NoQuery,
    returns=ListOf[DocumentVersionView],
    summary="List the versions of a document",
)
def list_versions(call: Call[NoQuery]) -> ListOf[DocumentVersionView]:
    """Oldest first, all of them."""
    document = managed(call.edge, call.principal, call.path["document_id"])
    versions = call.edge.documents.versions(call.principal.tenant, document.document_id)
    return ListOf[DocumentVersionView](items=[version_view(version, document) for version in versions])


@documents.get(
    "/documents/{document_id}/content",
    permission=Permission.KNOWLEDGE_READ,
    query=NoQuery,
    returns=ContentView,
    summary="Find the bytes of a document",
)
def get_content(call: Call[NoQuery]) -> ContentView:
    """
    A URL that gives the version that answers questions, as it was sent, for five minutes.

    Needs membership in one of the document's groups.
    """
    edge, tenant = call.edge, call.principal.tenant
    document = readable(edge, call.principal, call.path["document_id"])
    if document.published is None:
        raise NotFound(f"Document {document.document_id} has no version that answers questions yet.")
    version = edge.documents.version(tenant, document.document_id, document.published.version)
    blob = keys.raw_blob(tenant, document.document_id, version.attempt)
    presigned = edge.blobs.presign_download(blob, name=version.name, expires_s=CONTENT_URL_S)
    return ContentView(url=presigned.url, expires_at=presigned.expires_at)


@documents.post(
    "/chunk-previews",
    permission=Permission.KNOWLEDGE_READ,
    body=ChunkPreviewRequest,
    returns=ChunkPreview,
    raises=(NotFound,),
    summary="Try a chunker",
)
def preview_chunks(call: Call[ChunkPreviewRequest]) -> ChunkPreview:
    """Cuts a text, or a document that the caller may read, and stores nothing."""
    if call.input.document_id is not None:
        readable(call.edge, call.principal, DocumentId(call.input.document_id))
    return call.edge.wait(call.edge.ingestor.preview(call.principal, call.input))
