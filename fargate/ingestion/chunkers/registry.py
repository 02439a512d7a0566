"""Which chunkers there are, what parameters they take, and what one promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pydantic import ValidationError

from chalicelib.contracts.components import ComponentKind, ComponentView
from chalicelib.domain.documents import ParsedDocument, Span
from chalicelib.domain.indexes import Component
from chalicelib.errors import InvalidRequest
from chalicelib.ports.models import TokenSpans
from fargate.ingestion.chunkers.fixed import FixedChunker
from fargate.ingestion.chunkers.parameters import Budget
from fargate.ingestion.chunkers.structure import StructureChunker

DEFAULT = "structure"


class Chunker(Protocol):
    """Decides where a document is cut."""

    def cut(self, parsed: ParsedDocument, tokens: TokenSpans) -> list[Span]:
        """
        Cut *parsed*, whose whole text the embedder's tokenizer cut into *tokens*.

        Spans are ordered by start and by end; none is blank or over its budget; every character of a block that is
        not white space is in one. The same input always gives the same spans.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Choice:
    description: str
    make: Callable[[Budget], Chunker]


_CHUNKERS = {
    "structure": _Choice(
        "Keeps paragraphs, tables, lists, code and sections whole where they fit; cuts between sentences or lines.",
        StructureChunker,
    ),
    "fixed": _Choice("Cuts windows of equal size between words, whatever stands in them.", FixedChunker),
}


def get(component: Component) -> Chunker:
    """Make the chunker that *component* names. Raises `InvalidRequest` for a name or parameter there is not."""
    choice = _CHUNKERS.get(component.name)
    if choice is None:
        raise InvalidRequest(f"There is no chunker {component.name!r}; use one of {', '.join(sorted(_CHUNKERS))}.")
    try:
        return choice.make(Budget.model_validate(dict(component.parameters)))
    except ValidationError as error:
        places = [{"loc": ["chunker", *found["loc"]], "msg": found["msg"]} for found in error.errors()]
        first = f"{'.'.join(map(str, places[0]['loc']))}: {places[0]['msg']}"
        raise InvalidRequest(f"The chunker {component.name!r} cannot be used so. {first}", places) from error


def components() -> list[ComponentView]:
    """List the chunkers a recipe may name, with the JSON Schema of their parameters."""
    schema = Budget.model_json_schema()
    return [
        ComponentView(
            kind=ComponentKind.CHUNKER,
            name=name,
            description=choice.description,
            parameters=schema,
            default=name == DEFAULT,
        )
        for name, choice in _CHUNKERS.items()
    ]
