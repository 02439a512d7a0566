"""How long the gateway goes by what it read."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from chalicelib.adapters.sqlite_table import SqliteTable
from chalicelib.contracts.routes import configured_routes
from chalicelib.domain.access import Tenant
from chalicelib.domain.identifiers import TenantId
from chalicelib.domain.routes import RouteKind
from chalicelib.errors import ConfigurationError, NotFound
from chalicelib.repositories.routes import Routes
from fargate.gateway.route_book import TTL_S, RouteBook
from tests.fakes.clock import HandClock
from tests.fakes.gateway import ACME, route

RIVAL = Tenant(TenantId("rival"))


def test_a_change_is_live_within_seconds(tmp_path: Path) -> None:
    """And for its tenant only."""
    clock = HandClock()
    table = SqliteTable(tmp_path / "t.sqlite", clock)
    routes = Routes(table, {})
    book = RouteBook(routes, clock)

    def named(tenant: Tenant) -> list[str]:
        return list(asyncio.run(book.all(tenant)))

    assert named(ACME) == []
    routes.create(ACME, route("chat", "openai/a"))
    assert named(ACME) == []
    clock.advance(TTL_S)
    assert (named(ACME), named(RIVAL)) == (["chat"], [])
    assert asyncio.run(book.get(ACME, "chat", RouteKind.CHAT)).deployments[0].model == "openai/a"
    with pytest.raises(NotFound, match="is for chat, not for embedding; routes for embedding: none yet"):
        asyncio.run(book.get(ACME, "chat", RouteKind.EMBEDDING))
    with pytest.raises(NotFound):
        asyncio.run(book.get(RIVAL, "chat", RouteKind.CHAT))
    table.close()


@pytest.mark.parametrize("text", ["{", "[{}]", '[{"name": "a", "kind": "chat", "deployments": []}]'])
def test_routes_of_the_environment_are_checked_at_the_start(text: str) -> None:
    """As those of the API are."""
    with pytest.raises(ConfigurationError, match="RAGSTONE_ROUTES"):
        configured_routes(text)
