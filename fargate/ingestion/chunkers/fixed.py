"""The `fixed` chunker: windows of so many tokens over the whole text, whatever stands in them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from chalicelib.domain.documents import Block, BlockKind, ParsedDocument, Span
from chalicelib.ports.models import TokenSpans
from fargate.ingestion.chunkers.chunker import Chunker
from fargate.ingestion.chunkers.parameters import Budget
from fargate.ingestion.chunkers.tokens import Tokens
from fargate.ingestion.chunkers.units import after


class FixedParameters(Budget):
    """How large a window is, and what it repeats of the one before."""


class FixedChunker(Chunker):
    """Cuts between words, each window repeating the end of the one before; a baseline to compare others with."""

    def __init__(self, parameters: FixedParameters) -> None:
        self._parameters = parameters

    def cut(self, parsed: ParsedDocument, tokens: TokenSpans, _vectors: Sequence[bytes] = (), /) -> list[Span]:
        """See `Chunker.cut`."""
        text, counter = parsed.text, Tokens(parsed.text, tokens)
        starts = [block.start for block in parsed.blocks]
        spans: list[Span] = []
        start = after(text, 0)
        while start < len(text):
            end = counter.fit(start, len(text), self._parameters.max_tokens)
            stop = start + len(text[start:end].rstrip())
            if spans and stop <= spans[-1].end:  # the overlap left no room for the next word: go on without it
                start = after(text, spans[-1].end)
                continue
            block = parsed.blocks[max(0, bisect_right(starts, start) - 1)] if parsed.blocks else _NOWHERE
            spans.append(Span(start, stop, counter.count(start, stop), block.kind, block.heading_path, block.page))
            following = after(text, end)
            if following == len(text):
                break
            start = max(start + 1, after(text, counter.back(start + 1, end, self._parameters.overlap_tokens)))
        return spans


_NOWHERE = Block(BlockKind.TEXT, 0, 0)
