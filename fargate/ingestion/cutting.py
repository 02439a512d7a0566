"""From a parsed document to spans, to chunks, and to the texts that are embedded and searched."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from chalicelib.domain.documents import Chunk, Parent, ParsedDocument, Span
from chalicelib.domain.identifiers import AttemptId, ChunkId, DocumentId, chunk_id
from chalicelib.domain.indexes import ChunkContext
from chalicelib.errors import InvalidRequest
from chalicelib.ports.models import Embedder, Purpose
from fargate.ingestion.chunkers.chunker import Chunker
from fargate.ingestion.chunkers.tables import header_of

MAX_CHUNK_CHARACTERS = 8_000
"""At most 32 KB of UTF-8, so that a chunk fits beside its metadata into the 40 KB of an S3 Vectors entry."""

MAX_PARENT_CHARACTERS = 32_000
"""At most 192 KB of JSON, so that a parent's text fits beside a chunk's into the 400 KB of a table's item."""

MAX_CONTEXT_CHARACTERS = 300
MAX_LEAD_CHARACTERS = 200
_OPENING_CHARACTERS = 400
_EMBEDDED_AT_ONCE = 256
"""Few enough that other documents get their turn."""


async def spans_of(
    parsed: ParsedDocument, chunker: Chunker, embedder: Embedder, *, max_embedded_characters: int | None = None
) -> list[Span]:
    """
    Cut *parsed* by the tokens of *embedder*, with the embeddings that *chunker* asks for.

    Raises `InvalidRequest` when those would be of more than *max_embedded_characters*.
    """
    tokens = await asyncio.to_thread(embedder.token_spans, parsed.text)
    texts = await asyncio.to_thread(chunker.texts_to_embed, parsed, tokens)
    if max_embedded_characters is not None and sum(map(len, texts)) > max_embedded_characters:
        raise InvalidRequest(
            f"This chunker embeds the text before it cuts it, so at most {max_embedded_characters:,} characters can be "
            f"waited for, and the document has {len(parsed.text):,}; send a part of it as text."
        )
    vectors: list[bytes] = []
    for start in range(0, len(texts), _EMBEDDED_AT_ONCE):
        embedded = await embedder.embed(texts[start : start + _EMBEDDED_AT_ONCE], Purpose.DOCUMENT)
        vectors += embedded.vectors
    return await asyncio.to_thread(chunker.cut, parsed, tokens, vectors)


def name_chunks(
    parsed: ParsedDocument, spans: Iterable[Span], document_id: DocumentId, attempt: AttemptId
) -> list[Chunk]:
    """
    Give the chunks of *spans*, numbered in order, leaving out what holds only white space.

    A chunker counts tokens, and one token may be as long as the document (a word no tokenizer knows), so a span over
    `MAX_CHUNK_CHARACTERS` becomes several chunks, and a parent over `MAX_PARENT_CHARACTERS` is no parent.
    """
    pieces = [piece for span in spans for piece in _bounded(span) if parsed.text[piece.start : piece.end].strip()]
    chunks = [
        Chunk(
            chunk_id=chunk_id(attempt, ordinal),
            document_id=document_id,
            ordinal=ordinal,
            text=parsed.text[piece.start : piece.end],
            tokens=piece.tokens,
            start=piece.start,
            end=piece.end,
            kind=piece.kind,
            heading_path=piece.heading_path,
            page=piece.page,
            lead=_lead(parsed, before, piece),
        )
        for ordinal, (before, piece) in enumerate(zip([None, *pieces], pieces, strict=False))
    ]
    return list(_with_parents(parsed, pieces, _with_headers(parsed, chunks)))


def embedded_texts(title: str, chunks: Sequence[Chunk], context: ChunkContext) -> list[str]:
    """Give what is embedded and searched for each of *chunks* of a document called *title*."""
    if context is ChunkContext.NONE:
        return [embedded_text("", (), chunk.text, header=chunk.context) for chunk in chunks]
    return [embedded_text(title, chunk.heading_path, chunk.text, header=chunk.context) for chunk in chunks]


def embedded_text(title: str, heading_path: Sequence[str], text: str, *, header: str = "") -> str:
    """
    Give a chunk's *text* below the title and headings it stands under, and the *header* of the table it goes on with.

    Those that the text opens with are not said twice, nor a title without a letter in it (a file called 0815.txt).
    Where the embedder has no room for the whole, the end of the text is what it does not see; the chunk after it
    begins with that end, as chunks overlap.
    """
    opening = text[:_OPENING_CHARACTERS].casefold()
    above = dict.fromkeys(part.strip() for part in (title, *heading_path))
    missing = [part for part in above if part.casefold() not in opening and any(map(str.isalpha, part))]
    return "\n".join(part for part in (" > ".join(missing)[:MAX_CONTEXT_CHARACTERS], header, text) if part)


def _bounded(span: Span) -> Iterator[Span]:
    if span.end - span.start <= MAX_CHUNK_CHARACTERS:
        yield span
        return
    for start in range(span.start, span.end, MAX_CHUNK_CHARACTERS):
        end = min(start + MAX_CHUNK_CHARACTERS, span.end)
        tokens = max(1, span.tokens * (end - start) // (span.end - span.start))
        yield replace(span, start=start, end=end, tokens=tokens)


def _lead(parsed: ParsedDocument, before: Span | None, piece: Span) -> str | None:
    start = before.end if before else piece.start
    return parsed.text[start : piece.start] if piece.start - start <= MAX_LEAD_CHARACTERS else None


def _with_headers(parsed: ParsedDocument, chunks: Sequence[Chunk]) -> Iterator[Chunk]:
    """Give every chunk that begins within a table what stands above the table's columns."""
    starts = [block.start for block in parsed.blocks]
    for chunk in chunks:
        place = bisect_right(starts, chunk.start) - 1
        block = parsed.blocks[place] if place >= 0 else None
        within = block is not None and block.start < chunk.start < block.end
        yield replace(chunk, context=header_of(parsed.text, block)) if block and within else chunk


def _with_parents(parsed: ParsedDocument, pieces: Sequence[Span], chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Give every chunk its parent, whose text goes with the first of its chunks."""
    firsts: dict[tuple[int, int], ChunkId] = {}
    for piece, chunk in zip(pieces, chunks, strict=True):
        if piece.parent is None or piece.parent[1] - piece.parent[0] > MAX_PARENT_CHARACTERS:
            yield chunk
            continue
        start, end = piece.parent
        first = firsts.setdefault(piece.parent, chunk.chunk_id)
        text = parsed.text[start:end] if first == chunk.chunk_id else None
        yield replace(chunk, parent=Parent(start, end, first, text))
