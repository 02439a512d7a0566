"""The `sentence` chunker: whole sentences, packed up to the budget, whatever sections they stand in."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from chalicelib.domain.documents import BlockKind, ParsedDocument, Span
from chalicelib.ports.models import TokenSpans
from fargate.ingestion.chunkers.chunker import Chunker
from fargate.ingestion.chunkers.parameters import MAX_TOKENS, Parameters
from fargate.ingestion.chunkers.tokens import Tokens
from fargate.ingestion.chunkers.units import Unit, is_running, span_over, units


class SentenceParameters(Parameters):
    """How many sentences make a chunk, by their tokens, and how many of them the next one repeats."""

    max_tokens: int = Field(256, ge=16, le=MAX_TOKENS, description="No chunk is larger")
    overlap_sentences: int = Field(1, ge=0, le=20, description="Whole sentences repeated, at most half of max_tokens")


class SentenceChunker(Chunker):
    """
    Packs sentences, rows and lines one after the other; only one that is over the budget is cut, between words.

    A heading at the end of a chunk goes to the next one instead of what would be repeated. No chunk crosses a page.
    """

    def __init__(self, parameters: SentenceParameters) -> None:
        self._parameters = parameters

    def cut(self, parsed: ParsedDocument, tokens: TokenSpans, _vectors: Sequence[bytes] = (), /) -> list[Span]:
        """See `Chunker.cut`."""
        counter = Tokens(parsed.text, tokens)
        spans: list[Span] = []
        group: list[Unit] = []
        for unit in units(parsed, counter, self._parameters.max_tokens):
            if group and unit.block.page != group[0].block.page:
                spans.append(_span(group, counter))
                group = []
            elif group and counter.count(group[0].start, unit.end) > self._parameters.max_tokens:
                kept, group = self._divide(group, unit, counter)
                spans.append(_span(kept, counter))
            group.append(unit)
        return [*spans, _span(group, counter)] if group else spans

    def _divide(self, group: Sequence[Unit], unit: Unit, counter: Tokens) -> tuple[Sequence[Unit], list[Unit]]:
        """Give what of *group* makes a chunk, and what opens the next one before *unit*."""
        body = len(group)
        while body > 1 and group[body - 1].block.kind is BlockKind.HEADING:
            body -= 1
        if body < len(group) and counter.count(group[body].start, unit.end) <= self._parameters.max_tokens:
            return group[:body], list(group[body:])
        first = len(group)
        for place in range(len(group) - 1, max(0, len(group) - 1 - self._parameters.overlap_sentences), -1):
            if not is_running(group[place].block) or not self._has_room(group, place, unit, counter):
                break
            first = place
        return group, list(group[first:])

    def _has_room(self, group: Sequence[Unit], place: int, unit: Unit, counter: Tokens) -> bool:
        repeated = counter.count(group[place].start, group[-1].end)
        whole = counter.count(group[place].start, unit.end)
        return repeated <= self._parameters.max_tokens // 2 and whole <= self._parameters.max_tokens


def _span(group: Sequence[Unit], counter: Tokens) -> Span:
    return span_over(group[0].start, group[-1].end, [unit.block for unit in group], counter)
