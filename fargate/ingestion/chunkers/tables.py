"""What a piece from the middle of a table has to know: the header that stands above its columns."""

from __future__ import annotations

from chalicelib.domain.documents import Block
from fargate.ingestion.chunkers.tokens import Tokens

MAX_HEADER_CHARACTERS = 400
_CELLS = " | "


def header_of(text: str, block: Block) -> str:
    """Give the header rows of a table, bounded, cut between cells where there is more; empty for other blocks."""
    if block.header_end is None:
        return ""
    header = text[block.start : block.header_end]
    if len(header) <= MAX_HEADER_CHARACTERS:
        return header
    bounded = header[:MAX_HEADER_CHARACTERS]
    return (bounded.rpartition(_CELLS)[0] or bounded).rstrip()


def header_tokens(text: str, block: Block, counter: Tokens) -> int:
    """Count the tokens that each later piece of *block* is embedded with in front of it."""
    return counter.count(block.start, block.start + len(header_of(text, block)))
