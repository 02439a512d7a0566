"""Prices from LiteLLM's list."""

from __future__ import annotations

from decimal import Decimal

import pytest

from chalicelib.domain.prices import Price, Tokens, cost_usd_micros
from fargate.adapters.litellm_prices import LiteLlmPrices


@pytest.fixture(scope="module")
def prices() -> LiteLlmPrices:
    return LiteLlmPrices()


def test_prices_are_exact(prices: LiteLlmPrices) -> None:
    """In micro-USD a token, which is USD a million of them."""
    price = prices.price("openai", "gpt-4o-mini")
    assert price == Price("litellm 1.106.2", Decimal("0.15"), Decimal("0.6"), Decimal("0.075"), Decimal(0), 16_384)


def test_reranking_is_priced_by_the_search(prices: LiteLlmPrices) -> None:
    """As Cohere bills it."""
    price = prices.price("cohere", "rerank-v3.5")
    assert price is not None
    assert price.per_search == Decimal(2_000)


@pytest.mark.parametrize(
    ("namespace", "model"),
    [("openai", "nobody-knows"), ("anthropic", "gpt-4o-mini"), ("groq", "gpt-4o-mini"), ("openai", "")],
)
def test_what_is_not_sold_there_has_no_price(prices: LiteLlmPrices, namespace: str, model: str) -> None:
    """A name alone proves nothing: others serve models of the same name at other prices."""
    assert prices.price(namespace, model) is None


@pytest.mark.parametrize(
    ("namespace", "model"),
    [
        ("anthropic", "claude-sonnet-4-5"),
        ("bedrock", "amazon.nova-pro-v1:0"),
        ("azure", "gpt-4o"),
        ("gemini", "gemini-2.5-flash"),
        ("mistral", "mistral-large-latest"),
    ],
)
def test_every_provider_that_is_built_in_is_priced(prices: LiteLlmPrices, namespace: str, model: str) -> None:
    """Under the names its deployments bear."""
    price = prices.price(namespace, model)
    assert price is not None
    assert price.output > price.input > 0


def test_costs_are_rounded_up_once() -> None:
    """Cached tokens at their own price; a call that costs anything costs a whole micro-USD at least."""
    price = Price("x", Decimal("0.15"), Decimal("0.6"), Decimal("0.075"))
    assert cost_usd_micros(price, Tokens(100, 10, cached=40)) == 18  # 60 x .15 + 40 x .075 + 10 x .6
    assert cost_usd_micros(price, Tokens(1)) == 1
    assert cost_usd_micros(price, Tokens()) == 0
