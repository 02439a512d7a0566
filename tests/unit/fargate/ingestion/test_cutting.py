"""From parsed documents to chunks: what stands in a chunk, what is searched with it, and what it is read in."""

from __future__ import annotations

import asyncio

import pytest

from chalicelib.domain.documents import Block, BlockKind, Chunk, ParsedDocument, Span
from chalicelib.domain.identifiers import AttemptId, DocumentId
from chalicelib.domain.indexes import ChunkContext, Component
from chalicelib.errors import InvalidRequest
from fargate.ingestion.chunkers import registry
from fargate.ingestion.chunkers.tables import MAX_HEADER_CHARACTERS
from fargate.ingestion.cutting import MAX_PARENT_CHARACTERS, embedded_texts, name_chunks, spans_of
from tests.fakes.embedder import BagOfWords

HEADER = "size | price"
ROWS = [f"size {number} | {number} EUR" for number in range(12)]


def table(header: str = HEADER) -> ParsedDocument:
    """Give a paragraph, and a table with a header below it."""
    lead = "What things cost."
    body = "\n".join([header, *ROWS])
    start = len(lead) + 2
    blocks = (
        Block(BlockKind.TEXT, 0, len(lead)),
        Block(BlockKind.TABLE, start, start + len(body), ("Prices",), header_end=start + len(header)),
    )
    return ParsedDocument(f"{lead}\n\n{body}", blocks, "Goods", "text/plain")


def chunks_of(parsed: ParsedDocument, name: str, **parameters: int) -> list[Chunk]:
    """Cut and name."""
    spans = asyncio.run(spans_of(parsed, registry.get(Component(name, parameters)), BagOfWords()))
    return name_chunks(parsed, spans, DocumentId("doc_1"), AttemptId("att_1"))


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("structure", {"max_tokens": 16, "overlap_tokens": 0}),
        ("fixed", {"max_tokens": 16, "overlap_tokens": 4}),
        ("sentence", {"max_tokens": 16}),
        ("page", {"max_tokens": 16, "overlap_tokens": 0}),
        ("parent_child", {"child_tokens": 16, "parent_tokens": 32}),
        ("semantic", {"max_tokens": 16, "min_tokens": 4}),
    ],
)
def test_every_later_piece_of_a_table_knows_its_header(name: str, parameters: dict[str, int]) -> None:
    """Whatever cut it; the text stays exactly what stands in the document."""
    parsed = table()
    chunks = chunks_of(parsed, name, **parameters)
    start = parsed.blocks[1].start
    later = [chunk for chunk in chunks if chunk.start > start]
    assert len(later) > 1
    assert {chunk.context for chunk in later} == {HEADER}
    assert {chunk.context for chunk in chunks if chunk.start <= start} == {""}
    assert all(chunk.text == parsed.text[chunk.start : chunk.end] for chunk in chunks)


def test_the_header_is_embedded_below_the_headings() -> None:
    """Title, headings, header, text; without headings the header stays, since rows say little without it."""
    last = chunks_of(table(), "structure", max_tokens=16, overlap_tokens=0)[-1]
    assert embedded_texts("Goods", [last], ChunkContext.HEADINGS) == [f"Goods > Prices\n{HEADER}\n{last.text}"]
    assert embedded_texts("Goods", [last], ChunkContext.NONE) == [f"{HEADER}\n{last.text}"]


def test_a_long_header_is_cut_between_cells() -> None:
    """So that it leaves room for the rows."""
    cells = [f"column {number}" for number in range(100)]
    last = chunks_of(table(" | ".join(cells)), "structure", max_tokens=128, overlap_tokens=0)[-1]
    assert len(last.context) <= MAX_HEADER_CHARACTERS
    assert last.context.split(" | ") == cells[: last.context.count(" | ") + 1]


def test_the_text_of_a_parent_goes_with_its_first_chunk_alone() -> None:
    """Every child names that chunk, and the parent's place."""
    parsed = table()
    chunks = chunks_of(parsed, "parent_child", child_tokens=16, parent_tokens=32)
    parents = [chunk.parent for chunk in chunks if chunk.parent]
    assert len(parents) == len(chunks)
    texts = {parent.first: parent.text for parent in parents if parent.text is not None}
    assert {chunk.chunk_id for chunk in chunks if chunk.parent and chunk.parent.text is not None} == set(texts)
    assert all(texts[parent.first] == parsed.text[parent.start : parent.end] for parent in parents)
    assert 1 < len(texts) < len(chunks)


def test_a_parent_too_long_for_a_row_is_none() -> None:
    """A word without end is one token; its pieces are read by themselves."""
    text = "x" * (MAX_PARENT_CHARACTERS + 1)
    parsed = ParsedDocument(text, (Block(BlockKind.TEXT, 0, len(text)),), "t", "text/plain")
    span = Span(0, len(text), 1, BlockKind.TEXT, (), None, parent=(0, len(text)))
    chunks = name_chunks(parsed, [span], DocumentId("doc_1"), AttemptId("att_1"))
    assert {chunk.parent for chunk in chunks} == {None}


def test_more_text_than_can_be_waited_for_is_not_embedded() -> None:
    """The remedy is named; a chunker that embeds nothing takes any text."""
    parsed, embedder = table(), BagOfWords()
    semantic, structure = registry.get(Component("semantic")), registry.get(Component("structure"))
    with pytest.raises(InvalidRequest, match="send a part of it as text"):
        asyncio.run(spans_of(parsed, semantic, embedder, max_embedded_characters=100))
    assert asyncio.run(spans_of(parsed, structure, embedder, max_embedded_characters=100))
