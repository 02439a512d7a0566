"""
The light composition root: stores, identities and the services of other processes.

It chooses adapters by the settings and closes what it opened. The edge is assembled on it (`edge.assembly`);
`fargate.bootstrap` adds what is too heavy for the Lambda.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import SecretBytes

from chalicelib import __version__
from chalicelib.adapters import data_folder
from chalicelib.adapters.file_blobs import FileBlobs
from chalicelib.adapters.file_secrets import FileSecrets
from chalicelib.adapters.http_jwks import HttpJwks
from chalicelib.adapters.http_services import (
    DEADLINE_S,
    MODEL_DEADLINE_S,
    HttpGenerator,
    HttpIngestor,
    HttpModelGateway,
    HttpRetriever,
    Upstream,
)
from chalicelib.adapters.sqlite_queue import SqliteQueue
from chalicelib.adapters.sqlite_table import SqliteTable
from chalicelib.adapters.system_clock import SystemClock
from chalicelib.contracts.identity import IdentitySigner, IdentityVerifier
from chalicelib.domain.access import Principal, Role, Tenant
from chalicelib.domain.identifiers import TenantId
from chalicelib.domain.tenants import TenantSettings
from chalicelib.observability.spans import LocalSpans
from chalicelib.ports.clock import Clock
from chalicelib.ports.jwks import JwksSource
from chalicelib.ports.secrets import Secrets
from chalicelib.ports.services import Generator, Ingestor, ModelGateway, Retriever
from chalicelib.ports.traces import Traces
from chalicelib.repositories.feedback_tokens import FeedbackTokens
from chalicelib.repositories.tenants import Tenants
from chalicelib.settings import Settings

IDENTITY_KEY = "identity-key"
BLOB_KEY = "blob-url-key"
KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Core:
    """What every process of the platform works with."""

    settings: Settings
    version: str
    clock: Clock
    secrets: Secrets
    table: SqliteTable
    blobs: FileBlobs
    queue: SqliteQueue
    signer: IdentitySigner
    verifier: IdentityVerifier
    feedback_tokens: FeedbackTokens

    @property
    def tenants(self) -> Tenants:
        """How each tenant is served: as it decided, or as *settings* say."""
        configured = TenantSettings(
            feedback_origins=self.settings.allowed_origins,
            link_hosts=self.settings.link_hosts,
            run_retention_days=self.settings.run_retention_days,
            feedback_daily_cap=self.settings.feedback_daily_cap,
        )
        return Tenants(self.table, configured)

    def service_token(self) -> str:
        """Sign a token for a call that one service makes in no user's name."""
        tenant = Tenant(TenantId(self.settings.tenant))
        return self.signer.sign(Principal(tenant, "service", frozenset({Role.SERVICE})), self.clock.now())


@dataclass(frozen=True, slots=True)
class RemoteServices:
    """The services whose URL is set; None stands for one of this process."""

    ingestor: Ingestor | None
    retriever: Retriever | None
    generator: Generator | None
    gateway: ModelGateway | None


def owned_data_folder(settings: Settings) -> AbstractContextManager[Path]:
    """Hold the data folder for this process alone; see `data_folder.lock`."""
    return data_folder.lock(settings.data_dir)


@contextmanager
def core(settings: Settings) -> Iterator[Core]:
    """Open the stores that *settings* name, and close them in the end."""
    folder = settings.data_dir.resolve()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    clock, secrets = SystemClock(), FileSecrets(folder / "secrets")
    blob_key = _secret(secrets, BLOB_KEY).get_secret_value()
    identity_key = Ed25519PrivateKey.from_private_bytes(_secret(secrets, IDENTITY_KEY).get_secret_value())
    with (
        closing(SqliteTable(folder / "table.sqlite", clock)) as table,
        closing(SqliteQueue(folder / "queue.sqlite", clock)) as queue,
    ):
        yield Core(
            settings=settings,
            version=__version__,
            clock=clock,
            secrets=secrets,
            table=table,
            blobs=FileBlobs(folder / "blobs", clock, blob_key),
            queue=queue,
            signer=IdentitySigner(identity_key),
            verifier=IdentityVerifier(identity_key.public_key()),
            feedback_tokens=FeedbackTokens(secrets, clock),
        )


@contextmanager
def remote_services(core: Core) -> Iterator[RemoteServices]:
    """Open connections to the services whose URL is set."""
    settings = core.settings
    with ExitStack() as opened:

        def upstream(url: str, deadline_s: float = DEADLINE_S) -> Upstream:
            return opened.enter_context(closing(Upstream(url, core.service_token, deadline_s=deadline_s)))

        yield RemoteServices(
            HttpIngestor(upstream(settings.ingestion_url)) if settings.ingestion_url else None,
            HttpRetriever(upstream(settings.retrieval_url)) if settings.retrieval_url else None,
            HttpGenerator(upstream(settings.generation_url)) if settings.generation_url else None,
            HttpModelGateway(upstream(settings.gateway_url, MODEL_DEADLINE_S)) if settings.gateway_url else None,
        )


def readable_traces(settings: Settings) -> Traces:
    """Give where traces can be read again: X-Ray, or this process's own memory."""
    if settings.traces != "xray":
        return LocalSpans()
    from chalicelib.adapters.xray_traces import XrayTraces  # boto3 takes .2 s to import

    return XrayTraces()


def published_keys(settings: Settings) -> JwksSource | None:
    """Give the keys of the issuer of user tokens, if one is set."""
    return HttpJwks(settings.jwks_url) if settings.jwks_url else None


def _secret(secrets: Secrets, name: str) -> SecretBytes:
    return secrets.get(name) or secrets.create(name, SecretBytes(os.urandom(KEY_BYTES)))
