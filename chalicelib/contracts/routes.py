"""Routes: public model names, and the deployments that answer for them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, JsonValue, StringConstraints, TypeAdapter, ValidationError, model_validator

from chalicelib.contracts.common import RequestModel, ResponseModel, Timestamp
from chalicelib.contracts.gateway import RouteName
from chalicelib.domain.routes import MODEL_PATTERN, Deployment, Route, RouteKind
from chalicelib.errors import ConfigurationError

MAX_CACHE_TTL_S = 86_400
VARIABLE = "RAGSTONE_ROUTES"
MAX_DEPLOYMENTS = 16
MAX_FALLBACKS = 8

ModelName = Annotated[
    str,
    StringConstraints(pattern=MODEL_PATTERN),
    Field(description="`provider/model`; GET /providers lists the providers", examples=["openai/gpt-5-mini"]),
]


class DeploymentParams(RequestModel):
    """What goes with every call of a deployment, under what the call itself says; no address, no key, no header."""

    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    top_k: int | None = Field(None, ge=1)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    seed: int | None = None
    stop: str | list[str] | None = None
    reasoning_effort: str | None = Field(None, max_length=32)
    service_tier: str | None = Field(None, max_length=32)
    thinking: dict[str, JsonValue] | None = None
    dimensions: int | None = Field(None, ge=1)


class DeploymentModel(RequestModel):
    """A model at a provider; see `Deployment`."""

    model: ModelName
    params: DeploymentParams = Field(default_factory=DeploymentParams)
    rpm: int | None = Field(None, ge=1, description="Requests a minute that each task of the gateway sends it")
    tpm: int | None = Field(None, ge=1, description="Tokens a minute, likewise")
    weight: int = Field(1, ge=0, le=1_000, description="Its share of the calls; 0 is called when all others fail")

    def entity(self) -> Deployment:
        """Give the domain's form of it."""
        return Deployment(self.model, self.params.model_dump(exclude_none=True), self.rpm, self.tpm, self.weight)


class RouteFields(RequestModel):
    """What a route says beside its name and kind."""

    deployments: list[DeploymentModel] = Field(min_length=1, max_length=MAX_DEPLOYMENTS)
    fallbacks: list[RouteName] = Field(
        default_factory=list, max_length=MAX_FALLBACKS, description="Routes tried in order when none of these answers"
    )
    timeout_s: float = Field(60.0, ge=0.1, le=600, strict=False, description="For everything one call does")
    retries: int = Field(2, ge=0, le=2, description="Upstream calls after the first, here or at a fallback")
    sticky: bool = Field(
        False, description="Keep calls of one `prompt_cache_key`, else `user`, else system message at one deployment"
    )
    degrade_to: RouteName | None = Field(None, description="Route that answers where no budget has room for this one")
    cache_ttl_s: int = Field(
        0, ge=0, le=MAX_CACHE_TTL_S, description="For how many seconds the same request gets the same answer; 0: never"
    )

    @model_validator(mode="after")
    def _distinct(self) -> RouteFields:
        models = [one.model for one in self.deployments]
        if len(set(models)) < len(models):
            raise ValueError("each model may stand among the deployments once; give it a greater weight instead")
        return self


class RouteCreate(RouteFields):
    """A new route."""

    name: RouteName
    kind: RouteKind = Field(strict=False)

    @model_validator(mode="after")
    def _not_itself(self) -> RouteCreate:
        if self.name in (*self.fallbacks, self.degrade_to):
            raise ValueError("a route cannot fall back or degrade to itself")
        return self

    def entity(self) -> Route:
        """Give the domain's form of it, as the environment configures one."""
        deployments = [one.entity() for one in self.deployments]
        rest = {name: getattr(self, name) for name in RouteFields.model_fields if name != "deployments"}
        return Route(self.name, self.kind, deployments, **rest)


class RoutePatch(RequestModel):
    """What is to change; what is left out stays, and what is given replaces what stood there as a whole."""

    deployments: list[DeploymentModel] | None = Field(None, min_length=1, max_length=MAX_DEPLOYMENTS)
    fallbacks: list[RouteName] | None = Field(None, max_length=MAX_FALLBACKS)
    timeout_s: float | None = Field(None, ge=0.1, le=600, strict=False)
    retries: int | None = Field(None, ge=0, le=2)
    sticky: bool | None = None
    degrade_to: RouteName | None = Field(None, description="null: to none")
    cache_ttl_s: int | None = Field(None, ge=0, le=MAX_CACHE_TTL_S)


class DeploymentView(ResponseModel):
    """A deployment as it is configured."""

    model: str
    params: dict[str, JsonValue]
    rpm: int | None
    tpm: int | None
    weight: int


class RouteView(ResponseModel):
    """A route; *version* 0 is one that the environment configures, which has no times either."""

    name: str
    kind: RouteKind
    deployments: list[DeploymentView]
    fallbacks: list[str]
    timeout_s: float
    retries: int
    sticky: bool
    degrade_to: str | None
    cache_ttl_s: int
    version: int
    created_at: Timestamp | None
    updated_at: Timestamp | None
    updated_by: str | None


_ROUTES: TypeAdapter[list[RouteCreate]] = TypeAdapter(list[RouteCreate])


def configured_routes(text: str | None) -> dict[str, Route]:
    """
    Give the routes that the environment configures, by name: those in *text*, a JSON list, and the platform's own.

    Raises `ConfigurationError`.
    """
    try:
        given = _ROUTES.validate_json(text) if text else []
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigurationError(VARIABLE, f"{place or 'it'}: {first['msg']}") from None
    return {route.name: route for route in (MINILM, *(one.entity() for one in given))}


MINILM = Route("minilm", RouteKind.EMBEDDING, [Deployment("local/minilm")])
