"""From spans to chunks, and to the texts that are embedded and searched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from chalicelib.domain.documents import Chunk, ParsedDocument, Span
from chalicelib.domain.identifiers import AttemptId, DocumentId, chunk_id

MAX_CHUNK_CHARACTERS = 8_000
"""At most 32 KB of UTF-8, so that a chunk fits beside its metadata into the 40 KB of an S3 Vectors entry."""

MAX_CONTEXT_CHARACTERS = 300
_OPENING_CHARACTERS = 400


def name_chunks(
    parsed: ParsedDocument, spans: Iterable[Span], document_id: DocumentId, attempt: AttemptId
) -> list[Chunk]:
    """
    Give the chunks of *spans*, numbered in order, leaving out what holds only white space.

    A chunker counts tokens, and one token may be as long as the document (a word no tokenizer knows), so a span over
    `MAX_CHUNK_CHARACTERS` becomes several chunks.
    """
    pieces = [piece for span in spans for piece in _bounded(span) if not parsed.text[piece.start : piece.end].isspace()]
    return [
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
        )
        for ordinal, piece in enumerate(pieces)
    ]


def embedded_text(title: str, heading_path: Sequence[str], text: str) -> str:
    """
    Give what is embedded and searched for a chunk: its *text* below the title and headings it stands under.

    Those that the text opens with are not said twice, nor a title without a letter in it (a file called 0815.txt).
    Where the embedder has no room for the whole, the end of the text is what it does not see; the chunk after it
    begins with that end, as chunks overlap.
    """
    opening = text[:_OPENING_CHARACTERS].casefold()
    above = dict.fromkeys(part.strip() for part in (title, *heading_path))
    missing = [part for part in above if part.casefold() not in opening and any(map(str.isalpha, part))]
    return f"{' > '.join(missing)[:MAX_CONTEXT_CHARACTERS]}\n{text}" if missing else text


def _bounded(span: Span) -> Iterator[Span]:
    if span.end - span.start <= MAX_CHUNK_CHARACTERS:
        yield span
        return
    for start in range(span.start, span.end, MAX_CHUNK_CHARACTERS):
        end = min(start + MAX_CHUNK_CHARACTERS, span.end)
        tokens = max(1, span.tokens * (end - start) // (span.end - span.start))
        yield replace(span, start=start, end=end, tokens=tokens)
