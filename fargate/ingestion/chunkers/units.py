"""The smallest pieces a document is cut into for packing: sentences, rows, items and lines, none over the budget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from chalicelib.domain.documents import Block, BlockKind, ParsedDocument, Span
from fargate.ingestion.chunkers.boundaries import lines, sentences
from fargate.ingestion.chunkers.tables import header_tokens
from fargate.ingestion.chunkers.tokens import Tokens

_RUNNING = (BlockKind.TEXT, BlockKind.HEADING)
_HEADER_SHARE = 2


@dataclass(frozen=True, slots=True)
class Unit:
    """A piece that is cut no further, and the block it stands in."""

    start: int
    end: int
    block: Block


def units(parsed: ParsedDocument, counter: Tokens, budget: int) -> list[Unit]:
    """Part every block of *parsed* in the order of the text; what is over *budget* is parted between words."""
    return [
        Unit(start, end, block)
        for block in parsed.blocks
        for start, end in units_of(parsed.text, block, counter, budget)
    ]


def units_of(text: str, block: Block, counter: Tokens, budget: int) -> Iterator[tuple[int, int]]:
    """Part a block into sentences or lines; one that is over *budget* is parted further."""
    running = is_running(block)
    for start, end in (sentences if running else lines)(text, block.start, block.end):
        if counter.count(start, end) <= budget:
            yield start, end
        elif running:
            yield from _by_tokens(text, start, end, budget, counter)
        else:
            for first, last in sentences(text, start, end):
                yield from _by_tokens(text, first, last, budget, counter)


def is_running(block: Block) -> bool:
    """Say whether *block* is made of sentences, which may be repeated for the flow of reading, or of lines."""
    return block.kind in _RUNNING


def room_below_header(text: str, block: Block, counter: Tokens, budget: int) -> int:
    """Give how much of *budget* a later piece of *block* may use, since a table's header is embedded in front of it."""
    return budget - min(header_tokens(text, block, counter), budget // _HEADER_SHARE)


def after(text: str, place: int) -> int:
    """Give the next place at or behind *place* that is not white space."""
    while place < len(text) and text[place].isspace():
        place += 1
    return place


def span_over(start: int, end: int, blocks: Sequence[Block], counter: Tokens) -> Span:
    """Give the span over (parts of) *blocks*; what it is called by and its page are the first one's."""
    kind = next((block.kind for block in blocks if block.kind is not BlockKind.HEADING), BlockKind.HEADING)
    return Span(start, end, counter.count(start, end), kind, blocks[0].heading_path, blocks[0].page)


def section(parsed: ParsedDocument, blocks: Sequence[Block], start: int, end: int) -> ParsedDocument:
    """Give the document with nothing but what of *blocks* stands from *start* to *end*; places stay what they are."""
    within = (replace(one, start=max(start, one.start), end=min(end, one.end)) for one in blocks)
    return replace(parsed, blocks=tuple(one for one in within if one.start < one.end))


def _by_tokens(text: str, start: int, end: int, budget: int, counter: Tokens) -> Iterator[tuple[int, int]]:
    while start < end:
        cut = counter.fit(start, end, budget)
        yield start, start + len(text[start:cut].rstrip())
        start = after(text, cut)
