"""The real API on embedded stores, asked through Chalice's own test client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from chalice.test import Client
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chalicelib.adapters.file_blobs import FileBlobs
from chalicelib.adapters.file_secrets import FileSecrets
from chalicelib.adapters.sqlite_table import SqliteTable
from chalicelib.contracts.health import Dependency
from chalicelib.contracts.identity import IdentitySigner, IdentityVerifier
from chalicelib.domain.access import Principal, Role, Tenant
from chalicelib.domain.credentials import ApiKey, credential, digest_of, new_secret
from chalicelib.domain.identifiers import KeyId, TenantId, new_id
from chalicelib.domain.tenants import TenantSettings
from chalicelib.edge.application import create_app
from chalicelib.edge.dependencies import Edge
from chalicelib.edge.user_tokens import UserTokens
from chalicelib.observability.metrics import Metrics
from chalicelib.observability.spans import LocalSpans
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
from tests.fakes.clock import HandClock
from tests.fakes.described import check_described
from tests.fakes.edge_services import InstantIngestor, ListingGateway, QuotingGenerator, Store, WholeIndexRetriever
from tests.fakes.user_token_issuer import AUDIENCE, ISSUER, UserTokenIssuer

ACME = Tenant(TenantId("acme"))
RIVAL = Tenant(TenantId("rival"))
KEY = Ed25519PrivateKey.generate()


@dataclass(frozen=True)
class Reply:
    """What came back; *body* is parsed where it is JSON."""

    status: int
    headers: Mapping[str, str]
    raw: bytes
    body: Any

    @property
    def problem(self) -> tuple[int, str]:
        """The status and code of a problem, after checking that it is one."""
        assert self.headers["content-type"] == "application/problem+json"
        assert self.body["status"] == self.status
        assert self.body["trace_id"] == self.headers["x-trace-id"]
        return self.status, self.body["code"]


class PresentSigner(IdentitySigner):
    """Signs for the time of the machine, by which identity tokens are checked, wherever a test moved its clock to."""

    def sign(self, principal: Principal, at: datetime) -> str:
        """See `IdentitySigner.sign`."""
        return super().sign(principal, datetime.now(UTC))


class World:
    """One platform, on a clock that a test moves."""

    def __init__(self, folder: Path, **replaced: Any) -> None:
        self.clock = HandClock()
        self.table = SqliteTable(folder / "tables.db", self.clock)
        self.tenants = Tenants(self.table, TenantSettings(link_hosts=("docs.example",)))
        self.store = Store(
            table=self.table,
            clock=self.clock,
            documents=Documents(self.table),
            chunks=Chunks(self.table),
            indexes=Indexes(self.table),
            jobs=Jobs(self.table),
            runs=Runs(self.table, 30, self.tenants),
        )
        self.spans = LocalSpans()
        self.issuer = UserTokenIssuer(self.clock)
        self.dependencies = [Dependency(name="table", status="ok")]
        self.edge = replace(self._edge(folder), **replaced)
        self.app = create_app(self.edge)
        self._client = Client(self.app)

    def ask(
        self,
        method: str,
        path: str,
        credential: str | None = None,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> Reply:
        """
        Send a request, *body* as JSON unless it is bytes; *credential* stands behind ``Bearer``.

        Every answer is held to the API's own description.
        """
        sent = {"Authorization": f"Bearer {credential}"} if credential is not None else {}
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        target = path + ("?" + urlencode(query, doseq=True) if query else "")
        if body is not None:
            sent["Content-Type"] = "application/json"
        response = self._client.http.request(method, target, headers={**sent, **(headers or {})}, body=raw)
        answered = {name.lower(): value for name, value in response.headers.items()}
        status = _as_configured(response.status_code, answered)
        if status == response.status_code and "x-trace-id" in answered:  # it came from the app and not from the gateway
            check_described(method, path, status, answered, response.json_body)
        return Reply(status, answered, response.body, response.json_body)

    def key(
        self,
        *roles: Role,
        tenant: Tenant = ACME,
        groups: Collection[str] = (),
        indexes: Sequence[str] | None = None,
        change: Callable[[ApiKey], ApiKey] = lambda key: key,
    ) -> str:
        """Make an API key past the API, and give its credential."""
        key_id, secret = KeyId(new_id("key", self.clock.now())), new_secret()
        key = ApiKey(
            key_id=key_id,
            tenant_id=tenant.tenant_id,
            name="test",
            digest=digest_of(secret),
            roles=frozenset(roles),
            groups=frozenset(groups),
            created_at=self.clock.now(),
            created_by="test",
            indexes=None if indexes is None else frozenset(indexes),
        )
        self.edge.api_keys.add(change(key))
        return credential(key_id, secret)

    def make_index(self, credential: str, name: str = "handbook") -> str:
        """Make an index, and give its name."""
        reply = self.ask("POST", "/indexes", credential, {"name": name})
        assert reply.status == 201, reply.body
        return name

    def make_document(self, credential: str, index: str = "handbook", **fields: Any) -> str:
        """Submit a document of one sentence, and give its id."""
        body = {"index": index, "name": "leave.md", "text": "Everybody has 30 days of leave.", **fields}
        reply = self.ask("POST", "/documents", credential, body)
        assert reply.status == 202, reply.body
        document_id: str = reply.body["document"]["document_id"]
        return document_id

    def close(self) -> None:
        """Let go of the files."""
        self.table.close()

    def _edge(self, folder: Path) -> Edge:
        return Edge(
            version="1.2.3",
            clock=self.clock,
            documents=self.store.documents,
            chunks=self.store.chunks,
            indexes=self.store.indexes,
            jobs=self.store.jobs,
            runs=self.store.runs,
            routes=Routes(self.table, {}),
            prompts=Prompts(self.table),
            schedules=Schedules(self.table),
            releases=Releases(self.table),
            aliases=Aliases(self.table, Releases(self.table)),
            budgets=Budgets(self.table),
            ledger=Ledger(self.table),
            audit=AuditLog(self.table, self.clock),
            traces=self.spans,
            api_keys=ApiKeys(self.table),
            tenants=self.tenants,
            feedback=FeedbackBook(self.table),
            feedback_limits=FeedbackLimits(self.table),
            feedback_tokens=FeedbackTokens(FileSecrets(folder / "secrets"), self.clock),
            metrics=Metrics("Ragstone", None),
            idempotency=IdempotencyRecords(self.table),
            blobs=FileBlobs(folder / "blobs", self.clock, b"k" * 32),
            ingestor=InstantIngestor(self.store),
            retriever=WholeIndexRetriever(self.store),
            generator=QuotingGenerator(self.store),
            gateway=ListingGateway(self.store),
            wait=asyncio.run,
            signer=PresentSigner(KEY),
            verifier=IdentityVerifier(KEY.public_key()),
            users=UserTokens(self.issuer, self.clock, issuer=ISSUER, audience=AUDIENCE),
            readiness=lambda: self.dependencies,
        )


def _as_configured(status: int, headers: Mapping[str, str]) -> int:
    """Give the status that the deployed gateway's responses are configured to have where it refuses by itself."""
    denied = headers.get("x-amzn-errortype") == "AccessDeniedException"
    return 401 if denied else status
