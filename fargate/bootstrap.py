"""The composition root of the services: each is built when it is first asked for, and closed in the end."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from functools import cached_property, partial

from fastapi import FastAPI

from chalicelib.bootstrap import Core, RemoteServices, readable_traces, remote_services, tenant_session
from chalicelib.contracts.routes import configured_routes
from chalicelib.errors import ConfigurationError
from chalicelib.observability import spans
from chalicelib.observability.metrics import Metrics
from chalicelib.observability.spans import LocalSpans, SpanBackend
from chalicelib.observability.stage_metrics import StageMetrics
from chalicelib.ports.guardrails import Guardrail
from chalicelib.ports.models import Embedder
from chalicelib.ports.services import Generator, Ingestor, ModelGateway, Retriever
from chalicelib.ports.traces import Traces
from chalicelib.ports.vectors import VectorIndex
from chalicelib.repositories.budgets import Budgets
from chalicelib.repositories.chunks import Chunks
from chalicelib.repositories.credentials import ApiKeys
from chalicelib.repositories.documents import Documents
from chalicelib.repositories.effective_release import EffectiveRelease
from chalicelib.repositories.feedback_tokens import token_with_answer
from chalicelib.repositories.indexes import Indexes
from chalicelib.repositories.ledger import Ledger
from chalicelib.repositories.prompts import Prompts
from chalicelib.repositories.releases import Releases
from chalicelib.repositories.remembered_answers import RememberedAnswers
from chalicelib.repositories.routes import Routes
from chalicelib.repositories.runs import Runs
from chalicelib.repositories.schedules import Schedules
from chalicelib.settings import Settings
from fargate.adapters import multilingual_e5
from fargate.adapters.http_embedder import HttpEmbedder
from fargate.adapters.lazy_embedder import LazyEmbedder
from fargate.adapters.litellm_models import LiteLlmProvider
from fargate.adapters.litellm_prices import LiteLlmPrices
from fargate.adapters.local_model import LocalModel
from fargate.adapters.local_models import LocalProvider
from fargate.adapters.minilm import MINILM
from fargate.adapters.multilingual_e5 import MULTILINGUAL_E5
from fargate.adapters.openai_http import OpenAiProvider
from fargate.adapters.openvino_models import EmbedderOptions, OpenVinoEmbedder
from fargate.adapters.sqlite_vectors import SqliteVectors
from fargate.adapters.tenant_bound_vectors import TenantBoundVectors
from fargate.embedding import routes as embedding_routes
from fargate.gateway import providers as gateway_providers
from fargate.gateway import routes as gateway_routes
from fargate.gateway.attempts import Watchers
from fargate.gateway.budget_meter import BudgetMeter
from fargate.gateway.callers import KeyHolders, authenticate_caller
from fargate.gateway.limiting import LimitingMeter, PacedCircuits, Rates
from fargate.gateway.limits import Concurrency
from fargate.gateway.providers import Protocols, ProviderKeys, Providers
from fargate.gateway.route_book import RouteBook
from fargate.gateway.service import GatewayService
from fargate.generation import routes as generation_routes
from fargate.generation.chat_routes import chat_router
from fargate.generation.service import GenerationService
from fargate.http.app import service_app
from fargate.http.identity import Authenticate, authenticate
from fargate.ingestion import recognising
from fargate.ingestion import routes as ingestion_routes
from fargate.ingestion.chunkers import registry as chunkers
from fargate.ingestion.parsers import registry as parsers
from fargate.ingestion.recognising import RecognisingSandbox
from fargate.ingestion.sandbox import Sandbox, SandboxLimits
from fargate.ingestion.scheduling import Scheduler
from fargate.ingestion.service import IngestionService
from fargate.ingestion.stores import Stores
from fargate.ingestion.tools import Sandbox as FileReader
from fargate.ingestion.tools import Tools
from fargate.ingestion.worker import IngestionWorker, WorkerOptions
from fargate.retrieval import routes as retrieval_routes
from fargate.retrieval.service import RetrievalService

MEBIBYTE = 1024 * 1024
SERVICES = ("ingestion", "embedding", "retrieval", "generation", "gateway")


@contextmanager
def services(core: Core) -> Iterator[Services]:
    """Give the services of this process; what they opened is closed in the end, last opened first."""
    with ExitStack() as opened:
        platform = Services(core, opened.enter_context(remote_services(core)), opened)
        opened.callback(spans.configure, None)
        spans.configure(platform.recorder())
        yield platform


class Services:
    """A service is in this process unless its URL is set; nothing above here knows which it has."""

    def __init__(self, core: Core, remote: RemoteServices, opened: ExitStack) -> None:
        self.core = core
        self._remote = remote
        self._opened = opened
        self._metrics = Metrics("Ragstone", sys.stdout if core.settings.metrics else None)

    @cached_property
    def traces(self) -> Traces:
        """Where the stages of requests can be read again."""
        return readable_traces(self.core.settings)

    def recorder(self) -> SpanBackend | None:
        """Give what records the stages of this process."""
        backend: SpanBackend | None = None
        if self.core.settings.traces == "xray":
            from fargate.adapters.xray_spans import XraySpans  # the SDK takes .2 s to import

            backend = self._opened.enter_context(closing(XraySpans()))
        elif isinstance(self.traces, LocalSpans) and self.core.settings.traces == "local":
            backend = self.traces
        return StageMetrics(self._metrics, backend) if self.core.settings.metrics else backend

    @cached_property
    def ingestor(self) -> Ingestor:
        """Takes documents in and out."""
        return self._remote.ingestor or self.ingestion

    @cached_property
    def retriever(self) -> Retriever:
        """Finds passages."""
        return self._remote.retriever or RetrievalService(
            documents=Documents(self.core.table),
            chunks=Chunks(self.core.table),
            runs=self._runs,
            releases=self._releases,
            vectors=self.vectors,
            embedders=self.embedders,
            gateway=self.gateway,
            clock=self.core.clock,
        )

    @cached_property
    def generator(self) -> Generator:
        """Answers questions."""
        return self._remote.generator or GenerationService(
            retriever=self.retriever,
            releases=self._releases,
            runs=self._runs,
            remembered=RememberedAnswers(self.core.table, self._runs),
            link_hosts=lambda tenant: self.core.tenants.get(tenant).link_hosts,
            feedback_token=partial(token_with_answer, self.core.feedback_tokens, self.core.tenants),
            embedders=self.embedders,
            gateway=self.gateway,
            clock=self.core.clock,
            metrics=self._metrics,
            guardrails=lambda: self.guardrails,
        )

    @cached_property
    def guardrails(self) -> Guardrail:
        """Judge answers by the rules that releases name."""
        from fargate.adapters.bedrock_guardrails import BedrockGuardrails  # boto3 takes .2 s to import

        return self._opened.enter_context(closing(BedrockGuardrails()))

    @cached_property
    def gateway(self) -> ModelGateway:
        """Calls models."""
        return self._remote.gateway or GatewayService(
            routes=RouteBook(self.routes, self.core.clock),
            providers=self._providers,
            watchers=self._watchers(),
        )

    @cached_property
    def routes(self) -> Routes:
        """The gateway's routes."""
        return Routes(self.core.table, configured_routes(self.core.settings.routes))

    @cached_property
    def ingestion(self) -> IngestionService:
        """The ingestion service itself, which is also told of uploads."""
        return IngestionService(stores=self._stores, tools=self._tools, clock=self.core.clock)

    @cached_property
    def worker(self) -> IngestionWorker:
        """The queue worker of ingestion."""
        options = WorkerOptions(concurrency=self.core.settings.ingestion_concurrency)
        return IngestionWorker(self._stores, self._tools, self.core.clock, options)

    @cached_property
    def scheduler(self) -> Scheduler:
        """Lets schedules happen that are due."""
        return Scheduler(Schedules(self.core.table), self.ingestion, self.core.clock)

    @cached_property
    def embedders(self) -> Mapping[str, Embedder]:
        """The embedding models by name."""
        minilm = self._opened.enter_context(closing(self._embedder(MINILM)))
        embedders: dict[str, Embedder] = {minilm.info.name: minilm}
        if multilingual_e5.is_installed():
            info = MULTILINGUAL_E5.info
            lazy = LazyEmbedder(info, lambda: self._embedder(MULTILINGUAL_E5))
            embedders[info.name] = self._opened.enter_context(closing(lazy))
        return embedders

    def _embedder(self, model: LocalModel) -> HttpEmbedder | OpenVinoEmbedder:
        settings = self.core.settings
        if settings.embedding_url:
            return HttpEmbedder(settings.embedding_url, self.core.service_token, model=model)
        options = EmbedderOptions(streams=settings.embedding_streams, threads=settings.embedding_threads)
        return OpenVinoEmbedder(options, model)

    @cached_property
    def vectors(self) -> VectorIndex:
        """The search store."""
        return TenantBoundVectors(self._opened.enter_context(closing(_vector_store(self.core))))

    def app(self, name: str) -> FastAPI:
        """Give the HTTP app of the service *name*, one of `SERVICES`."""
        identity = self._identity(name)
        routers = {
            "ingestion": lambda: [ingestion_routes.router(self.ingestion, identity)],
            "embedding": lambda: [embedding_routes.router(self.embedders, identity)],
            "retrieval": lambda: [retrieval_routes.router(self.retriever, identity)],
            "generation": lambda: [
                generation_routes.router(self.generator, identity),
                chat_router(self.generator, identity),
            ],
            "gateway": lambda: gateway_routes.routers(self.gateway, identity),
        }
        return service_app(
            name,
            routers[name](),
            authenticate=identity,
            version=self.core.version,
            metrics=self._metrics,
            # The gateway leads streams past the edge, to pages too.
            allowed_origins=self.core.settings.allowed_origins if name == "generation" else (),
        )

    async def prepare(self) -> None:
        """Load what takes seconds to load, for the first call not to wait for it."""
        await self._providers.prepare()

    async def leave(self) -> None:
        """Close what belongs to the event loop; to be awaited there, when nothing is served any more."""
        await self._counting.idle()
        await self._direct.close()
        await self._translated.close()

    def _identity(self, name: str) -> Authenticate:
        if name != "gateway":
            return authenticate(self.core.verifier)
        return authenticate_caller(self.core.verifier, KeyHolders(ApiKeys(self.core.table), self.core.clock))

    @cached_property
    def _direct(self) -> OpenAiProvider:
        return OpenAiProvider()

    @cached_property
    def _translated(self) -> LiteLlmProvider:
        return LiteLlmProvider()

    @cached_property
    def _providers(self) -> Providers:
        settings = self.core.settings
        given = settings.providers.get_secret_value() if settings.providers else None
        keys = ProviderKeys(self.core.secrets, os.environ, self.core.clock)
        protocols = Protocols(self._direct, self._translated, LocalProvider(lambda: self.embedders))
        return Providers(gateway_providers.configured(given), keys, protocols, LiteLlmPrices())

    def _watchers(self) -> Watchers:
        core, circuits = self.core, PacedCircuits(self.core.clock)
        meter = LimitingMeter(
            self._counting,
            rates=_rates(core.settings),
            concurrency=_concurrency(core.settings),
            circuits=circuits,
            clock=core.clock,
            metrics=self._metrics,
            wait_s=core.settings.gateway_wait_s,
        )
        return Watchers(meter, circuits, core.clock, self._metrics)

    @cached_property
    def _counting(self) -> BudgetMeter:
        table = self.core.table
        return BudgetMeter(budgets=Budgets(table), ledger=Ledger(table), clock=self.core.clock, metrics=self._metrics)

    @cached_property
    def _releases(self) -> EffectiveRelease:
        table = self.core.table
        return EffectiveRelease(Releases(table), Indexes(table), Prompts(table), self.core.clock)

    @cached_property
    def _runs(self) -> Runs:
        return Runs(self.core.table, self.core.settings.run_retention_days, self.core.tenants)

    @cached_property
    def _stores(self) -> Stores:
        core = self.core
        return Stores.over(table=core.table, blobs=core.blobs, queue=core.queue, vectors=self.vectors)

    @cached_property
    def _tools(self) -> Tools:
        return Tools(sandbox=self._sandbox(), parsers=parsers, chunkers=chunkers, embedders=self.embedders)

    def _sandbox(self) -> FileReader:
        settings = self.core.settings
        plain = self._opened.enter_context(
            closing(Sandbox(_limits(settings.parser_timeout_s, settings.parser_memory_mb), settings.parser_processes))
        )
        if not (settings.ocr and recognising.is_installed()):
            return plain
        limits = _limits(settings.ocr_timeout_s, settings.ocr_memory_mb)
        recogniser = Sandbox(limits, settings.parser_processes, reader=recognising.READER)
        return RecognisingSandbox(plain, self._opened.enter_context(closing(recogniser)))


def _vector_store(core: Core) -> VectorIndex:
    """Give the store that the settings choose; what AWS needs is imported where it is chosen, for it takes .3 s."""
    settings = core.settings
    if settings.vectors == "s3vectors":
        from chalicelib.adapters.aws_clients import client
        from fargate.adapters.s3_vectors import S3Vectors

        return S3Vectors(client("s3vectors", tenant_session(settings)), str(settings.vector_bucket), core.clock)
    if settings.postgres_url and settings.vectors == "pgvector":
        try:
            from fargate.adapters.pgvector_vectors import PgVector
        except ModuleNotFoundError as error:
            raise ConfigurationError("RAGSTONE_VECTORS", "pgvector needs the extra of that name; install it") from error

        url = settings.postgres_url.get_secret_value()
        if not settings.postgres_iam:
            return PgVector(url)
        from fargate.adapters.rds_tokens import tokens

        return PgVector(url, password=tokens(url))
    return SqliteVectors(settings.data_dir.resolve() / "vectors", memory_bytes=settings.vector_cache_mb * MEBIBYTE)


def _limits(time_s: int, memory_mb: int) -> SandboxLimits:
    return SandboxLimits(wall_s=time_s, cpu_s=time_s, memory_bytes=memory_mb * MEBIBYTE)


def _rates(settings: Settings) -> Rates:
    return Rates(
        tenant_rpm=settings.gateway_tenant_rpm,
        tenant_tpm=settings.gateway_tenant_tpm,
        subject_rpm=settings.gateway_key_rpm,
        subject_tpm=settings.gateway_key_tpm,
    )


def _concurrency(settings: Settings) -> Concurrency:
    return Concurrency(
        total=settings.gateway_concurrency,
        per_tenant=settings.gateway_tenant_concurrency,
        per_subject=settings.gateway_key_concurrency,
        waiting=settings.gateway_waiting,
    )
