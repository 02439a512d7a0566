"""The embedder's contract, held by the local model and by the embedding service over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing

import pytest

from chalicelib.domain.access import Role
from chalicelib.errors import Forbidden, RagError, Unauthenticated
from chalicelib.ports.models import Embedder, Purpose
from fargate.adapters.http_embedder import HttpEmbedder
from fargate.adapters.openvino_models import OpenVinoEmbedder
from fargate.embedding.routes import router
from fargate.http.app import service_app
from fargate.http.identity import authenticate
from tests.contract.embedder_contract import EmbedderContract
from tests.fakes.identities import VERIFIER, principal
from tests.fakes.serving import serving


@pytest.fixture(scope="module")
def local() -> Iterator[OpenVinoEmbedder]:
    with closing(OpenVinoEmbedder()) as embedder:
        yield embedder


@pytest.fixture(scope="module")
def address(local: OpenVinoEmbedder) -> Iterator[str]:
    check = authenticate(VERIFIER)
    app = service_app("embedding", [router({"local/minilm": local}, check)], authenticate=check, version="test")
    with serving(app) as url:
        yield url


class TestOpenVinoEmbedder(EmbedderContract):
    """In this process."""

    @pytest.fixture
    def embedder(self, local: OpenVinoEmbedder) -> Embedder:
        return local


class TestHttpEmbedder(EmbedderContract):
    """The same object, behind the service's HTTP API."""

    @pytest.fixture
    def embedder(self, address: str) -> Iterator[Embedder]:
        with closing(HttpEmbedder(address, lambda: str(principal(role=Role.SERVICE).token))) as embedder:
            yield embedder

    @pytest.mark.parametrize(
        ("token", "expected"), [("forged", Unauthenticated), ("admin", Forbidden)], ids=["forged", "not a service"]
    )
    def test_a_refusal_is_raised_as_the_same_class(self, address: str, token: str, expected: type[RagError]) -> None:
        """What the service raised is what its client raises."""
        text = token if token == "forged" else principal(role=Role.ADMIN).token
        with closing(HttpEmbedder(address + "/", lambda: str(text))) as embedder, pytest.raises(expected):
            asyncio.run(embedder.embed(["cat"], Purpose.QUERY))
