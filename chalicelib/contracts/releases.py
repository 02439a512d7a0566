"""Releases and the aliases that point to them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, JsonValue, StringConstraints

from chalicelib.contracts.common import Filter, Identifier, IndexName, RequestModel, ResponseModel, Timestamp
from chalicelib.contracts.indexes import ComponentModel, RecipeModel
from chalicelib.contracts.queries import QueryModel
from chalicelib.contracts.release_settings import AnswerDraft, ReleaseName, RetrievalDraft
from chalicelib.contracts.rendering import recipe_model
from chalicelib.domain.releases import (
    ALIAS_PATTERN,
    LIVE,
    GenerationSettings,
    Release,
    ReleaseConfig,
    ReleaseStatus,
    RetrievalSettings,
    Strategy,
)

AliasName = Annotated[
    str,
    StringConstraints(pattern=ALIAS_PATTERN),
    Field(description="Lower-case letters, digits and hyphens, a letter first", examples=["staging"]),
]
Reason = Annotated[str, StringConstraints(max_length=1_000), Field(description="Kept with the change")]
Note = Annotated[str, StringConstraints(max_length=1_000)]


class ReleaseCreate(RequestModel):
    """
    A new release: the settings of *based_on*, or the defaults on *index*, with what is given here.

    A prompt's label or latest version is settled now: the release keeps the version's number.
    """

    index: IndexName | None = Field(None, description="Left out: that of `based_on`")
    based_on: ReleaseName | None = None
    retrieval: RetrievalDraft = Field(default_factory=RetrievalDraft)
    answer: AnswerDraft = Field(default_factory=AnswerDraft)
    notes: dict[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")], Note] = Field(
        default_factory=dict, max_length=16, description="For people; they do not change what the release is"
    )


class RetrievalSettingsModel(RequestModel):
    """Every setting of a release's retrieval."""

    strategy: Strategy = Field(strict=False)
    top_k: int
    candidates: int
    transform: ComponentModel
    fusion: ComponentModel
    reranker: ComponentModel
    diversity: ComponentModel
    expansion: ComponentModel
    filter: Filter | None

    @classmethod
    def of(cls, settings: RetrievalSettings) -> RetrievalSettingsModel:
        """Give the wire's form of *settings*."""
        return cls(
            strategy=settings.strategy,
            top_k=settings.top_k,
            candidates=settings.candidates,
            transform=ComponentModel.of(settings.transform),
            fusion=ComponentModel.of(settings.fusion),
            reranker=ComponentModel.of(settings.reranker),
            diversity=ComponentModel.of(settings.diversity),
            expansion=ComponentModel.of(settings.expansion),
            filter=dict(settings.filter) if settings.filter is not None else None,
        )

    def entity(self) -> RetrievalSettings:
        """Give the domain's form of it."""
        chosen = {name: value.entity() for name, value in self if isinstance(value, ComponentModel)}
        return RetrievalSettings(
            strategy=self.strategy, top_k=self.top_k, candidates=self.candidates, filter=self.filter, **chosen
        )


class RetrievalCheck(RequestModel):
    """Whether a release could be searched under: its recipe and its settings of retrieval."""

    index: IndexName
    generation: int
    recipe: RecipeModel
    retrieval: RetrievalSettingsModel

    @classmethod
    def of(cls, config: ReleaseConfig) -> RetrievalCheck:
        """Ask it of *config*."""
        retrieval = RetrievalSettingsModel.of(config.retrieval)
        return cls(
            index=config.index, generation=config.generation, recipe=recipe_model(config.recipe), retrieval=retrieval
        )

    def config(self) -> ReleaseConfig:
        """Give the configuration, with default answers."""
        return ReleaseConfig(self.index, self.generation, self.recipe.entity(), self.retrieval.entity())


class Checked(ResponseModel):
    """Nothing is wrong with it."""

    ok: bool = True


class ReleaseView(ResponseModel):
    """A release with every setting; *release* is made from them, so that equal settings have equal ids."""

    release: Identifier
    status: ReleaseStatus
    index: str
    generation: int
    recipe: RecipeModel
    retrieval: RetrievalSettingsModel
    answer: GenerationSettings
    notes: dict[str, str]
    created_at: Timestamp
    created_by: str

    @classmethod
    def of(cls, release: Release) -> ReleaseView:
        """Show *release*."""
        config = release.config
        return cls(
            release=release.release_id,
            status=release.status,
            index=config.index,
            generation=config.generation,
            recipe=recipe_model(config.recipe),
            retrieval=RetrievalSettingsModel.of(config.retrieval),
            answer=config.answer,
            notes=dict(release.notes),
            created_at=release.created_at,
            created_by=release.created_by,
        )


class AgainstQuery(QueryModel):
    """What to compare with."""

    against: ReleaseName = LIVE


class DifferenceView(ResponseModel):
    """A setting, by its place, that has different values; null where one has no such setting."""

    setting: str
    before: JsonValue
    after: JsonValue


class ReleaseDiff(ResponseModel):
    """What one has to change of release *before* to come to *after*; nothing where they are the same."""

    before: Identifier
    after: Identifier
    differences: list[DifferenceView]


class Promotion(RequestModel):
    """Why a release goes live that no gate has passed; needed as long as no complete evaluation of it has."""

    override_reason: Annotated[str, StringConstraints(min_length=1, max_length=1_000, pattern=r"\S")] | None = None


class Rollback(RequestModel):
    """Why the live release is taken back."""

    reason: Reason = ""


class AliasCreate(RequestModel):
    """A new alias."""

    name: AliasName
    release: ReleaseName
    reason: Reason = ""


class AliasPatch(RequestModel):
    """Where it is to point from now on."""

    release: ReleaseName
    reason: Reason = ""


class AliasView(ResponseModel):
    """An alias, or what one was; *previous* is the version that a rollback goes back to."""

    name: str
    release: Identifier = Field(validation_alias="release_id")
    reason: str
    previous: int | None
    version: int
    updated_at: Timestamp
    updated_by: str
