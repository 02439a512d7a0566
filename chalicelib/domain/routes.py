"""Routes: a public model name, and the deployments that answer for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pydantic import JsonValue

NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,63}$"
MODEL_PATTERN = r"^[a-z0-9][a-z0-9-]{0,31}/[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,199}$"
MAX_ATTEMPTS = 3
"""Upstream calls for one call of a user, whatever a route says."""


class RouteKind(StrEnum):
    """What a route's models do."""

    CHAT = "chat"
    EMBEDDING = "embedding"
    RERANK = "rerank"


@dataclass(frozen=True, slots=True)
class Deployment:
    """
    A model at a provider, as `provider/model`.

    *params* go with every call, under what the call itself says. *weight* is its share of the calls among the route's
    deployments; 0 is called only when all others fail. *rpm* and *tpm* are the requests and tokens a minute that each
    task of the gateway sends it.
    """

    model: str
    params: Mapping[str, JsonValue] = field(default_factory=dict)
    rpm: int | None = None
    tpm: int | None = None
    weight: int = 1

    @property
    def provider(self) -> str:
        """The name of the provider."""
        return self.model.partition("/")[0]

    @property
    def upstream_model(self) -> str:
        """The model's name at the provider."""
        return self.model.partition("/")[2]


@dataclass(frozen=True, slots=True)
class Route:
    """
    One public name. *fallbacks* are other routes, tried in order when no deployment of this one answers.

    *timeout_s* is for everything a call does, retries and fallbacks included; *retries* is how often a failed upstream
    call is followed by another, at this deployment or the next.

    *sticky* sends what belongs together to the same deployment, whose prompt cache then knows how it begins.
    *degrade_to* is the route that answers where a budget has no room for this one; it is not degraded further.
    *cache_ttl_s* is for how long the same request gets the same answer again; 0: never.
    """

    name: str
    kind: RouteKind
    deployments: Sequence[Deployment]
    fallbacks: Sequence[str] = ()
    timeout_s: float = 60.0
    retries: int = 2
    sticky: bool = False
    degrade_to: str | None = None
    cache_ttl_s: int = 0
    created_at: datetime | None = None
    updated_at: datetime | None = None
    updated_by: str | None = None
    version: int = 0
    """Counts the changes, from 1; 0 is a route that the environment configures."""

    @property
    def max_attempts(self) -> int:
        """How many upstream calls one call may come to."""
        return min(self.retries + 1, MAX_ATTEMPTS)
