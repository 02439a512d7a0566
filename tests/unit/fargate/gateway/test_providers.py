"""Which providers there are, and who has the keys."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from pydantic import SecretBytes

from chalicelib.domain.prices import FREE, Price, Tokens, cost_usd_micros
from chalicelib.domain.routes import Deployment
from chalicelib.errors import ConfigurationError
from fargate.adapters.local_models import LocalProvider
from fargate.gateway.providers import KEY_TTL_S, Protocols, ProviderKeys, Providers, configured
from tests.fakes.clock import HandClock
from tests.fakes.gateway import PRICE, FixedPrices


class Safe:
    """See `Secrets`. Holds what a test puts in."""

    def __init__(self, **kept: bytes) -> None:
        self.kept = {name.replace("_", "-"): value for name, value in kept.items()}

    def get(self, name: str) -> SecretBytes | None:
        """See `Secrets.get`."""
        return SecretBytes(self.kept[name]) if name in self.kept else None

    def create(self, name: str, value: SecretBytes) -> SecretBytes:
        """See `Secrets.create`."""
        return value


class Prepared(LocalProvider):
    """See `ModelProvider`. Counts how often it was made ready."""

    times = 0

    async def prepare(self) -> None:
        """See `ModelProvider.prepare`."""
        self.times += 1


def providers(text: str | None, keys: ProviderKeys) -> Providers:
    local = LocalProvider(dict)
    return Providers(configured(text), keys, Protocols(local, local, local), FixedPrices())


def test_a_key_is_a_secret_or_else_in_the_environment() -> None:
    """The environment's has the name that the provider's own client reads."""
    keys = ProviderKeys(
        Safe(provider_openai=b"sk-1\n"), {"OPENAI_API_KEY": "sk-2", "MY_VLLM_API_KEY": "sk-3"}, HandClock()
    )
    found = [keys.get(name) for name in ("openai", "my-vllm", "cohere")]
    assert [key.get_secret_value() if key else None for key in found] == ["sk-1", "sk-3", None]


def test_a_key_that_was_replaced_is_used_within_a_minute() -> None:
    """Without a restart."""
    clock, safe = HandClock(), Safe(provider_openai=b"old")
    keys = ProviderKeys(safe, {}, clock)
    keys.get("openai")
    safe.kept["provider-openai"] = b"new"
    clock.advance(KEY_TTL_S)
    assert str(keys.get("openai").get_secret_value()) == "new"  # type: ignore[union-attr]


def test_a_deployment_is_reached_by_its_provider() -> None:
    """One that is not configured, or has no key, is not there; prices go by what the provider sells."""
    text = '{"vllm": {"base_url": "http://vllm:8000/v1", "needs_key": false}, "mine": {"prices": "free"}}'
    there = providers(text, ProviderKeys(Safe(provider_mine=b"k"), {"OPENAI_API_KEY": "sk"}, HandClock()))
    targets = [there.target(Deployment(model)) for model in ("openai/a", "vllm/a", "mine/a", "cohere/a", "none/a")]
    assert [one.price if one else "-" for one in targets] == [PRICE, None, FREE, "-", "-"]
    assert targets[1] is not None
    assert targets[1].access.base_url == "http://vllm:8000/v1"


def test_keys_are_never_shown() -> None:
    """Only whether they are there."""
    there = providers(None, ProviderKeys(Safe(provider_openai=b"sk-canary"), {}, HandClock()))
    views = {view.name: view for view in there.views()}
    assert (views["openai"].key_present, views["cohere"].ready, views["bedrock"].ready) == (True, False, True)
    target = there.target(Deployment("openai/a"))
    assert "sk-canary" not in repr(views) + repr(target)


@pytest.mark.parametrize(
    ("text", "environ", "prepared"),
    [
        (None, {}, 0),
        (None, {"OPENAI_API_KEY": "sk"}, 0),
        (None, {"COHERE_API_KEY": "key"}, 1),
        ('{"vllm": {"base_url": "http://vllm:8000/v1", "needs_key": false}}', {}, 0),
        ('{"azure": {"kind": "azure"}}', {}, 1),
    ],
)
def test_what_takes_long_to_load_is_loaded_where_it_may_be_needed(
    text: str | None, environ: dict[str, str], prepared: int
) -> None:
    """For a provider with a key, or one that somebody configured; not for those that are merely built in."""
    local, translated = LocalProvider(dict), Prepared(dict)
    keys = ProviderKeys(Safe(), environ, HandClock())
    asyncio.run(Providers(configured(text), keys, Protocols(local, translated, local), FixedPrices()).prepare())
    assert translated.times == prepared


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"A": {}}',
        '{"vllm": {"base_url": "ftp://x"}}',
        '{"vllm": {"api_key": "sk-canary"}}',
        '{"azure": {"options": {"api_key": "sk-canary"}}}',
        '{"local": {}}',
    ],
)
def test_what_cannot_be_a_provider_stops_the_start(text: str) -> None:
    """With the variable's name, and without what it holds."""
    with pytest.raises(ConfigurationError, match="RAGSTONE_PROVIDERS") as raised:
        configured(text)
    assert "sk-canary" not in raised.value.detail


def test_prices_of_a_contract_go_before_the_list() -> None:
    """By model, in USD for a million tokens; the ledger names them as their source."""
    own = '{"gpt": {"input": 1.25, "output": "10", "cached_input": 0.125}, "order": {"per_thousand_searches": 2}}'
    text = f'{{"mine": {{"prices": "test", "needs_key": false, "own_prices": {own}}}}}'
    found = providers(text, ProviderKeys(Safe(), {}, HandClock()))

    def price(model: str) -> Price | None:
        target = found.target(Deployment(f"mine/{model}"))
        assert target is not None
        return target.price

    assert price("gpt") == Price("configured", Decimal("1.25"), Decimal(10), Decimal("0.125"))
    order = price("order")
    assert order is not None
    assert cost_usd_micros(order, Tokens(searches=3)) == 6_000
    assert price("another") == PRICE
    with pytest.raises(ConfigurationError, match="own_prices"):
        configured('{"mine": {"own_prices": {"gpt": {"input": -1}}}}')
