"""What turns bytes into chunks and vectors, and which of it a recipe may name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from chalicelib.contracts.components import ComponentKind, ComponentView
from chalicelib.domain.documents import ParsedDocument
from chalicelib.domain.indexes import Component, Recipe
from chalicelib.errors import InvalidRequest
from chalicelib.ports.models import Embedder
from fargate.ingestion.chunkers.chunker import Chunker

DEFAULT_EMBEDDER = Recipe().embedder.name
OPTIONAL_EMBEDDERS = {"local/multilingual-e5-small": "multilingual"}
"""Those that come with an extra, by name."""


class Sandbox(Protocol):
    """Reads files nobody trusts, where they can do no harm."""

    async def parse(
        self, path: Path, *, name: str, media_type: str | None, language: str, password: str | None = None
    ) -> ParsedDocument:
        """Parse the file at *path*. Raises `DocumentRejected`."""
        ...


class ChunkerRegistry(Protocol):
    """The chunkers there are."""

    def get(self, component: Component) -> Chunker:
        """Give the chunker that *component* names. Raises `InvalidRequest`."""
        ...

    def components(self) -> Sequence[ComponentView]:
        """List them."""
        ...


class ParserRegistry(Protocol):
    """The parsers there are."""

    def check(self, component: Component) -> None:
        """Raise `InvalidRequest` unless there is such a parser, and it takes these parameters."""
        ...

    def components(self) -> Sequence[ComponentView]:
        """List them."""
        ...


@dataclass(frozen=True, slots=True)
class Tools:
    """Everything a recipe chooses from; *embedders* by name."""

    sandbox: Sandbox
    parsers: ParserRegistry
    chunkers: ChunkerRegistry
    embedders: Mapping[str, Embedder]

    def check(self, recipe: Recipe) -> None:
        """Raise `InvalidRequest` naming the field, unless documents can be ingested with *recipe*."""
        with _naming("recipe.parser"):
            self.parsers.check(recipe.parser)
        with _naming("recipe.chunker"):
            self.chunkers.get(recipe.chunker)
        with _naming("recipe.embedder"):
            self.embedder(recipe.embedder)

    def embedder(self, component: Component) -> Embedder:
        """Give the embedder that *component* names. Raises `InvalidRequest` listing those there are."""
        found = self.embedders.get(component.name)
        if found is None:
            known = ", ".join(sorted(self.embedders))
            extra = OPTIONAL_EMBEDDERS.get(component.name)
            remedy = f" Install the extra: pip install 'ragstone[{extra}]'." if extra else ""
            raise InvalidRequest(f"There is no embedder {component.name!r}; known are: {known}.{remedy}")
        if component.parameters:
            extra = ", ".join(sorted(component.parameters))
            raise InvalidRequest(f"The embedder {component.name!r} takes no parameters; leave out {extra}.")
        return found

    def components(self) -> list[ComponentView]:
        """List parsers, chunkers and embedders, by kind and name."""
        embedders = [_embedder_view(name, embedder) for name, embedder in self.embedders.items()]
        found = [*self.parsers.components(), *self.chunkers.components(), *embedders]
        return sorted(found, key=lambda view: (view.kind, view.name))


@contextmanager
def _naming(place: str) -> Iterator[None]:
    try:
        yield
    except InvalidRequest as error:
        raise InvalidRequest(f"{place}: {error.detail}", [{"loc": place, "msg": error.detail}]) from error


def _embedder_view(name: str, embedder: Embedder) -> ComponentView:
    info = embedder.info
    return ComponentView(
        kind=ComponentKind.EMBEDDER,
        name=name,
        description=(
            f"{info.dimension} dimensions; reads the first {info.max_tokens} tokens; "
            f"languages: {', '.join(info.languages)}; revision {info.revision}."
        ),
        parameters={"type": "object", "properties": {}, "additionalProperties": False},
        default=name == DEFAULT_EMBEDDER,
    )
