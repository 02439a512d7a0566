"""What is read around a passage: its neighbours in the document, with neighbouring passages made one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import Field

from chalicelib.contracts.components import ComponentKind
from chalicelib.domain.documents import Chunk
from chalicelib.domain.identifiers import ChunkId, DocumentId, attempt_of, chunk_id, ordinal_of
from chalicelib.domain.runs import Passage
from fargate.retrieval.registry import Entry, Parameters, Registry, Tools

MAX_CHARACTERS = 32_000
"""No passage grows beyond this."""

Chunks = Callable[[Mapping[ChunkId, DocumentId]], Mapping[ChunkId, Chunk]]
"""Gives those chunks that exist."""


class NeighboursParameters(Parameters):
    """How many chunks are read with each passage."""

    before: int = Field(1, ge=0, le=5, description="Chunks before it")
    after: int = Field(1, ge=0, le=5, description="Chunks after it")


@dataclass(frozen=True, slots=True)
class Expansion:
    """Makes passages larger; every one may take the place of *factor* of those given."""

    factor: int
    _expand: Callable[[Sequence[Passage], int, Chunks], list[Passage]]

    def expand(self, passages: Sequence[Passage], top_k: int, chunks: Chunks) -> list[Passage]:
        """Give at most *top_k* passages; those that have become one stand where the best of them stood."""
        return self._expand(passages, top_k, chunks)


def _none(_parameters: Parameters, _tools: Tools) -> Expansion:
    return Expansion(1, lambda passages, top_k, _chunks: list(passages[:top_k]))


def _neighbours(parameters: NeighboursParameters, _tools: Tools) -> Expansion:
    """A passage that is a parent's text stays as it is: it holds more than its chunk already."""

    def expand(passages: Sequence[Passage], top_k: int, chunks: Chunks) -> list[Passage]:
        known = chunks({name: one.document_id for one in passages for name in _around(one, parameters)})
        stretches: list[_Stretch] = []
        for passage in passages:
            _add(stretches, _stretch(passage, parameters, known))
            if len(stretches) > top_k:
                break
        return [stretch.passage() for stretch in stretches[:top_k]]

    return Expansion(1 + parameters.before + parameters.after, expand)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Chunks that follow one another in a document, and the passage that is read with them; none to leave it alone."""

    best: Passage
    chunks: tuple[Chunk, ...]

    def joined(self, later: _Stretch) -> _Stretch | None:
        """Give both as one, where they share chunks or stand side by side, and are not too long together."""
        if not self.chunks or not later.chunks or self.best.document_id != later.best.document_id:
            return None
        both = {chunk.ordinal: chunk for chunk in (*self.chunks, *later.chunks)}
        ordered = tuple(both[ordinal] for ordinal in sorted(both))
        whole = ordered[-1].ordinal - ordered[0].ordinal == len(ordered) - 1 and _is_one(ordered)
        return _Stretch(self.best, ordered) if whole else None

    def passage(self) -> Passage:
        """Give all of it as one passage: the text as it stands in the document, from the first chunk to the last."""
        if len(self.chunks) < 2:
            return self.best
        first = self.chunks[0]
        text = first.text
        for chunk in self.chunks[1:]:
            text += (chunk.lead or "") + chunk.text[max(0, first.start + len(text) - chunk.start) :]
        end, context = first.start + len(text), first.context
        page, headings = first.page, first.heading_path
        return replace(
            self.best, text=text, start=first.start, end=end, page=page, heading_path=headings, context=context
        )


def _around(passage: Passage, parameters: NeighboursParameters) -> list[ChunkId]:
    place, attempt = ordinal_of(passage.chunk_id), attempt_of(passage.chunk_id)
    return [chunk_id(attempt, at) for at in range(max(0, place - parameters.before), place + parameters.after + 1)]


def _stretch(passage: Passage, parameters: NeighboursParameters, known: Mapping[ChunkId, Chunk]) -> _Stretch:
    """Give *passage* with its neighbours, nearest first as long as they are there and follow one another."""
    own = known.get(passage.chunk_id)
    if own is None or own.parent is not None:
        return _Stretch(passage, ())
    stretch = _Stretch(passage, (own,))
    neighbours = [known[name] for name in _around(passage, parameters) if name in known]
    for one in sorted(neighbours, key=lambda chunk: abs(chunk.ordinal - own.ordinal)):
        stretch = stretch.joined(_Stretch(passage, (one,))) or stretch
    return stretch


def _is_one(chunks: Sequence[Chunk]) -> bool:
    """Say whether what stands between *chunks* is known, and all together is not too long."""
    return chunks[-1].end - chunks[0].start <= MAX_CHARACTERS and all(one.lead is not None for one in chunks[1:])


def _add(stretches: list[_Stretch], new: _Stretch) -> None:
    """Add *new* at the end; whatever can be joined with it is, and stands where the better of both stood."""
    stretches.append(new)
    at = len(stretches) - 1
    while (pair := _joinable(stretches, at)) is not None:
        better, worse, both = pair
        stretches[better] = both
        del stretches[worse]
        at = better


def _joinable(stretches: Sequence[_Stretch], at: int) -> tuple[int, int, _Stretch] | None:
    for other in range(len(stretches)):
        better, worse = min(at, other), max(at, other)
        if better != worse and (both := stretches[better].joined(stretches[worse])) is not None:
            return better, worse, both
    return None


EXPANSIONS = Registry(
    ComponentKind.EXPANSION,
    [
        Entry("neighbours", "The chunks around each passage are read with it", _neighbours, NeighboursParameters),
        Entry("none", "Each passage as it was found", _none),
    ],
)
