"""
The light composition root: stores, identities and the services of other processes.

It chooses adapters by the settings and closes what it opened. The edge is assembled on it (`edge.assembly`);
`fargate.bootstrap` adds what is too heavy for the Lambda.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

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
from chalicelib.adapters.tenant_bound import TenantBoundBlobs, TenantBoundTable
from chalicelib.contracts.identity import IdentitySigner, IdentityVerifier
from chalicelib.domain.access import Principal, Role, Tenant
from chalicelib.domain.identifiers import TenantId
from chalicelib.domain.tenants import TenantSettings
from chalicelib.observability.spans import LocalSpans
from chalicelib.ports.blobs import BlobStore, Bucket
from chalicelib.ports.clock import Clock
from chalicelib.ports.jwks import JwksSource
from chalicelib.ports.queue import Queue, QueueName
from chalicelib.ports.secrets import Secrets
from chalicelib.ports.services import Generator, Ingestor, ModelGateway, Retriever
from chalicelib.ports.table import Table
from chalicelib.ports.traces import Traces
from chalicelib.repositories.feedback_tokens import FeedbackTokens
from chalicelib.repositories.tenants import Tenants
from chalicelib.settings import Settings

IDENTITY_KEY = "identity-key"
BLOB_KEY = "blob-url-key"
KEY_BYTES = 32
QUEUE_WAIT_S = 5
"""How long SQS is asked to wait for work: without, a worker that polls costs as much as one that works."""

if TYPE_CHECKING:
    from boto3.session import Session

KeyT = TypeVar("KeyT")


@dataclass(frozen=True, slots=True)
class Core:
    """
    What every process of the platform works with.

    *file_blobs* are the *blobs*, where the platform has to serve their presigned URLs itself.
    """

    settings: Settings
    version: str
    clock: Clock
    secrets: Secrets
    table: Table
    blobs: BlobStore
    queue: Queue
    file_blobs: FileBlobs | None
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
            feedback_retention_days=self.settings.feedback_retention_days,
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
    clock = SystemClock()
    with _aws_stores(settings, clock) if settings.stores == "aws" else _local_stores(settings, clock) as stores:
        key = Ed25519PrivateKey.from_private_bytes(_secret(stores.secrets, IDENTITY_KEY).get_secret_value())
        yield Core(
            settings=settings,
            version=__version__,
            clock=clock,
            secrets=stores.secrets,
            table=TenantBoundTable(stores.table),
            blobs=TenantBoundBlobs(stores.blobs),
            queue=stores.queue,
            file_blobs=stores.blobs if isinstance(stores.blobs, FileBlobs) else None,
            signer=IdentitySigner(key),
            verifier=IdentityVerifier(key.public_key()),
            feedback_tokens=FeedbackTokens(stores.secrets, clock),
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


@dataclass(frozen=True, slots=True)
class _Stores:
    """The stores, wherever they are."""

    table: Table
    blobs: BlobStore
    queue: Queue
    secrets: Secrets


@contextmanager
def _local_stores(settings: Settings, clock: Clock) -> Iterator[_Stores]:
    folder = settings.data_dir.resolve()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    secrets = FileSecrets(folder / "secrets")
    blobs = FileBlobs(folder / "blobs", clock, _secret(secrets, BLOB_KEY).get_secret_value())
    with (
        closing(SqliteTable(folder / "table.sqlite", clock)) as table,
        closing(SqliteQueue(folder / "queue.sqlite", clock)) as queue,
    ):
        yield _Stores(table, blobs, queue, secrets)


@contextmanager
def _aws_stores(settings: Settings, clock: Clock) -> Iterator[_Stores]:
    # boto3 takes longer to load than all of the edge; the local platform does without it.
    from chalicelib.adapters.aws_clients import LazyClient
    from chalicelib.adapters.dynamodb_table import DynamoDbTable
    from chalicelib.adapters.s3_blobs import S3Blobs
    from chalicelib.adapters.secrets_manager import SecretsManager
    from chalicelib.adapters.sqs_queue import SqsQueue

    sqs, metrics, tenants = LazyClient("sqs"), LazyClient("cloudwatch"), tenant_session(settings)
    with (
        closing(DynamoDbTable(LazyClient("dynamodb", tenants), settings.table_prefix, clock)) as table,
        closing(S3Blobs(LazyClient("s3", tenants), _buckets(settings), clock)) as blobs,
        closing(SqsQueue(sqs, metrics, _queues(settings), clock, wait_s=QUEUE_WAIT_S)) as queue,
        closing(SecretsManager(LazyClient("secretsmanager"), settings.secrets_prefix)) as secrets,
    ):
        yield _Stores(table, blobs, queue, secrets)


def tenant_session(settings: Settings) -> Session | None:
    """Give the session for stores of tenants' things, or None where all is done by the process's own role."""
    if settings.tenant_role_arn is None:
        return None
    from chalicelib.adapters import tenant_credentials

    return tenant_credentials.tenant_session(
        settings.tenant_role_arn,
        table_prefix=settings.table_prefix,
        buckets=list(_buckets(settings).values()),
        vector_bucket=settings.vector_bucket,
    )


def _buckets(settings: Settings) -> dict[Bucket, str]:
    return _named(
        {
            Bucket.RAW: settings.raw_bucket,
            Bucket.CHUNKS: settings.chunks_bucket,
            Bucket.EVALUATIONS: settings.evaluations_bucket,
            Bucket.IMPORTS: settings.imports_bucket,
        }
    )


def _queues(settings: Settings) -> dict[QueueName, str]:
    return _named(
        {QueueName.INGESTION: settings.ingestion_queue_url, QueueName.EVALUATION: settings.evaluation_queue_url}
    )


def _named(names: Mapping[KeyT, str | None]) -> dict[KeyT, str]:
    return {key: name for key, name in names.items() if name is not None}  # all are: the settings see to it


def _secret(secrets: Secrets, name: str) -> SecretBytes:
    return secrets.get(name) or secrets.create(name, SecretBytes(os.urandom(KEY_BYTES)))
