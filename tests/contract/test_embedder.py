"""The embedder's contract, held by the local model and by the embedding service over HTTP."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime

import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chalicelib.contracts.identity import IdentitySigner, IdentityVerifier
from chalicelib.domain.access import Principal, Role, Tenant
from chalicelib.domain.identifiers import TenantId
from chalicelib.errors import Forbidden, RagError, Unauthenticated
from chalicelib.ports.models import Embedder, Purpose
from fargate.adapters.http_embedder import HttpEmbedder
from fargate.adapters.openvino_models import OpenVinoEmbedder
from fargate.embedding.routes import router
from fargate.http.app import service_app
from fargate.http.identity import authenticate
from tests.contract.embedder_contract import EmbedderContract

KEY = Ed25519PrivateKey.generate()


@pytest.fixture(scope="module")
def local() -> Iterator[OpenVinoEmbedder]:
    with closing(OpenVinoEmbedder()) as embedder:
        yield embedder


@pytest.fixture(scope="module")
def address(local: OpenVinoEmbedder) -> Iterator[str]:
    check = authenticate(IdentityVerifier(KEY.public_key()))
    app = service_app("embedding", [router({"local/minilm": local}, check)], authenticate=check, version="test")
    with _serving(uvicorn.Config(app, port=0, lifespan="off", ws="none", log_level="error")) as port:
        yield f"http://127.0.0.1:{port}"


class TestOpenVinoEmbedder(EmbedderContract):
    """In this process."""

    @pytest.fixture
    def embedder(self, local: OpenVinoEmbedder) -> Embedder:
        return local


class TestHttpEmbedder(EmbedderContract):
    """The same object, behind the service's HTTP API."""

    @pytest.fixture
    def embedder(self, address: str) -> Iterator[Embedder]:
        with closing(HttpEmbedder(address, lambda: _token(Role.SERVICE))) as embedder:
            yield embedder

    @pytest.mark.parametrize(
        ("token", "expected"), [("forged", Unauthenticated), ("admin", Forbidden)], ids=["forged", "not a service"]
    )
    def test_a_refusal_is_raised_as_the_same_class(self, address: str, token: str, expected: type[RagError]) -> None:
        """What the service raised is what its client raises."""
        text = token if token == "forged" else _token(Role.ADMIN)
        with closing(HttpEmbedder(address + "/", lambda: text)) as embedder, pytest.raises(expected):
            asyncio.run(embedder.embed(["cat"], Purpose.QUERY))


def _token(role: Role) -> str:
    principal = Principal(Tenant(TenantId("acme")), "retrieval", frozenset({role}))
    return IdentitySigner(KEY).sign(principal, datetime.now(UTC))


@contextmanager
def _serving(config: uvicorn.Config) -> Iterator[int]:
    server = uvicorn.Server(config)
    ready = threading.Event()
    started = server.startup

    async def startup(sockets: object = None) -> None:
        await started()
        ready.set()

    server.startup = startup  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run)
    thread.start()
    assert ready.wait(10)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
