"""The `page` chunker: a chunk for each page, so that what is found is what a reader turns to."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from pydantic import Field

from chalicelib.domain.documents import Block, ParsedDocument, Span
from chalicelib.ports.models import TokenSpans
from fargate.ingestion.chunkers.chunker import Chunker
from fargate.ingestion.chunkers.parameters import MAX_TOKENS, Budget
from fargate.ingestion.chunkers.structure import StructureChunker, StructureParameters
from fargate.ingestion.chunkers.tokens import Tokens
from fargate.ingestion.chunkers.units import section, span_over


class PageParameters(Budget):
    """How large a page may be before it is cut, and what its pieces then repeat."""

    max_tokens: int = Field(1024, ge=16, le=MAX_TOKENS, description="A page that is larger is cut")


class PageChunker(Chunker):
    """Takes each page as it is; one over the budget, and all that has no pages, is cut as `structure` does."""

    def __init__(self, parameters: PageParameters) -> None:
        self._parameters = parameters
        self._structure = StructureChunker(
            StructureParameters(max_tokens=parameters.max_tokens, overlap_tokens=parameters.overlap_tokens)
        )

    def cut(self, parsed: ParsedDocument, tokens: TokenSpans, _vectors: Sequence[bytes] = (), /) -> list[Span]:
        """See `Chunker.cut`."""
        counter = Tokens(parsed.text, tokens)
        spans: list[Span] = []
        for page, blocks in groupby(parsed.blocks, lambda block: block.page):
            spans += self._page(parsed, page, list(blocks), tokens, counter)
        return spans

    def _page(
        self, parsed: ParsedDocument, page: int | None, blocks: Sequence[Block], tokens: TokenSpans, counter: Tokens
    ) -> list[Span]:
        start, end = blocks[0].start, blocks[-1].end
        if page is not None and counter.count(start, end) <= self._parameters.max_tokens:
            return [span_over(start, end, blocks, counter)]
        return self._structure.cut(section(parsed, blocks, start, end), tokens)
