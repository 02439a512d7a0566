"""The `parent_child` chunker: small pieces to search, each leading to the larger piece it is read in."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace

from pydantic import Field, model_validator

from chalicelib.domain.documents import ParsedDocument, Span
from chalicelib.ports.models import TokenSpans
from fargate.ingestion.chunkers.chunker import Chunker
from fargate.ingestion.chunkers.parameters import Parameters
from fargate.ingestion.chunkers.structure import StructureChunker, StructureParameters
from fargate.ingestion.chunkers.units import section


class ParentChildParameters(Parameters):
    """How large the pieces are that are searched, and those that are read."""

    child_tokens: int = Field(128, ge=16, le=2048, description="No piece that is searched is larger")
    parent_tokens: int = Field(512, ge=16, le=4096, description="No piece that is read is larger")

    @model_validator(mode="after")
    def _child_is_smaller(self) -> ParentChildParameters:
        if self.child_tokens > self.parent_tokens:
            raise ValueError("child_tokens must not be more than parent_tokens")
        return self


class ParentChildChunker(Chunker):
    """Cuts twice as `structure` does, without overlap: into parents, and each of them into children."""

    def __init__(self, parameters: ParentChildParameters) -> None:
        self._parents = StructureChunker(_without_overlap(parameters.parent_tokens))
        self._children = StructureChunker(_without_overlap(parameters.child_tokens))

    def cut(self, parsed: ParsedDocument, tokens: TokenSpans, _vectors: Sequence[bytes] = (), /) -> list[Span]:
        """See `Chunker.cut`."""
        starts = [block.start for block in parsed.blocks]
        spans: list[Span] = []
        for parent in self._parents.cut(parsed, tokens):
            blocks = parsed.blocks[bisect_right(starts, parent.start) - 1 : bisect_right(starts, parent.end)]
            inside = section(parsed, blocks, parent.start, parent.end)
            place = (parent.start, parent.end)
            spans += [replace(child, parent=place) for child in self._children.cut(inside, tokens)]
        return spans


def _without_overlap(max_tokens: int) -> StructureParameters:
    return StructureParameters(max_tokens=max_tokens, overlap_tokens=0)
