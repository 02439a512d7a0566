"""Passages as retrieval gives them, without retrieval."""

from __future__ import annotations

from chalicelib.domain.identifiers import ChunkId, DocumentId
from chalicelib.domain.runs import Passage, Reasons


def passage(text: str, number: int = 1, *, start: int = 0, cosine: float | None = None) -> Passage:
    """Give a passage that stands at *start* of its document's text, of the *cosine* that the dense leg knows."""
    return Passage(
        chunk_id=ChunkId(f"chk_{number}_00000"),
        document_id=DocumentId(f"doc_{number}"),
        external_id=None,
        name=f"document {number}",
        version=1,
        page=None,
        heading_path=("Top",),
        text=text,
        start=start,
        end=start + len(text),
        score=0.5,
        reasons=Reasons(dense_score=cosine),
    )
