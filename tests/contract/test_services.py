"""The contract of services, over the object itself and over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

import pytest

from chalicelib.adapters.http_services import HttpGenerator, HttpIngestor, HttpModelGateway, HttpRetriever, Upstream
from chalicelib.domain.access import Role
from fargate.gateway import routes as gateway_routes
from fargate.generation import routes as generation_routes
from fargate.http.app import service_app
from fargate.http.identity import authenticate
from fargate.ingestion import routes as ingestion_routes
from fargate.retrieval import routes as retrieval_routes
from fargate.standalone.load_balancer import LoadBalancer
from tests.contract.services_contract import (
    GeneratorContract,
    IngestorContract,
    ModelGatewayContract,
    RetrieverContract,
)
from tests.fakes.identities import VERIFIER, principal
from tests.fakes.scripted_services import ScriptedGateway, ScriptedGenerator, ScriptedIngestor, ScriptedRetriever
from tests.fakes.serving import serving


@dataclass
class Served:
    """Scripted services behind one real server."""

    ingestor: ScriptedIngestor = field(default_factory=ScriptedIngestor)
    retriever: ScriptedRetriever = field(default_factory=ScriptedRetriever)
    generator: ScriptedGenerator = field(default_factory=ScriptedGenerator)
    gateway: ScriptedGateway = field(default_factory=ScriptedGateway)
    url: str = ""


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """Serve the scripted services through their real routes."""
    served = Served()
    identify = authenticate(VERIFIER)
    routers = {
        "ingestion": [ingestion_routes.router(served.ingestor, identify)],
        "retrieval": [retrieval_routes.router(served.retriever, identify)],
        "generation": [generation_routes.router(served.generator, identify)],
        "gateway": gateway_routes.routers(served.gateway, identify),
    }
    apps = {name: service_app(name, each, authenticate=identify, version="1") for name, each in routers.items()}
    with serving(LoadBalancer(apps)) as url:
        served.url = url
        yield served


@pytest.fixture
def upstream(served: Served) -> Iterator[Upstream]:
    """Give the connections to the served services, which have forgotten everything."""
    served.ingestor.__init__()  # type: ignore[misc]
    served.retriever.__init__()  # type: ignore[misc]
    served.generator.__init__()  # type: ignore[misc]
    served.gateway.__init__()  # type: ignore[misc]
    with closing(Upstream(served.url, lambda: principal(role=Role.SERVICE).token or "")) as upstream:
        yield upstream


class TestIngestorItself(IngestorContract):
    """The object."""

    @pytest.fixture
    def scripted(self) -> ScriptedIngestor:
        """Give the service."""
        return ScriptedIngestor()

    @pytest.fixture
    def reached(self, scripted: ScriptedIngestor) -> ScriptedIngestor:
        """Give the same."""
        return scripted


class TestIngestorOverHttp(IngestorContract):
    """Through its routes and a client."""

    @pytest.fixture
    def scripted(self, served: Served) -> ScriptedIngestor:
        """Give the service behind the server."""
        return served.ingestor

    @pytest.fixture
    def reached(self, upstream: Upstream) -> HttpIngestor:
        """Give its client."""
        return HttpIngestor(upstream)


class TestRetrieverItself(RetrieverContract):
    """The object."""

    @pytest.fixture
    def scripted(self) -> ScriptedRetriever:
        """Give the service."""
        return ScriptedRetriever()

    @pytest.fixture
    def reached(self, scripted: ScriptedRetriever) -> ScriptedRetriever:
        """Give the same."""
        return scripted


class TestRetrieverOverHttp(RetrieverContract):
    """Through its routes and a client."""

    @pytest.fixture
    def scripted(self, served: Served) -> ScriptedRetriever:
        """Give the service behind the server."""
        return served.retriever

    @pytest.fixture
    def reached(self, upstream: Upstream) -> HttpRetriever:
        """Give its client."""
        return HttpRetriever(upstream)


class TestGeneratorItself(GeneratorContract):
    """The object."""

    @pytest.fixture
    def scripted(self) -> ScriptedGenerator:
        """Give the service."""
        return ScriptedGenerator()

    @pytest.fixture
    def reached(self, scripted: ScriptedGenerator) -> ScriptedGenerator:
        """Give the same."""
        return scripted


class TestGeneratorOverHttp(GeneratorContract):
    """Through its routes and a client."""

    @pytest.fixture
    def scripted(self, served: Served) -> ScriptedGenerator:
        """Give the service behind the server."""
        return served.generator

    @pytest.fixture
    def reached(self, upstream: Upstream) -> HttpGenerator:
        """Give its client."""
        return HttpGenerator(upstream)


class TestModelGatewayItself(ModelGatewayContract):
    """The object."""

    @pytest.fixture
    def scripted(self) -> ScriptedGateway:
        """Give the service."""
        return ScriptedGateway()

    @pytest.fixture
    def reached(self, scripted: ScriptedGateway) -> ScriptedGateway:
        """Give the same."""
        return scripted


class TestModelGatewayOverHttp(ModelGatewayContract):
    """Through its routes and a client."""

    @pytest.fixture
    def scripted(self, served: Served) -> ScriptedGateway:
        """Give the service behind the server."""
        return served.gateway

    @pytest.fixture
    def reached(self, upstream: Upstream) -> HttpModelGateway:
        """Give its client."""
        return HttpModelGateway(upstream)
