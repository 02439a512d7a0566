"""The `fixed` chunker: windows of so many tokens over the whole text, whatever stands in them."""

from __future__ import annotations

from bisect import bisect_right

from chalicelib.domain.documents import Block, BlockKind, ParsedDocument, Span
from chalicelib.ports.models import TokenSpans
from fargate.ingestion.chunkers.parameters import Budget
from fargate.ingestion.chunkers.tokens import Tokens


class FixedChunker:
    """Cuts between words, each window repeating the end of the one before; a baseline to compare others with."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def cut(self, parsed: ParsedDocument, tokens: TokenSpans) -> list[Span]:
        """See `Chunker.cut`."""
        text, counter = parsed.text, Tokens(parsed.text, tokens)
        starts = [block.start for block in parsed.blocks]
        spans: list[Span] = []
        start = _skip(text, 0)
        while start < len(text):
            end = counter.fit(start, len(text), self._budget.max_tokens)
            stop = start + len(text[start:end].rstrip())
            if spans and stop <= spans[-1].end:  # the overlap left no room for the next word: go on without it
                start = _skip(text, spans[-1].end)
                continue
            block = parsed.blocks[max(0, bisect_right(starts, start) - 1)] if parsed.blocks else _NOWHERE
            spans.append(Span(start, stop, counter.count(start, stop), block.kind, block.heading_path, block.page))
            following = _skip(text, end)
            if following == len(text):
                break
            start = max(start + 1, _skip(text, counter.back(start + 1, end, self._budget.overlap_tokens)))
        return spans


_NOWHERE = Block(BlockKind.TEXT, 0, 0)


def _skip(text: str, place: int) -> int:
    """Give the next place at or behind *place* that is not white space."""
    while place < len(text) and text[place].isspace():
        place += 1
    return place
