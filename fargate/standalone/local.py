"""`ragstone up`: the whole platform in this process, on the stores of one folder."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.types import ASGIApp

from chalicelib.bootstrap import core, owned_data_folder
from chalicelib.contracts.asking import Answer, QueryRequest
from chalicelib.domain.access import Principal, Tenant
from chalicelib.domain.acting import act_for
from chalicelib.domain.identifiers import TenantId
from chalicelib.edge.application import create_app
from chalicelib.edge.assembly import assemble, user_tokens
from chalicelib.edge.dependencies import Edge
from chalicelib.edge.user_tokens import UserTokens
from chalicelib.observability import logs
from chalicelib.repositories.credentials import ApiKeys
from chalicelib.repositories.documents import Documents
from chalicelib.settings import Settings
from fargate.bootstrap import SERVICES, Services, services
from fargate.standalone import first_start
from fargate.standalone.api_gateway import ApiGateway
from fargate.standalone.blob_routes import blob_routes
from fargate.standalone.issuer import LocalIssuer
from fargate.standalone.issuer_routes import issuer_routes
from fargate.standalone.load_balancer import LoadBalancer
from fargate.standalone.log_file import open_log
from fargate.standalone.server import crossing, listen, serving, told_to_stop, working

POLL_S = 0.1

Say = Callable[[str], None]
log = logs.get_logger(__name__)


def up(settings: Settings, say: Say) -> None:
    """
    Serve the platform until SIGINT or SIGTERM; *say* gets the lines a person reads, the log goes to the data folder.

    Raises `ConfigurationError` when it cannot start.
    """
    started = time.perf_counter()
    with owned_data_folder(settings) as folder, open_log(folder) as lines:
        logs.configure(settings.log_level, lines)
        with listen(settings) as listening, core(settings) as base, services(base) as platform:
            asyncio.run(_Local(platform, say, started).serve(listening))


@dataclass(frozen=True, slots=True)
class _Local:
    """One run of the platform."""

    platform: Services
    say: Say
    started: float

    async def serve(self, listening: socket.socket) -> None:
        """Make what the first start makes, then serve until told to stop."""
        base = self.platform.core
        admin = first_start.admin(Tenant(TenantId(base.settings.tenant)))
        key = first_start.ensure_admin_key(base.settings.data_dir, admin.tenant, ApiKeys(base.table), base.clock)
        if base.settings.sample:
            with act_for(admin.tenant):
                await first_start.ensure_sample_release(self.platform.ingestor, base.table, admin, base.clock)
        async with AsyncExitStack() as running:
            running.push_async_callback(self.platform.leave)
            # S3's events go to nobody here; the platform's own door for uploads tells of them itself.
            await running.enter_async_context(working(self.platform, looks_for_uploads=base.file_blobs is None))
            app = running.enter_context(_app(self.platform, asyncio.get_running_loop()))
            await running.enter_async_context(serving(app, listening))
            _leave_to_the_end()
            self._greet(key)
            await running.enter_async_context(_beside(self._load_sample(admin)))
            await told_to_stop()
            self.say("Stopping …")
        self.say("Stopped. Everything is kept; the next start goes on from here.")

    def _greet(self, key: first_start.AdminKey) -> None:
        settings = self.platform.core.settings
        place = settings.data_dir / first_start.ADMIN_KEY_FILE
        self.say(f"Ragstone {self.platform.core.version} answers at {settings.base_url}/v1 after {self._elapsed()}.")
        if key.fresh:
            self.say(f"Admin key, kept in {place} and shown this once: {key.credential}")
        else:
            self.say(f"The admin key stands in {place}.")
        self.say(f"Data and log are kept in {settings.data_dir}. Press Ctrl-C to stop.")

    async def _load_sample(self, admin: Principal) -> None:
        act_for(admin.tenant)
        base = self.platform.core
        if not base.settings.sample or first_start.sample_is_loaded(base.settings.data_dir):
            return
        documents = Documents(base.table)
        count = await first_start.submit_sample(self.platform.ingestor, documents, admin)
        self.say(f"Reading {count} sample documents …")
        # The document that answers the sample question goes first, so nobody waits for the others to see an answer.
        while await asyncio.to_thread(first_start.sample_answer_pending, documents, admin.tenant):
            await asyncio.sleep(POLL_S)
        self._show(await self.platform.generator.answer(admin, QueryRequest(question=first_start.SAMPLE_QUESTION)))
        while await asyncio.to_thread(first_start.sample_pending, documents, admin.tenant):
            await asyncio.sleep(POLL_S)
        first_start.mark_sample_loaded(base.settings.data_dir)
        self.say(f"All {count} sample documents are searchable after {self._elapsed()}.")

    def _show(self, answer: Answer) -> None:
        self.say(f"\nQ: {first_start.SAMPLE_QUESTION}\nA: {answer.answer}")
        for citation in answer.citations:
            where = " › ".join([citation.name, *citation.heading_path])
            self.say(f"   [{citation.marker}] {where}: “{citation.quote}”")
        self.say(f"\nAnswered {self._elapsed()} after the start, by release {answer.release}.")

    def _elapsed(self) -> str:
        return f"{time.perf_counter() - self.started:.1f} s"


def _leave_to_the_end() -> None:
    """Spare what stands by now, which is needed to the end, from garbage collection: a full one took .1 s and more."""
    gc.collect()
    gc.freeze()


@contextmanager
def _app(platform: Services, loop: asyncio.AbstractEventLoop) -> Iterator[ASGIApp]:
    """Give everything that listens on the platform's port, by the first part of the path."""
    base = platform.core
    issuer = LocalIssuer(
        base.secrets, base.clock, issuer=f"{base.settings.base_url}/local", audience=base.settings.jwt_audience
    )
    edge = _edge(platform, loop, issuer)
    apps: dict[str, ASGIApp] = {name: platform.app(name) for name in SERVICES}
    with closing(ApiGateway(create_app(edge), apps["generation"], base.settings.allowed_origins)) as gateway:
        apps["v1"] = apps["widget"] = gateway
        if base.file_blobs is not None:
            apps["local-blobs"] = Starlette(routes=blob_routes(base.file_blobs, platform.ingestion.uploaded))
        apps["local"] = Starlette(routes=issuer_routes(issuer, gateway.identity, base.verifier))
        yield LoadBalancer(apps)


def _edge(platform: Services, loop: asyncio.AbstractEventLoop, issuer: LocalIssuer) -> Edge:
    base, settings = platform.core, platform.core.settings
    local = UserTokens(issuer, base.clock, issuer=issuer.name, audience=settings.jwt_audience)
    return assemble(
        base,
        ingestor=platform.ingestor,
        retriever=platform.retriever,
        generator=platform.generator,
        gateway=platform.gateway,
        wait=crossing(loop),
        users=user_tokens(base) or local,
        traces=platform.traces,
    )


@asynccontextmanager
async def _beside(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Do *work* while the context lasts; what goes wrong in it is logged, and stops nothing else."""

    async def guarded() -> None:
        try:
            await work
        except Exception:  # the rim: the platform serves on without its sample
            log.exception("sample_not_loaded")

    task = asyncio.create_task(guarded())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
