"""Which pages of other origins may call the API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.domain.access import Role
from tests.fakes.edge_world import World

CHAT, CONSOLE = "https://chat.example", "https://console.example"


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[World]:
    (tmp_path / "shared").mkdir()
    world = World(tmp_path / "shared", allowed_origins=(CHAT, CONSOLE))
    yield world
    world.close()


def test_by_default_no_page_may_read_anything(world: World, admin: str) -> None:
    """Without configured origins no header lets a browser hand the answer to a page."""
    for method in ("GET", "OPTIONS"):
        reply = world.ask(method, "/me", admin, headers={"Origin": CHAT})
        assert "access-control-allow-origin" not in reply.headers


@pytest.mark.parametrize("origin", [CHAT, CONSOLE])
def test_each_allowed_origin_is_named_to_itself(shared: World, origin: str) -> None:
    """There may be several, and an answer is cached for the one it was given to."""
    reply = shared.ask("GET", "/me", shared.key(Role.READER), headers={"Origin": origin})
    assert reply.headers["access-control-allow-origin"] == origin
    assert "X-Trace-Id" in reply.headers["access-control-expose-headers"]
    assert reply.headers["vary"] == "Origin"


@pytest.mark.parametrize("origin", ["https://evil.example", CHAT + ".evil.example", "null", CHAT.upper()])
def test_other_origins_are_not(shared: World, origin: str) -> None:
    """Nor is one that only looks like an allowed one."""
    reply = shared.ask("GET", "/me", shared.key(Role.READER), headers={"Origin": origin})
    assert "access-control-allow-origin" not in reply.headers
    assert reply.headers["vary"] == "Origin"


def test_problems_can_be_read_as_well(shared: World) -> None:
    """A page must be able to say what went wrong."""
    reply = shared.ask("GET", "/documents", shared.key(Role.READER), headers={"Origin": CHAT})
    assert reply.problem == (403, "forbidden")
    assert reply.headers["access-control-allow-origin"] == CHAT


@pytest.mark.parametrize("path", ["/chat/completions", "/models"])
def test_openais_client_may_send_its_own_headers_from_a_page(shared: World, path: str) -> None:
    """There are many; the credential has to be named beside the star."""
    reply = shared.ask("OPTIONS", path, headers={"Origin": CHAT, "Access-Control-Request-Method": "POST"})
    assert (reply.status, reply.headers["access-control-allow-headers"]) == (204, "Authorization, *")


def test_a_preflight_needs_no_credential(shared: World) -> None:
    """Browsers send none with it; it says what the path takes."""
    reply = shared.ask("OPTIONS", "/documents", headers={"Origin": CHAT, "Access-Control-Request-Method": "POST"})
    assert reply.status == 204
    assert reply.headers["access-control-allow-origin"] == CHAT
    assert reply.headers["access-control-allow-methods"] == "GET, POST, OPTIONS"
    assert {"Authorization", "Content-Type", "Idempotency-Key"} <= set(
        reply.headers["access-control-allow-headers"].split(", ")
    )


def test_every_path_answers_a_preflight(shared: World) -> None:
    """The stream's too, which the gateway leads elsewhere for its own method only."""
    for path, entries in shared.app.routes.items():
        assert "OPTIONS" in entries, path


def test_a_platform_may_be_open_to_all_origins(tmp_path: Path) -> None:
    """`*` stands for every one."""
    world = World(tmp_path, allowed_origins=("*",))
    reply = world.ask("GET", "/health", headers={"Origin": "https://anything.example"})
    assert reply.headers["access-control-allow-origin"] == "*"
    world.close()
