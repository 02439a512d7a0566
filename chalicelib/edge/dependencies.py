"""What the views need, handed in by a composition root."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from chalicelib.contracts.health import Dependency
from chalicelib.contracts.identity import IdentitySigner, IdentityVerifier
from chalicelib.edge.user_tokens import UserTokens
from chalicelib.observability.metrics import Metrics
from chalicelib.ports.blobs import BlobStore
from chalicelib.ports.clock import Clock
from chalicelib.ports.services import Generator, Ingestor, ModelGateway, Retriever
from chalicelib.ports.traces import Traces
from chalicelib.repositories.aliases import Aliases
from chalicelib.repositories.audit import AuditLog
from chalicelib.repositories.budgets import Budgets
from chalicelib.repositories.chunks import Chunks
from chalicelib.repositories.credentials import ApiKeys
from chalicelib.repositories.documents import Documents
from chalicelib.repositories.feedback import FeedbackBook, FeedbackLimits
from chalicelib.repositories.feedback_tokens import FeedbackTokens
from chalicelib.repositories.idempotency import IdempotencyRecords
from chalicelib.repositories.indexes import Indexes
from chalicelib.repositories.jobs import Jobs
from chalicelib.repositories.ledger import Ledger
from chalicelib.repositories.prompts import Prompts
from chalicelib.repositories.releases import Releases
from chalicelib.repositories.routes import Routes
from chalicelib.repositories.runs import Runs
from chalicelib.repositories.schedules import Schedules
from chalicelib.repositories.tenants import Tenants

ResultT = TypeVar("ResultT")


class Wait(Protocol):
    """Crosses from a synchronous view to an asynchronous service."""

    def __call__(self, coroutine: Coroutine[Any, Any, ResultT], /) -> ResultT:
        """Give what *coroutine* comes to, or raise what it raises. Raises `DeadlineExceeded` when it takes too long."""
        ...


@dataclass(frozen=True, slots=True)
class Edge:
    """Everything behind the views; *users* is None where nobody issues user tokens."""

    version: str
    clock: Clock
    documents: Documents
    chunks: Chunks
    indexes: Indexes
    jobs: Jobs
    runs: Runs
    routes: Routes
    prompts: Prompts
    schedules: Schedules
    releases: Releases
    aliases: Aliases
    budgets: Budgets
    ledger: Ledger
    audit: AuditLog
    traces: Traces
    api_keys: ApiKeys
    tenants: Tenants
    feedback: FeedbackBook
    feedback_limits: FeedbackLimits
    feedback_tokens: FeedbackTokens
    metrics: Metrics
    idempotency: IdempotencyRecords
    blobs: BlobStore
    ingestor: Ingestor
    retriever: Retriever
    generator: Generator
    gateway: ModelGateway
    wait: Wait
    signer: IdentitySigner
    verifier: IdentityVerifier
    users: UserTokens | None
    readiness: Callable[[], list[Dependency]]
    allowed_origins: tuple[str, ...] = ()
    trace_of_host: Callable[[], str | None] = lambda: None
    """Gives the ``X-Amzn-Trace-Id`` that the host has for this request; Lambda hands none on in the request itself."""
