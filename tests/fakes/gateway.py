"""The gateway over a provider for tests, with everything it tells its meter."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from fastapi import FastAPI
from pydantic import SecretBytes

from chalicelib.adapters.sqlite_table import SqliteTable
from chalicelib.adapters.system_clock import SystemClock
from chalicelib.domain.access import Tenant
from chalicelib.domain.identifiers import TenantId
from chalicelib.domain.prices import Price
from chalicelib.domain.routes import Deployment, Route, RouteKind
from chalicelib.errors import BudgetExceeded
from chalicelib.observability.metrics import Metrics
from chalicelib.repositories.credentials import ApiKeys
from chalicelib.repositories.routes import Routes
from fargate.adapters.litellm_models import LiteLlmProvider
from fargate.adapters.local_models import LocalProvider
from fargate.adapters.openai_http import AnswerLimits, OpenAiProvider
from fargate.gateway import routes as gateway_routes
from fargate.gateway.attempts import Watchers
from fargate.gateway.callers import KeyHolders, authenticate_caller
from fargate.gateway.circuits import Circuits
from fargate.gateway.metering import Outcome, Reservation, UpstreamCall
from fargate.gateway.providers import Protocols, ProviderKeys, Providers, ProviderSpec
from fargate.gateway.route_book import RouteBook
from fargate.gateway.service import Chances, GatewayService
from fargate.http.app import service_app
from tests.fakes.embedder import BagOfWords
from tests.fakes.identities import VERIFIER

ACME = Tenant(TenantId("acme"))
MAX_ANSWER_BYTES = 1024 * 1024
CANARY_KEY = "sk-canary-0123456789abcdef"
PRICE = Price("test", input=Decimal(2), output=Decimal(10), per_search=Decimal(2_000), max_output_tokens=1_000)


@dataclass
class NotingMeter:
    """See `Meter`. Keeps every call with what became of it; *refusal* is raised by the next `reserve`."""

    reserved: list[UpstreamCall] = field(default_factory=list)
    settled: list[tuple[UpstreamCall, Outcome]] = field(default_factory=list)
    refusal: Exception | None = None
    poor: frozenset[str] = frozenset()
    """Routes for which no budget has room."""

    async def reserve(self, call: UpstreamCall) -> Reservation:
        """See `Meter.reserve`."""
        if self.refusal is not None:
            raise self.refusal
        if call.route in self.poor:
            raise BudgetExceeded(f"No budget has room for {call.route}.", budget="test")
        self.reserved.append(call)
        return Reservation(call)

    def settle(self, reservation: Reservation, outcome: Outcome) -> None:
        """See `Meter.settle`."""
        self.settled.append((reservation.call, outcome))


class FixedPrices:
    """See `PriceList`. Everything has the same price, but for models called `unpriced`."""

    def price(self, namespace: str, model: str) -> Price | None:
        """See `PriceList.price`."""
        return None if model == "unpriced" else PRICE


class OneKey:
    """See `Secrets`. Every provider has the canary as its key."""

    def get(self, name: str) -> SecretBytes | None:
        """See `Secrets.get`."""
        return SecretBytes(CANARY_KEY.encode())

    def create(self, name: str, value: SecretBytes) -> SecretBytes:
        """See `Secrets.create`."""
        return value


@dataclass
class Gateway:
    """A gateway whose providers `direct` and `translated` are both the provider at one address."""

    service: GatewayService
    meter: NotingMeter
    circuits: Circuits
    direct: OpenAiProvider
    translated: LiteLlmProvider
    routes: Routes
    api_keys: ApiKeys

    def app(self) -> FastAPI:
        """Give its ASGI app; what belongs to the event loop is closed when that stops being served."""
        identity = authenticate_caller(VERIFIER, KeyHolders(self.api_keys, SystemClock()))

        @asynccontextmanager
        async def life(_: FastAPI) -> AsyncIterator[None]:
            yield
            await self.direct.close()
            await self.translated.close()

        routers = gateway_routes.routers(self.service, identity, heartbeat_s=0.05)
        return service_app("gateway", routers, authenticate=identity, version="1", lifespan=life)

    def forget(self) -> None:
        """Begin anew: no circuit is open, and nothing was counted."""
        self.circuits.__init__()  # type: ignore[misc]
        self.meter.__init__()  # type: ignore[misc]


@contextmanager
def gateway(
    folder: Path, url: str, routes: Sequence[Route], chance: Callable[[], float] = lambda: 0.5
) -> Iterator[Gateway]:
    """Open a gateway with *routes*; its `direct.close` is the caller's, on the loop it was used on."""
    clock = SystemClock()
    table = SqliteTable(folder / "gateway.sqlite", clock)
    specs = {
        "direct": ProviderSpec(base_url=url, prices="test"),
        "translated": ProviderSpec(kind="hosted_vllm", base_url=url, prices="test"),
        "local": ProviderSpec(kind="local", prices="free", needs_key=False),
    }
    embedder = BagOfWords()
    direct = OpenAiProvider(AnswerLimits(MAX_ANSWER_BYTES, MAX_ANSWER_BYTES))
    translated = LiteLlmProvider()
    protocols = Protocols(direct, translated, LocalProvider(lambda: {embedder.info.name: embedder}))
    providers = Providers(specs, ProviderKeys(OneKey(), {}, clock), protocols, FixedPrices())
    meter, circuits = NotingMeter(), Circuits()
    stored = Routes(table, {route.name: route for route in routes})
    watchers = Watchers(meter, circuits, clock, Metrics("Test", None))
    book = RouteBook(stored, clock)
    service = GatewayService(routes=book, providers=providers, watchers=watchers, chances=Chances(chance))
    try:
        yield Gateway(service, meter, circuits, direct, translated, stored, ApiKeys(table))
    finally:
        table.close()


def route(name: str, *models: str, kind: RouteKind = RouteKind.CHAT, **options: object) -> Route:
    """Give a route to *models*, tried in that order."""
    deployments = [Deployment(model, weight=1 if number == 0 else 0) for number, model in enumerate(models)]
    return Route(name, kind, deployments, **options)  # type: ignore[arg-type]
