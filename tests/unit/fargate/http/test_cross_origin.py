"""Pages read what a service answers them, if they are allowed to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import urllib3
from fastapi import APIRouter

from chalicelib.contracts.identity import HEADER
from fargate.http.app import service_app
from fargate.http.identity import authenticate
from tests.fakes.identities import VERIFIER, principal
from tests.fakes.serving import serving

CHAT = "https://chat.example"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    identify, routes = authenticate(VERIFIER), APIRouter(prefix="/demo")

    @routes.get("/broken")
    async def broken() -> None:
        raise RuntimeError

    app = service_app("demo", [routes], authenticate=identify, version="1", allowed_origins=[CHAT])
    with serving(app) as url:
        yield url


@pytest.mark.parametrize(("path", "status"), [("health", 200), ("nowhere", 404), ("broken", 500)])
@pytest.mark.parametrize("origin", [CHAT, "https://evil.example", None])
def test_an_allowed_page_may_read_whatever_is_answered(url: str, path: str, status: int, origin: str | None) -> None:
    """Errors too, with their trace; another page may not, and no cache mixes the two up."""
    headers = {HEADER: principal().token or "", **({"Origin": origin} if origin else {})}
    reply = urllib3.request("GET", f"{url}/demo/{path}", headers=headers)
    assert reply.status == status
    assert reply.headers.get("Access-Control-Allow-Origin") == (CHAT if origin == CHAT else None)
    assert ("X-Trace-Id" in reply.headers.get("Access-Control-Expose-Headers", "")) is (origin == CHAT)
    assert reply.headers["Vary"] == "Origin"
