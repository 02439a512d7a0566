"""Parsed texts with their blocks, one blob for each version that was parsed."""

from __future__ import annotations

from pydantic import TypeAdapter

from chalicelib.domain.access import Tenant
from chalicelib.domain.documents import ParsedDocument
from chalicelib.domain.identifiers import AttemptId, DocumentId
from chalicelib.ports.blobs import BlobStore
from chalicelib.repositories import keys

_parsed = TypeAdapter(ParsedDocument)


class ParsedDocuments:
    """The parsed documents of all tenants, one tenant at a time."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    def put(self, tenant: Tenant, document_id: DocumentId, attempt: AttemptId, parsed: ParsedDocument) -> None:
        """Store what *attempt* parsed; doing it again changes nothing."""
        self._blobs.put(keys.text_blob(tenant, document_id, attempt), _parsed.dump_json(parsed))

    def get(self, tenant: Tenant, document_id: DocumentId, attempt: AttemptId) -> ParsedDocument:
        """Give what *attempt* parsed. Raises `NotFound`."""
        return _parsed.validate_json(self._blobs.get(keys.text_blob(tenant, document_id, attempt)))
