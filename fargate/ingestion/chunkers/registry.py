"""Which chunkers there are, and what parameters each takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from chalicelib.contracts.components import ComponentKind, ComponentView
from chalicelib.domain.indexes import Component
from chalicelib.errors import InvalidRequest
from fargate.ingestion.chunkers.chunker import Chunker
from fargate.ingestion.chunkers.fixed import FixedChunker, FixedParameters
from fargate.ingestion.chunkers.page import PageChunker, PageParameters
from fargate.ingestion.chunkers.parameters import Parameters
from fargate.ingestion.chunkers.parent_child import ParentChildChunker, ParentChildParameters
from fargate.ingestion.chunkers.semantic import SemanticChunker, SemanticParameters
from fargate.ingestion.chunkers.sentence import SentenceChunker, SentenceParameters
from fargate.ingestion.chunkers.structure import StructureChunker, StructureParameters

DEFAULT = "structure"

ParametersT = TypeVar("ParametersT", bound=Parameters)


@dataclass(frozen=True, slots=True)
class _Choice(Generic[ParametersT]):
    description: str
    parameters: type[ParametersT]
    make: Callable[[ParametersT], Chunker]


_CHUNKERS: dict[str, _Choice[Any]] = {
    "structure": _Choice(
        "Keeps paragraphs, tables, lists, code and sections whole where they fit; cuts between sentences or lines.",
        StructureParameters,
        StructureChunker,
    ),
    "fixed": _Choice(
        "Cuts windows of equal size between words, whatever stands in them.", FixedParameters, FixedChunker
    ),
    "sentence": _Choice(
        "Packs whole sentences up to the budget, whatever sections they stand in; repeats the last ones.",
        SentenceParameters,
        SentenceChunker,
    ),
    "page": _Choice(
        "Makes a chunk of each page; cuts a larger page, and a document without pages, as structure does. The embedder "
        "may read less of a page than its words are searched in.",
        PageParameters,
        PageChunker,
    ),
    "parent_child": _Choice(
        "Searches small pieces and answers with the larger piece around each; cuts both as structure does.",
        ParentChildParameters,
        ParentChildChunker,
    ),
    "semantic": _Choice(
        "Cuts where the text turns to something else, by the embeddings of its sentences; embeds every text twice.",
        SemanticParameters,
        SemanticChunker,
    ),
}


def get(component: Component) -> Chunker:
    """Make the chunker that *component* names. Raises `InvalidRequest` for a name or parameter there is not."""
    choice = _CHUNKERS.get(component.name)
    if choice is None:
        raise InvalidRequest(f"There is no chunker {component.name!r}; use one of {', '.join(sorted(_CHUNKERS))}.")
    try:
        return choice.make(choice.parameters.model_validate(dict(component.parameters)))
    except ValidationError as error:
        places = [{"loc": ["chunker", *found["loc"]], "msg": found["msg"]} for found in error.errors()]
        first = f"{'.'.join(map(str, places[0]['loc']))}: {places[0]['msg']}"
        raise InvalidRequest(f"The chunker {component.name!r} cannot be used so. {first}", places) from error


def components() -> list[ComponentView]:
    """List the chunkers a recipe may name, with the JSON Schema of their parameters."""
    return [
        ComponentView(
            kind=ComponentKind.CHUNKER,
            name=name,
            description=choice.description,
            parameters=choice.parameters.model_json_schema(),
            default=name == DEFAULT,
        )
        for name, choice in _CHUNKERS.items()
    ]
