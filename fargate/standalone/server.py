"""Serving: the whole platform in one process (`ragstone up`), or one service by itself (`python -m fargate`)."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, TypeVar

import uvicorn
from starlette.types import ASGIApp

from chalicelib.edge.dependencies import Wait
from chalicelib.errors import ConfigurationError, DeadlineExceeded
from chalicelib.settings import Settings
from fargate.bootstrap import Services

GRACE_S = 10
DEADLINE_S = 60.0
BACKLOG = 1_024
COLLECT_EVERY = 10_000
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)

ResultT = TypeVar("ResultT")


def listen(settings: Settings) -> socket.socket:
    """Take the port. Raises `ConfigurationError` when somebody else has it."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Only where the protocol is named does asyncio send small packets at once; else a response's body waits 40 ms for
    # the client to acknowledge its head.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        detail = f"{settings.host}:{settings.port} cannot be listened on ({error.strerror}); choose another port"
        raise ConfigurationError("RAGSTONE_PORT", detail) from error
    listening.listen(BACKLOG)
    return listening


@asynccontextmanager
async def serving(app: ASGIApp, listening: socket.socket) -> AsyncIterator[None]:
    """Serve *app* on *listening* while the context lasts; requests under way then get `GRACE_S` to finish."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=GRACE_S,
        server_header=False,
        proxy_headers=False,  # nothing here asks where a request came from
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve([listening]))
    try:
        while not (server.started or task.done()):
            await asyncio.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def working(services: Services, *, looks_for_uploads: bool = False) -> AsyncIterator[None]:
    """Run the ingestion worker and the schedules beside, and let them finish or give back what they have in hand."""
    stop = asyncio.Event()
    working = services.worker.run(stop, looks_for_uploads=looks_for_uploads)
    tasks = [asyncio.create_task(working), asyncio.create_task(services.scheduler.run(stop))]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*tasks)


@asynccontextmanager
async def preparing(services: Services) -> AsyncIterator[None]:
    """Load beside what takes seconds to load; requests are answered meanwhile."""
    task = asyncio.create_task(services.prepare())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def told_to_stop() -> None:
    """Wait for SIGINT or SIGTERM; a second one ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def first() -> None:
        stop.set()
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, first)
    await stop.wait()


async def serve_service(services: Services, name: str) -> None:
    """Serve one service, and its worker if it has one, until a signal comes."""
    listening = listen(services.core.settings)
    async with AsyncExitStack() as running:
        running.push_async_callback(services.leave)
        if name == "ingestion":
            await running.enter_async_context(working(services))
        await running.enter_async_context(serving(services.app(name), listening))
        if name == "gateway":
            await running.enter_async_context(preparing(services))
        _keep_what_is_loaded()
        await told_to_stop()


def _keep_what_is_loaded() -> None:
    """Let the garbage collector pass over what stays anyway, and look less often: that was a fifth of a call."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY)


def crossing(loop: asyncio.AbstractEventLoop) -> Wait:
    """Give what lets a thread wait for a service that lives on *loop*."""

    def wait(coroutine: Coroutine[Any, Any, ResultT], /) -> ResultT:
        future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        try:
            return future.result(DEADLINE_S)
        except FutureTimeoutError:
            future.cancel()
            raise DeadlineExceeded(f"This took over {DEADLINE_S:g} s; try again, or ask for less.") from None

    return wait


class _Server(uvicorn.Server):
    """Leaves signals alone: they end the whole platform, not just the server."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
