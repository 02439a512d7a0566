"""Prices from the list that LiteLLM brings along; read as a file, without importing LiteLLM."""

from __future__ import annotations

import functools
import importlib.util
import json
from collections.abc import Mapping
from decimal import Decimal
from importlib import metadata
from pathlib import Path
from typing import Any

from chalicelib.domain.prices import Price

LIST = "model_prices_and_context_window_backup.json"

_MILLION = Decimal(1_000_000)


class LiteLlmPrices:
    """See `PriceList`. The list is read when it is first asked, which takes some 100 ms."""

    @functools.cached_property
    def _listed(self) -> Mapping[str, Mapping[str, Any]]:
        found = importlib.util.find_spec("litellm")
        folder = Path(next(iter(found.submodule_search_locations or ()))) if found else Path()
        listed: Mapping[str, Mapping[str, Any]] = json.loads((folder / LIST).read_bytes(), parse_float=Decimal)
        return listed

    @functools.cached_property
    def _source(self) -> str:
        return f"litellm {metadata.version('litellm')}"

    @functools.lru_cache(maxsize=1_024)  # noqa: B019 - there is one list for as long as the process lives
    def price(self, namespace: str, model: str) -> Price | None:
        """See `PriceList.price`; a name that stands alone in the list counts only for the provider it stands for."""
        entry = self._listed.get(f"{namespace}/{model}") or self._listed.get(model)
        if entry is None or not str(entry.get("litellm_provider", "")).startswith(namespace):
            return None
        return self._priced(entry)

    def _priced(self, entry: Mapping[str, Any]) -> Price | None:
        known = {name: _micros(entry[name]) for name in _PRICES if entry.get(name) is not None}
        if not any(known.values()):
            return None  # the list has zeros where a price is not known
        limit = entry.get("max_output_tokens")
        return Price(
            source=self._source,
            input=known.get("input_cost_per_token", Decimal(0)),
            output=known.get("output_cost_per_token", Decimal(0)),
            cached_input=known.get("cache_read_input_token_cost"),
            per_search=known.get("input_cost_per_query", Decimal(0)),
            max_output_tokens=limit if isinstance(limit, int) else None,
        )


_PRICES = ("input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost", "input_cost_per_query")


def _micros(usd: Decimal | float) -> Decimal:
    return Decimal(str(usd)) * _MILLION
