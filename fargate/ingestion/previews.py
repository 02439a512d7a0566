"""What a chunker would make of a text or of a document; nothing is stored."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from chalicelib.contracts.documents import MAX_PREVIEW_CHARACTERS, ChunkPreview, ChunkPreviewRequest
from chalicelib.contracts.rendering import chunk_view
from chalicelib.domain.access import Principal
from chalicelib.domain.documents import ParsedDocument
from chalicelib.domain.identifiers import AttemptId, DocumentId
from chalicelib.domain.indexes import Component, Recipe
from chalicelib.errors import DocumentRejected, InvalidRequest
from chalicelib.repositories.documents import missing
from fargate.ingestion.cutting import name_chunks, spans_of
from fargate.ingestion.reach import document_in_reach
from fargate.ingestion.stores import Stores
from fargate.ingestion.tools import Tools

_NOBODY = DocumentId("doc_preview")
_NO_ATTEMPT = AttemptId("att_preview")


class Previews:
    """Cuts without keeping."""

    def __init__(self, stores: Stores, tools: Tools) -> None:
        self._stores = stores
        self._tools = tools

    async def preview(self, principal: Principal, request: ChunkPreviewRequest) -> ChunkPreview:
        """See `Ingestor.preview`. A text is read as Markdown, and its tokens are those of the default embedder."""
        chunker = self._tools.chunkers.get(request.chunker.entity())
        if request.document_id is None:
            parsed, chosen = await self._parse(request.text or "", request.language), Recipe().embedder
        else:
            parsed, chosen = await asyncio.to_thread(self._stored, principal, DocumentId(request.document_id))
        embedder = self._tools.embedder(chosen)
        spans = await spans_of(parsed, chunker, embedder, max_embedded_characters=MAX_PREVIEW_CHARACTERS)
        chunks = name_chunks(parsed, spans, _NOBODY, _NO_ATTEMPT)
        return ChunkPreview(items=[chunk_view(chunk) for chunk in chunks])

    async def _parse(self, text: str, language: str) -> ParsedDocument:
        with tempfile.TemporaryDirectory(prefix="ragstone-") as folder:
            path = Path(folder) / "text.md"
            await asyncio.to_thread(path.write_text, text, encoding="utf-8")
            try:
                return await self._tools.sandbox.parse(
                    path, name=path.name, media_type="text/markdown", language=language
                )
            except DocumentRejected as rejected:
                raise InvalidRequest(
                    f"text: {rejected.detail}", [{"loc": "text", "msg": rejected.detail}]
                ) from rejected

    def _stored(self, principal: Principal, document_id: DocumentId) -> tuple[ParsedDocument, Component]:
        _, index = document_in_reach(self._stores, principal, document_id)
        document = self._stores.documents.readable(principal, [document_id]).get(document_id)
        if document is None or document.published is None:
            raise missing(document_id)
        parsed = self._stores.parsed.get(principal.tenant, document_id, document.published.attempt)
        return parsed, index.generation.recipe.embedder
