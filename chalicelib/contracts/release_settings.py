"""Settings of releases: as they are tried out with a question, and as a new release is made of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from chalicelib.contracts.common import Filter, Identifier, RequestModel, in_one_form
from chalicelib.contracts.gateway import RouteName
from chalicelib.contracts.indexes import ComponentModel
from chalicelib.domain.prompts import REFERENCE_PATTERN
from chalicelib.domain.releases import (
    ClaimPolicy,
    GenerationSettings,
    GuardrailSettings,
    Redaction,
    RedactionSettings,
    RetrievalSettings,
    Strategy,
)

MAX_TOP_K = 100
MAX_CANDIDATES = 1_000

PromptReference = Annotated[
    str,
    StringConstraints(pattern=REFERENCE_PATTERN),
    Field(
        description="A prompt's version `name@3`, what its label points to (`name:production`), or its latest (`name`)",
        examples=["helpdesk:production"],
    ),
]
ReleaseName = Annotated[Identifier, Field(description="A release's id, or an alias such as live")]


class RetrievalModel(RequestModel):
    """Settings of retrieval; one left out is the release's. `GET /components` says what there is to choose from."""

    candidates: int | None = Field(None, ge=1, le=MAX_CANDIDATES, description="How many each leg brings to the fusion")
    transform: ComponentModel | None = None
    fusion: ComponentModel | None = None
    reranker: ComponentModel | None = None
    diversity: ComponentModel | None = None
    expansion: ComponentModel | None = None

    def over(self, settings: RetrievalSettings) -> RetrievalSettings:
        """Give *settings* with what is said here."""
        components = {"transform", "fusion", "reranker", "diversity", "expansion"}
        plain = {name: value for name, value in self if value is not None and name not in components}
        chosen = {name: value.entity() for name in components if (value := getattr(self, name)) is not None}
        return replace(settings, **plain, **chosen)


class ClaimsModel(RequestModel):
    """How claims are checked; one left out is the release's."""

    policy: ClaimPolicy | None = Field(None, strict=False)
    judge: RouteName | None = Field(None, description="Chat route that decides what nothing else does; null: none")

    def given(self) -> dict[str, Any]:
        """Give what is said here; a judge that is null is taken away."""
        return {name: value for name in self.model_fields_set if (value := getattr(self, name)) or name == "judge"}


class RedactionModel(RequestModel):
    """What is taken out of what answers say; quotes of documents stay, which their reader may read."""

    kinds: list[Annotated[Redaction, Field(strict=False)]] = Field(
        max_length=len(Redaction),
        description="Addresses of mail, phone numbers, IBANs, payment cards, US social security numbers",
    )
    region: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] | None = Field(
        None, description="Country (ISO 3166) of phone numbers without a country code; without it they are not found"
    )


class GuardrailModel(RequestModel):
    """A guardrail of Amazon Bedrock that every answer passes, whichever model gave it."""

    id: Annotated[
        str,
        StringConstraints(
            pattern=r"^([a-z0-9]{1,64}|arn:aws[a-z-]*:bedrock:[a-z0-9-]{1,20}:\d{12}:guardrail/[a-z0-9]{1,64})$"
        ),
    ] = Field(description="Its id or ARN")
    version: Annotated[str, StringConstraints(pattern=r"^([1-9][0-9]{0,7}|DRAFT)$")]


class AnswerModel(RequestModel):
    """Settings of answers; one left out is the release's."""

    model: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._/-]{0,63}$")] | None = Field(
        None, description="A chat route of the gateway, or `local/extractive`, which needs no provider"
    )
    prompt: PromptReference | None = Field(None, description="How a model is asked; null: by the built-in prompt")
    max_sentences: int | None = Field(None, ge=1, le=10, description="Of an extractive answer")
    abstain_below: float | None = Field(None, ge=0, le=1, strict=False)
    decline_first: bool | None = None
    claims: ClaimsModel | None = None
    cache_ttl_s: int | None = Field(None, ge=0, le=86_400)
    context_tokens: int | None = Field(None, ge=100, le=1_000_000, description="How much of the passages a model gets")
    history_tokens: int | None = Field(None, ge=0, le=1_000_000, description="How much of the conversation")
    max_output_tokens: int | None = Field(None, ge=1, le=100_000)
    temperature: float | None = Field(None, ge=0, le=2, strict=False)
    redact: RedactionModel | None = None
    guardrail: GuardrailModel | None = None

    def over(self, settings: GenerationSettings) -> GenerationSettings:
        """Give *settings* with what is said here."""
        given = self.model_dump(exclude_none=True, exclude={"claims", "redact", "guardrail"})
        given |= {name: None for name in {"prompt", "guardrail"} & self.model_fields_set if getattr(self, name) is None}
        if self.redact is not None:
            given["redact"] = RedactionSettings(tuple(sorted(set(self.redact.kinds))), self.redact.region)
        if self.guardrail is not None:
            given["guardrail"] = GuardrailSettings(self.guardrail.id, self.guardrail.version)
        claims = self.claims.given() if self.claims else {}
        return replace(settings, **given, claims=replace(settings.claims, **claims))


class RetrievalDraft(RetrievalModel):
    """Settings of a release's retrieval."""

    strategy: Strategy | None = Field(None, strict=False)
    top_k: int | None = Field(None, ge=1, le=MAX_TOP_K)
    filter: Filter | None = Field(
        None, description="Narrows every question that is asked under the release; null: none does"
    )

    def over(self, settings: RetrievalSettings) -> RetrievalSettings:
        """Give *settings* with what is said here; a filter that is null is taken away."""
        changed = super().over(settings)
        narrowed = None if self.filter is None else in_one_form(self.filter)
        return replace(changed, filter=narrowed) if "filter" in self.model_fields_set else changed


class AnswerDraft(AnswerModel):
    """Settings of a release's answers."""

    passages: int | None = Field(None, ge=1, le=MAX_TOP_K, description="How many an answer is made from")
