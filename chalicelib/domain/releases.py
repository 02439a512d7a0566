"""The Release: everything that decides an answer, as one immutable value named by its own hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from pydantic import JsonValue

from chalicelib.domain.identifiers import ReleaseId
from chalicelib.domain.indexes import Component, Recipe

LIVE = "live"
"""The alias that answers when a question names no release."""

ALIAS_PATTERN = r"^[a-z][a-z0-9-]{0,62}$"
"""No release id matches it: those have an underscore."""

EXTRACTIVE = "local/extractive"
"""The model that answers with sentences of the passages themselves; it needs no provider."""


class Strategy(StrEnum):
    """Which legs search."""

    DENSE = "dense"
    LEXICAL = "lexical"
    HYBRID = "hybrid"


@dataclass(frozen=True, slots=True)
class RetrievalSettings:
    """
    How passages are found; *candidates* is how many each leg brings to the fusion.

    *transform* says what becomes of the question before it is searched, *diversity* how passages that say the same make
    room for others, *expansion* what is read around each. *filter* narrows every question, in its JSON form.
    """

    strategy: Strategy = Strategy.HYBRID
    top_k: int = 10
    candidates: int = 100
    transform: Component = field(default_factory=lambda: Component("conversation"))
    fusion: Component = field(default_factory=lambda: Component("auto", {"floor": 0.3, "ceiling": 0.7}))
    reranker: Component = field(default_factory=lambda: Component("none"))
    diversity: Component = field(default_factory=lambda: Component("none"))
    expansion: Component = field(default_factory=lambda: Component("none"))
    filter: Mapping[str, JsonValue] | None = None


DEFAULT_RERANKER = Component("local")
"""What reranks a question that asks for it, where its release has no reranker of its own."""


class ClaimPolicy(StrEnum):
    """What becomes of statements that are not borne out: told, left out, or the whole answer refused."""

    MARK = "mark"
    DROP = "drop"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class ClaimSettings:
    """How an answer's claims are checked; *judge* is a chat route for those that nothing else decides."""

    policy: ClaimPolicy = ClaimPolicy.MARK
    judge: str | None = None


class Redaction(StrEnum):
    """What can be taken out of answers: data of persons whose form can be checked."""

    EMAIL = "email"
    PHONE = "phone"
    IBAN = "iban"
    CARD = "card"
    SSN = "ssn"


@dataclass(frozen=True, slots=True)
class RedactionSettings:
    """What is taken out of answers; *region* (ISO 3166) is where phone numbers without a country code are from."""

    kinds: tuple[Redaction, ...] = ()
    region: str | None = None


@dataclass(frozen=True, slots=True)
class GuardrailSettings:
    """A guardrail of Amazon Bedrock, by its id or ARN, and which version of it."""

    id: str
    version: str


@dataclass(frozen=True, slots=True)
class GenerationSettings:
    """
    How passages become an answer: a model, its prompt, and when to decline.

    *model* is the extractive one, or the name of a chat route of the gateway.
    """

    model: str = EXTRACTIVE
    prompt: str | None = None
    passages: int = 5
    max_sentences: int = 3
    abstain_below: float = 0.56
    """
    Decline when the best sentence scores lower: for the extractive model the mean of the sentence's and its passage's
    cosine with the question, counted from what unrelated texts have; with MiniLM, this much answers 89 % of ClapNQ's
    answerable questions and declines 72 % of the others.
    """
    cache_ttl_s: int = 0
    """For how long an answer is given again to the same question on the same passages; 0 writes each anew."""
    claims: ClaimSettings = field(default_factory=ClaimSettings)
    decline_first: bool = False
    """Decline below *abstain_below* before a model is asked; the extractive model always does."""
    context_tokens: int = 6_000
    """How much of the passages a model is given, by a cautious estimate."""
    history_tokens: int = 1_000
    """How much of the conversation, likewise; the latest turns first."""
    max_output_tokens: int = 800
    temperature: float = 0.0
    redact: RedactionSettings = field(default_factory=RedactionSettings)
    guardrail: GuardrailSettings | None = None


@dataclass(frozen=True)
class ReleaseConfig:
    """Everything that decides an answer. Equal configurations have equal ids, whoever wrote them down, and when."""

    index: str
    generation: int
    recipe: Recipe
    retrieval: RetrievalSettings = field(default_factory=RetrievalSettings)
    answer: GenerationSettings = field(default_factory=GenerationSettings)

    def canonical(self) -> str:
        """Give the JSON text that is hashed: sorted names, no white space, every default written out."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)

    @cached_property
    def release_id(self) -> ReleaseId:
        """``rel_`` and the first 160 bits of the SHA-256 of `canonical`."""
        return ReleaseId("rel_" + hashlib.sha256(self.canonical().encode()).hexdigest()[:40])


class ReleaseStatus(StrEnum):
    """`adhoc` marks the configuration of a question that overrode a setting; the rest is the life of a release."""

    ADHOC = "adhoc"
    DRAFT = "draft"
    EVALUATED = "evaluated"
    LIVE = "live"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Release:
    """A configuration that was written down, under the id that its content gives it."""

    config: ReleaseConfig
    status: ReleaseStatus
    created_at: datetime
    created_by: str
    notes: Mapping[str, str] = field(default_factory=dict)
    version: int = 0

    @property
    def release_id(self) -> ReleaseId:
        """See `ReleaseConfig.release_id`."""
        return self.config.release_id


@dataclass(frozen=True, slots=True)
class Alias:
    """
    A name that points to a release, as it was decided by whom, when and why.

    *previous* is the version that a rollback goes back to, None where there is none.
    """

    name: str
    release_id: ReleaseId
    updated_at: datetime
    updated_by: str
    reason: str = ""
    previous: int | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting, by its place such as ``answer.claims.policy``, that two releases have different values of."""

    setting: str
    before: JsonValue
    after: JsonValue


def differences(before: ReleaseConfig, after: ReleaseConfig) -> list[Difference]:
    """Give every setting that differs, by place; one that only one of them has is None in the other."""
    old, new = _settings(before), _settings(after)
    return [
        Difference(place, old.get(place), new.get(place))
        for place in sorted(old.keys() | new.keys())
        if old.get(place) != new.get(place)
    ]


def _settings(config: ReleaseConfig) -> dict[str, JsonValue]:
    """Give every setting by its place; a list or a filter is one setting."""
    flat: dict[str, JsonValue] = {}

    def walk(place: str, value: Any) -> None:
        if isinstance(value, dict) and place != "retrieval.filter":
            for name, inner in value.items():
                walk(f"{place}.{name}" if place else name, inner)
        else:
            flat[place] = value

    walk("", json.loads(config.canonical()))
    return flat
