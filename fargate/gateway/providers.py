"""The providers that deployments may name: configured by administrators, their keys from secrets or the environment."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from pydantic import Field, SecretStr, StringConstraints, TypeAdapter, ValidationError

from chalicelib.contracts.common import RequestModel
from chalicelib.contracts.gateway import ProviderView
from chalicelib.domain.prices import FREE, Price
from chalicelib.domain.routes import Deployment
from chalicelib.errors import ConfigurationError
from chalicelib.ports.clock import Clock
from chalicelib.ports.model_providers import Access, ModelProvider, PriceList
from chalicelib.ports.secrets import Secrets
from fargate.gateway.attempts import Target

VARIABLE = "RAGSTONE_PROVIDERS"
DIRECT = "openai"
LOCAL = "local"
KEY_TTL_S = 60.0
"""A key that was replaced is used within a minute."""


OptionName = Annotated[str, StringConstraints(pattern="^(api_version|aws_region_name|vertex_project|vertex_location)$")]


class OwnPrice(RequestModel):
    """What a model costs by contract: USD for a million tokens, and for a thousand search units of a reranking."""

    input: Decimal = Field(Decimal(0), ge=0)
    output: Decimal = Field(Decimal(0), ge=0)
    cached_input: Decimal | None = Field(None, ge=0)
    per_thousand_searches: Decimal = Field(Decimal(0), ge=0)
    max_output_tokens: int | None = Field(None, ge=1)

    def entity(self) -> Price:
        """Give the domain's form of it."""
        return Price(
            source="configured",
            input=self.input,
            output=self.output,
            cached_input=self.cached_input,
            per_search=self.per_thousand_searches * 1_000,
            max_output_tokens=self.max_output_tokens,
        )


class ProviderSpec(RequestModel):
    """
    One provider, as `RAGSTONE_PROVIDERS` has it under its name.

    *kind* is the protocol: `openai` for every server that speaks OpenAI's, which is called directly; otherwise
    LiteLLM's name of the provider. *prices* is the name under which LiteLLM's price list has its models, `free` for
    one that costs nothing a call; left out, they are unpriced. *own_prices*, by model, go before the list. *needs_key*
    false: it is called without a key.
    """

    kind: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,31}$")] = DIRECT
    base_url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+(/\S*)?$")] | None = None
    prices: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,31}$")] | None = None
    own_prices: dict[str, OwnPrice] = Field(default_factory=dict)
    needs_key: bool = True
    options: dict[OptionName, str] = Field(
        default_factory=dict, description="What some providers need beside address and key"
    )


BUILT_IN = {
    "openai": ProviderSpec(base_url="https://api.openai.com/v1", prices="openai"),
    "anthropic": ProviderSpec(kind="anthropic", prices="anthropic"),
    "gemini": ProviderSpec(kind="gemini", prices="gemini"),
    "cohere": ProviderSpec(kind="cohere", prices="cohere"),
    "mistral": ProviderSpec(kind="mistral", prices="mistral"),
    "bedrock": ProviderSpec(kind="bedrock", prices="bedrock", needs_key=False),
    "local": ProviderSpec(kind=LOCAL, prices="free", needs_key=False),
}
"""What can be named without being configured; Azure, vLLM, Ollama and the like have an address of their own."""

_SPECS: TypeAdapter[dict[str, ProviderSpec]] = TypeAdapter(
    dict[Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")], ProviderSpec]
)


def configured(text: str | None) -> dict[str, ProviderSpec]:
    """Give the built-in providers and those in *text*, a JSON object. Raises `ConfigurationError`."""
    try:
        given = _SPECS.validate_json(text) if text else {}
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigurationError(VARIABLE, f"{place or 'it'}: {first['msg']}") from None
    if LOCAL in given:
        raise ConfigurationError(VARIABLE, "`local` is the platform's own and cannot be configured")
    return {**BUILT_IN, **given}


@dataclass(frozen=True, slots=True)
class Protocols:
    """What speaks to providers: *direct* to those of kind `openai`, *local* to our own, *translated* to all others."""

    direct: ModelProvider
    translated: ModelProvider
    local: ModelProvider

    def of(self, kind: str) -> ModelProvider:
        """Give what speaks *kind*."""
        return {DIRECT: self.direct, LOCAL: self.local}.get(kind, self.translated)


class ProviderKeys:
    """
    Keys by provider: the secret `provider-<name>`, or the environment's `<NAME>_API_KEY`, as its own clients read it.

    Nothing reads a key but what sends it.
    """

    def __init__(self, secrets: Secrets, environ: Mapping[str, str], clock: Clock) -> None:
        self._secrets = secrets
        self._environ = environ
        self._clock = clock
        self._known: dict[str, tuple[float, SecretStr | None]] = {}

    def get(self, provider: str) -> SecretStr | None:
        """Give the key, or None."""
        now = self._clock.monotonic()
        until, key = self._known.get(provider, (0.0, None))
        if now >= until:
            key = self._read(provider)
            self._known[provider] = now + KEY_TTL_S, key
        return key

    def _read(self, provider: str) -> SecretStr | None:
        kept = self._secrets.get(f"provider-{provider}")
        if kept is not None:
            return SecretStr(kept.get_secret_value().decode().strip())
        given = self._environ.get(provider.replace("-", "_").upper() + "_API_KEY", "").strip()
        return SecretStr(given) if given else None


class Providers:
    """Every provider by name, with its key and what speaks to it."""

    def __init__(
        self, specs: Mapping[str, ProviderSpec], keys: ProviderKeys, protocols: Protocols, prices: PriceList
    ) -> None:
        self._specs = dict(specs)
        self._keys = keys
        self._protocols = protocols
        self._prices = prices

    def target(self, deployment: Deployment) -> Target | None:
        """Say how *deployment* is reached; None where its provider is not configured, or has no key and needs one."""
        spec = self._specs.get(deployment.provider)
        if spec is None or not self._ready(deployment.provider, spec):
            return None
        access = Access(spec.kind, spec.base_url, self._keys.get(deployment.provider), spec.options)
        return Target(deployment, self._protocols.of(spec.kind), access, self._price(spec, deployment))

    async def prepare(self) -> None:
        """Make ready what speaks to the providers that somebody configured, or gave a key."""
        wanted = [
            spec
            for name, spec in self._specs.items()
            if spec != BUILT_IN.get(name) or await asyncio.to_thread(self._keys.get, name) is not None
        ]
        for protocol in {self._protocols.of(spec.kind) for spec in wanted}:
            await protocol.prepare()

    def views(self) -> list[ProviderView]:
        """Say which there are, by name."""
        return [
            ProviderView(
                name=name,
                kind=spec.kind,
                base_url=spec.base_url,
                key_present=self._keys.get(name) is not None,
                ready=self._ready(name, spec),
            )
            for name, spec in sorted(self._specs.items())
        ]

    def _ready(self, name: str, spec: ProviderSpec) -> bool:
        return not spec.needs_key or self._keys.get(name) is not None

    def _price(self, spec: ProviderSpec, deployment: Deployment) -> Price | None:
        if (own := spec.own_prices.get(deployment.upstream_model)) is not None:
            return own.entity()
        if spec.prices is None:
            return None
        return FREE if spec.prices == "free" else self._prices.price(spec.prices, deployment.upstream_model)
