"""The edge on its composition root: what `app/app.py` serves in the Lambda, and the local platform in its process."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, TypeVar

from chalicelib.bootstrap import Core, core, published_keys, readable_traces, remote_services
from chalicelib.contracts.health import Dependency
from chalicelib.contracts.routes import configured_routes
from chalicelib.domain.access import Tenant
from chalicelib.domain.acting import act_for
from chalicelib.domain.identifiers import KeyId, TenantId
from chalicelib.edge.dependencies import Edge, ResultT, Wait
from chalicelib.edge.user_tokens import UserTokens
from chalicelib.errors import ConfigurationError, RagError
from chalicelib.observability import logs
from chalicelib.observability.metrics import Metrics
from chalicelib.ports.blobs import BlobInfo, BlobStore, Bucket
from chalicelib.ports.queue import QueueName
from chalicelib.ports.services import Generator, Ingestor, ModelGateway, Retriever
from chalicelib.ports.traces import Traces
from chalicelib.repositories import keys
from chalicelib.repositories.aliases import Aliases
from chalicelib.repositories.audit import AuditLog
from chalicelib.repositories.budgets import Budgets
from chalicelib.repositories.chunks import Chunks
from chalicelib.repositories.credentials import ApiKeys
from chalicelib.repositories.documents import Documents
from chalicelib.repositories.feedback import FeedbackBook, FeedbackLimits
from chalicelib.repositories.idempotency import IdempotencyRecords
from chalicelib.repositories.indexes import Indexes
from chalicelib.repositories.jobs import Jobs
from chalicelib.repositories.ledger import Ledger
from chalicelib.repositories.prompts import Prompts
from chalicelib.repositories.releases import Releases
from chalicelib.repositories.routes import Routes
from chalicelib.repositories.runs import Runs
from chalicelib.repositories.schedules import Schedules
from chalicelib.settings import Settings

ServiceT = TypeVar("ServiceT")

# What the edge of a process of its own has opened. A stack that nobody holds would close it all.
_opened = ExitStack()


def assemble(  # the four services are what differs between the places an edge runs in
    base: Core,
    *,
    ingestor: Ingestor,
    retriever: Retriever,
    generator: Generator,
    gateway: ModelGateway,
    wait: Wait,
    users: UserTokens | None,
    traces: Traces,
) -> Edge:
    """Put the edge together."""
    table = base.table
    releases = Releases(table)
    return Edge(
        version=base.version,
        clock=base.clock,
        documents=Documents(table),
        chunks=Chunks(table),
        indexes=Indexes(table),
        jobs=Jobs(table),
        runs=Runs(table, base.settings.run_retention_days, base.tenants),
        routes=Routes(table, configured_routes(base.settings.routes)),
        prompts=Prompts(table),
        schedules=Schedules(table),
        releases=releases,
        aliases=Aliases(table, releases),
        budgets=Budgets(table),
        ledger=Ledger(table),
        audit=AuditLog(table, base.clock),
        traces=traces,
        api_keys=ApiKeys(table),
        tenants=base.tenants,
        feedback=FeedbackBook(table),
        feedback_limits=FeedbackLimits(table),
        feedback_tokens=base.feedback_tokens,
        metrics=Metrics("Ragstone", sys.stdout if base.settings.metrics else None),
        idempotency=IdempotencyRecords(table),
        blobs=base.blobs,
        ingestor=ingestor,
        retriever=retriever,
        generator=generator,
        gateway=gateway,
        wait=wait,
        signer=base.signer,
        verifier=base.verifier,
        users=users,
        readiness=lambda: readiness(base),
        allowed_origins=base.settings.allowed_origins,
    )


def edge_from_environment() -> Edge:
    """
    Put the edge together for a process of its own, whose services are all behind URLs.

    Raises `ConfigurationError` naming the first URL that is missing. What is opened stays open for the process's life.
    """
    settings = Settings.from_env(os.environ)
    logs.configure(settings.log_level)
    base = _opened.enter_context(core(settings))
    services = _opened.enter_context(remote_services(base))
    edge = assemble(
        base,
        ingestor=_given(services.ingestor, "RAGSTONE_INGESTION_URL"),
        retriever=_given(services.retriever, "RAGSTONE_RETRIEVAL_URL"),
        generator=_given(services.generator, "RAGSTONE_GENERATION_URL"),
        gateway=_given(services.gateway, "RAGSTONE_GATEWAY_URL"),
        wait=_wait_here,
        traces=readable_traces(settings),
        users=user_tokens(base),
    )
    return replace(edge, trace_of_host=lambda: os.environ.get("_X_AMZN_TRACE_ID"))


def user_tokens(base: Core) -> UserTokens | None:
    """Give the reader of user tokens, if an issuer is set. Raises `ConfigurationError` where it is set by half."""
    settings, source = base.settings, published_keys(base.settings)
    if (source is None) != (settings.jwt_issuer is None):
        half = "RAGSTONE_JWKS_URL" if source is None else "RAGSTONE_JWT_ISSUER"
        raise ConfigurationError(half, "an issuer of user tokens needs both RAGSTONE_JWT_ISSUER and RAGSTONE_JWKS_URL")
    if source is None or settings.jwt_issuer is None:
        return None
    return UserTokens(source, base.clock, issuer=settings.jwt_issuer, audience=settings.jwt_audience)


def readiness(base: Core) -> list[Dependency]:
    """Ask every store something small."""
    nobody = Tenant(TenantId("readiness"))
    return [
        _asked("table", lambda: ApiKeys(base.table).find(KeyId("readiness"))),
        _asked("queue", lambda: base.queue.depth(QueueName.INGESTION)),
        _asked("blobs", lambda: _first_blob(base.blobs, nobody)),
    ]


def _given(service: ServiceT | None, variable: str) -> ServiceT:
    if service is None:
        raise ConfigurationError(variable, "must be set where the edge runs by itself")
    return service


def _asked(name: str, ask: Callable[[], object]) -> Dependency:
    try:
        ask()
    except RagError as error:
        return Dependency(name=name, status="failing", detail=error.detail)
    return Dependency(name=name, status="ok")


def _first_blob(blobs: BlobStore, tenant: Tenant) -> BlobInfo | None:
    with act_for(tenant):
        return next(blobs.list(Bucket.RAW, keys.blobs_of_tenant(tenant)), None)


def _wait_here(coroutine: Coroutine[Any, Any, ResultT], /) -> ResultT:
    return asyncio.run(coroutine)
