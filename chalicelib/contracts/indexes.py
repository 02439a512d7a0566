"""Indexes and the recipes they are built with."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from chalicelib.contracts.common import IndexName, RequestModel, ResponseModel, Timestamp, in_one_form
from chalicelib.domain.indexes import ChunkContext, Component, GenerationStatus, Recipe
from chalicelib.domain.languages import ISO_639_1, check_language

Language = Annotated[str, AfterValidator(check_language), Field(json_schema_extra={"enum": sorted(ISO_639_1)})]
"""By ISO 639-1."""


class ComponentModel(RequestModel):
    """A choice from a registry: its *name*, and its parameters beside it, as `GET /components` describes them."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_/.-]{1,64}$")]

    def entity(self) -> Component:
        """Give the domain's form of it."""
        return Component(self.name, in_one_form(self.model_extra or {}))

    @classmethod
    def of(cls, component: Component) -> ComponentModel:
        """Give the wire's form of *component*."""
        return cls(name=component.name, **component.parameters)


class RecipeModel(RequestModel):
    """How documents become vectors; what is left out takes its default."""

    parser: ComponentModel = Field(default_factory=lambda: ComponentModel(name="auto"))
    chunker: ComponentModel = Field(
        default_factory=lambda: ComponentModel(name="structure", max_tokens=256, overlap_tokens=32)
    )
    embedder: ComponentModel = Field(default_factory=lambda: ComponentModel(name="local/minilm"))
    language: Language = Field(
        "en", description="Of documents that do not say theirs, where their text does not tell it either"
    )
    context: ChunkContext = Field(
        ChunkContext.HEADINGS,
        strict=False,
        description="What is embedded and searched in front of each chunk: the document's title and headings, or none",
    )

    def entity(self) -> Recipe:
        """Give the domain's form of it."""
        return Recipe(self.parser.entity(), self.chunker.entity(), self.embedder.entity(), self.language, self.context)


class IndexCreate(RequestModel):
    """A new, empty index."""

    name: IndexName
    recipe: RecipeModel = Field(default_factory=RecipeModel)
    description: str = Field("", max_length=1_000)


class IndexView(ResponseModel):
    """An index."""

    name: str
    description: str
    recipe: RecipeModel
    generation: int
    status: GenerationStatus
    created_at: Timestamp
    updated_at: Timestamp
