"""What a model's tokens cost, exactly."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Price:
    """
    Micro-USD for each token, which is the same number as USD for a million of them.

    *cached_input* is for what the provider had in its cache, *per_search* for each search unit of a reranking.
    *max_output_tokens* is how long an answer can become that nobody limits. *source* says who says so.
    """

    source: str
    input: Decimal = _NOTHING
    output: Decimal = _NOTHING
    cached_input: Decimal | None = None
    per_search: Decimal = _NOTHING
    max_output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a call came to; *cached* are among *input*. *estimated* where the provider did not say."""

    input: int = 0
    output: int = 0
    cached: int = 0
    reasoning: int = 0
    searches: int = 0
    estimated: bool = False


FREE = Price("free")


def cost_usd_micros(price: Price, tokens: Tokens) -> int:
    """Give what *tokens* cost in whole micro-USD, rounded up once at the end."""
    cached_price = price.input if price.cached_input is None else price.cached_input
    cost = (
        (tokens.input - tokens.cached) * price.input
        + tokens.cached * cached_price
        + tokens.output * price.output
        + tokens.searches * price.per_search
    )
    return int(cost.to_integral_value(ROUND_CEILING))
