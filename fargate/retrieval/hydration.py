"""
Hits to passages: the second look, at the rows as they stand now, that no forbidden or outdated passage gets past.

The search index may lag behind the rows: a document may have been deleted, published anew or given another access list
since its vectors were written. Only the rows decide, and no text is read before they did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chalicelib.domain.access import Principal
from chalicelib.domain.documents import Chunk, Document
from chalicelib.domain.identifiers import ChunkId, DocumentId
from chalicelib.domain.metadata import DOCUMENT_KEY
from chalicelib.domain.runs import Passage
from chalicelib.ports.vectors import Hit, VectorRecord
from chalicelib.repositories.chunks import Chunks
from chalicelib.repositories.documents import Documents


@dataclass(frozen=True, slots=True)
class Hydration:
    """Reads for one *principal*, from one *generation* of *index*."""

    documents: Documents
    chunks: Chunks
    principal: Principal
    index: str
    generation: int

    def passages(self, hits: Sequence[Hit]) -> dict[ChunkId, Passage]:
        """
        Give the passages of those *hits* that the principal may read now, without a score, in any order.

        A chunk that has a parent gives its parent's text and place, so several of them may give the same.
        """
        documents = self.documents.readable(self.principal, {document_of(hit) for hit in hits})
        wanted = {
            ChunkId(hit.key): document_of(hit)
            for hit in hits
            if self._readable(documents.get(document_of(hit)), ChunkId(hit.key))
        }
        return {
            chunk_id: _passage(chunk, documents[chunk.document_id])
            for chunk_id, chunk in self.chunks.as_read(self.principal.tenant, wanted).items()
        }

    def neighbours(self, wanted: Mapping[ChunkId, DocumentId]) -> dict[ChunkId, Chunk]:
        """Give those chunks that exist; *wanted* are of attempts whose passages the principal was given."""
        return self.chunks.batch_get(self.principal.tenant, wanted)

    def _readable(self, document: Document | None, chunk_id: ChunkId) -> bool:
        if document is None or document.published is None:
            return False
        return (
            document.index == self.index
            and document.published.generation == self.generation
            and document.published.shows(chunk_id)
        )


def document_of(hit: Hit | VectorRecord) -> DocumentId:
    """Give the document that an entry of the search index is of."""
    return DocumentId(str(hit.metadata.get(DOCUMENT_KEY, "-")))


def _passage(chunk: Chunk, document: Document) -> Passage:
    assert document.published is not None
    return Passage(
        chunk_id=chunk.chunk_id,
        document_id=document.document_id,
        external_id=document.external_id,
        name=document.name,
        version=document.published.version,
        page=chunk.page,
        heading_path=chunk.heading_path,
        text=chunk.text,
        start=chunk.start,
        end=chunk.end,
        context=chunk.context,
        score=0.0,
        metadata=document.metadata,
    )
