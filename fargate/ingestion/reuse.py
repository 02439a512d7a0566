"""Vectors for the chunks of a version: those of the version before where the text is the same, the rest embedded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from hashlib import sha256

from chalicelib.domain.documents import Published
from chalicelib.domain.identifiers import chunk_id
from chalicelib.observability.spans import span
from chalicelib.ports.models import Embedder, Purpose
from chalicelib.ports.vectors import MAX_GET, VectorIndex, VectorIndexName


class EarlierVectors:
    """
    The vectors of the version that readers see, by the text that was embedded for them.

    They are read once, when they are first asked for. Those of another generation are not in *index*, so nothing of
    another embedder is ever taken over.
    """

    def __init__(self, vectors: VectorIndex, index: VectorIndexName, published: Published | None) -> None:
        self._vectors = vectors
        self._index = index
        self._published = published
        self._by_text: dict[bytes, bytes] | None = None

    def among(self, texts: Sequence[str]) -> dict[str, bytes]:
        """Give the vectors of those *texts* that were embedded before."""
        if self._by_text is None:
            self._by_text = self._read()
        found = {text: self._by_text.get(_digest(text)) for text in texts}
        return {text: vector for text, vector in found.items() if vector is not None}

    def _read(self) -> dict[bytes, bytes]:
        published = self._published
        wanted = [chunk_id(published.attempt, number) for number in range(published.chunks)] if published else []
        pages = [wanted[start : start + MAX_GET] for start in range(0, len(wanted), MAX_GET)]
        return {_digest(one.text): one.vector for page in pages for one in self._vectors.get(self._index, page)}


async def vectors_of(texts: Sequence[str], earlier: EarlierVectors, embedder: Embedder) -> tuple[list[bytes], int]:
    """
    Give the vector of each text, and how many texts had to be embedded. Raises what the store and *embedder* raise.
    """
    found = await asyncio.to_thread(earlier.among, texts)
    missing = [text for text in dict.fromkeys(texts) if text not in found]
    if missing:
        with span("ingestion.embed", chunks=len(missing)):
            embeddings = await embedder.embed(missing, Purpose.DOCUMENT)
        found.update(zip(missing, embeddings.vectors, strict=True))
    return [found[text] for text in texts], len(missing)


def _digest(text: str) -> bytes:
    return sha256(text.encode()).digest()
