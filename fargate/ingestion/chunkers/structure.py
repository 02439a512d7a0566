"""The `structure` chunker: whole paragraphs, tables and sections where they fit, clean cuts where they do not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chalicelib.domain.documents import Block, BlockKind, ParsedDocument, Span
from chalicelib.ports.models import TokenSpans
from fargate.ingestion.chunkers.boundaries import sentences
from fargate.ingestion.chunkers.chunker import Chunker
from fargate.ingestion.chunkers.parameters import Budget
from fargate.ingestion.chunkers.tokens import Tokens
from fargate.ingestion.chunkers.units import after, is_running, room_below_header, units_of

_TOP_LEVEL = 2
"""Sections this deep are a document's chapters: the first level is usually its title."""
_FULL_ENOUGH = 0.5
_FULL_ENOUGH_AT_CHAPTER = 0.25
"""Which part of the budget a chunk must have used before it gives way to the next section, or chapter."""
_HEADINGS_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class _Piece:
    """A block or part of one, with the headings that open it in front."""

    start: int
    end: int
    block: Block
    kind: BlockKind
    opens: bool = False
    """A section begins here."""
    continues: bool = False
    """A block goes on here that was cut."""


class StructureParameters(Budget):
    """How large chunks may grow, and what the pieces of a text that had to be cut repeat."""


class StructureChunker(Chunker):
    """
    Packs neighbouring blocks up to the budget, and begins a new chunk at a section once the last is full enough.

    Headings stay with what follows them. A block over the budget is cut between sentences (running text, with
    overlap) or lines (tables, lists, code), and only where one of these is over it, between words. No chunk crosses
    a page, since a citation names one.
    """

    def __init__(self, parameters: StructureParameters) -> None:
        self._parameters = parameters

    def cut(self, parsed: ParsedDocument, tokens: TokenSpans, _vectors: Sequence[bytes] = (), /) -> list[Span]:
        """See `Chunker.cut`."""
        counter = Tokens(parsed.text, tokens)
        spans: list[Span] = []
        group: list[_Piece] = []
        for piece in self._pieces(parsed, counter):
            if group and self._breaks(group, piece, counter):
                spans.append(_span(group, counter))
                group = []
            group.append(piece)
        return [*spans, _span(group, counter)] if group else spans

    def _breaks(self, group: Sequence[_Piece], piece: _Piece, counter: Tokens) -> bool:
        first = group[0]
        if piece.continues or piece.block.page != first.block.page:
            return True
        if counter.count(first.start, piece.end) > self._parameters.max_tokens:
            return True
        chapter = len(piece.block.heading_path) <= _TOP_LEVEL
        enough = _FULL_ENOUGH_AT_CHAPTER if chapter else _FULL_ENOUGH
        return piece.opens and counter.count(first.start, group[-1].end) >= enough * self._parameters.max_tokens

    def _pieces(self, parsed: ParsedDocument, counter: Tokens) -> Iterator[_Piece]:
        headings: list[Block] = []
        for block in parsed.blocks:
            if headings and (block.page != headings[0].page or self._too_large(headings, counter)):
                yield from self._cut_block(parsed.text, headings[:-1], headings[-1], counter)
                headings = []
            if block.kind is BlockKind.HEADING:
                headings.append(block)
            else:
                yield from self._cut_block(parsed.text, headings, block, counter)
                headings = []
        if headings:
            yield from self._cut_block(parsed.text, headings[:-1], headings[-1], counter)

    def _too_large(self, headings: Sequence[Block], counter: Tokens) -> bool:
        return counter.count(headings[0].start, headings[-1].end) > _HEADINGS_SHARE * self._parameters.max_tokens

    def _cut_block(self, text: str, headings: Sequence[Block], block: Block, counter: Tokens) -> Iterator[_Piece]:
        """Give *block*, whole or cut, with *headings* in front of its first piece."""
        first = headings[0] if headings else block
        opens = first.kind is BlockKind.HEADING
        reserved = counter.count(first.start, block.start)
        if counter.count(first.start, block.end) <= self._parameters.max_tokens:
            yield _Piece(first.start, block.end, first, block.kind, opens)
            return
        for place, (start, end) in enumerate(self._cut(text, block, counter, reserved)):
            if place == 0:
                yield _Piece(first.start, end, first, block.kind, opens)
            else:
                yield _Piece(start, end, block, block.kind, continues=True)

    def _cut(self, text: str, block: Block, counter: Tokens, reserved: int) -> Iterator[tuple[int, int]]:
        budget = room_below_header(text, block, counter, self._parameters.max_tokens)
        room = self._parameters.max_tokens - reserved
        units = list(units_of(text, block, counter, budget))
        start, end = units[0]
        if counter.count(start, end) > room:  # the headings leave too little for the first unit
            end = start + len(text[start : counter.fit(start, end, room)].rstrip())
            units.insert(1, (after(text, end), units[0][1]))
        for unit_start, unit_end in units[1:]:
            if counter.count(start, unit_end) > room:
                yield start, end
                room = budget
                spare = room - counter.count(unit_start, unit_end) if is_running(block) else 0
                spare = min(self._parameters.overlap_tokens, spare)
                start = _overlapping(text, start, end, spare, counter) if spare > 0 else unit_start
                if counter.count(start, unit_end) > room:
                    start = unit_start
            end = unit_end
        yield start, end


def _overlapping(text: str, start: int, end: int, spare: int, counter: Tokens) -> int:
    """Give where the next piece may begin so that it repeats at most *spare* tokens: at a sentence if one fits."""
    for sentence_start, _ in sentences(text, start, end):
        if sentence_start > start and counter.count(sentence_start, end) <= spare:
            return sentence_start
    return after(text, counter.back(start + 1, end, spare))


def _span(group: Sequence[_Piece], counter: Tokens) -> Span:
    first, end = group[0], group[-1].end
    kind = next((piece.kind for piece in group if piece.kind is not BlockKind.HEADING), BlockKind.HEADING)
    tokens = counter.count(first.start, end)
    return Span(first.start, end, tokens, kind, first.block.heading_path, first.block.page)
