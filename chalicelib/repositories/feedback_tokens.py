"""Feedback tokens: what an answer carries so that a page can say what its reader thinks of it, and nothing else."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from pydantic import SecretBytes

from chalicelib.domain.access import Tenant
from chalicelib.domain.feedback import TOKEN_LIFETIME, FeedbackScope, giver
from chalicelib.domain.identifiers import Entropy, RunId, TenantId
from chalicelib.domain.runs import Run
from chalicelib.errors import Unauthenticated
from chalicelib.ports.clock import Clock
from chalicelib.ports.secrets import Secrets
from chalicelib.repositories.tenants import Tenants

KEY = "feedback-key"
PREVIOUS_KEY = "feedback-key-previous"
"""Where the key is put that another one takes the place of; tokens signed with it are good until they expire."""
KEY_BYTES = 32
REREAD_AFTER_S = 300
REREAD_UNKNOWN_AFTER_S = 10

_ALGORITHM = "HS256"
_AUDIENCE = "ragstone-feedback"
_REQUIRED = ["aud", "exp", "jti", "tenant", "run", "sub", "origins"]


class FeedbackTokens:
    """
    Makes tokens and reads them. Nothing is stored: a token says itself what it opens, signed (JWT, HMAC-SHA256).

    Each names its key, so that keys can be changed; whoever holds one can send any feedback. Safe from any thread.
    """

    def __init__(self, store: Secrets, clock: Clock, entropy: Entropy = secrets.token_bytes) -> None:
        self._keys = _SigningKeys(store, clock, entropy)
        self._clock = clock
        self._entropy = entropy

    def issue(
        self,
        tenant: Tenant,
        run_id: RunId,
        subject: str,
        origins: Sequence[str],
        lifetime: timedelta = TOKEN_LIFETIME,
    ) -> tuple[str, datetime]:
        """Give a token for a hashed *subject*'s feedback on a run, and when it expires."""
        expires_at = datetime.fromtimestamp(int((self._clock.now() + lifetime).timestamp()), UTC)
        claims = {
            "aud": _AUDIENCE,
            "exp": int(expires_at.timestamp()),
            "jti": self._entropy(12).hex(),
            "tenant": tenant.tenant_id,
            "run": run_id,
            "sub": subject,
            "origins": list(origins),
        }
        key_id, key = self._keys.current()
        return jwt.encode(claims, key, algorithm=_ALGORITHM, headers={"kid": key_id}), expires_at

    def read(self, token: str) -> FeedbackScope:
        """Give what *token* opens. Raises `Unauthenticated`."""
        try:
            key = self._keys.find(jwt.get_unverified_header(token).get("kid"))
            options: Any = {"require": _REQUIRED, "verify_exp": False}  # times are those of the platform's own clock
            claims = jwt.decode(token, key, [_ALGORITHM], audience=_AUDIENCE, options=options)
        except jwt.InvalidTokenError as error:
            raise Unauthenticated("The feedback token is not one of this platform; take it from an answer.") from error
        scope = _scope(claims)
        if self._clock.now() >= scope.expires_at:
            raise Unauthenticated("The feedback token has expired; POST /v1/feedback-tokens makes another.")
        return scope


def token_with_answer(tokens: FeedbackTokens, tenants: Tenants, tenant: Tenant, run: Run) -> str:
    """Give the token that the answer of *run* carries: for whom it was asked, on the tenant's own pages."""
    token, _ = tokens.issue(tenant, run.run_id, giver(tenant, run), tenants.get(tenant).feedback_origins)
    return token


class _SigningKeys:
    """The key in use and the one before it, by id; read anew now and then, and when an unknown one is asked for."""

    def __init__(self, store: Secrets, clock: Clock, entropy: Entropy) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._known: tuple[float, str, Mapping[str, bytes]] | None = None

    def current(self) -> tuple[str, bytes]:
        """Give the key to sign with, and its id."""
        _, current, keys = self._read(REREAD_AFTER_S)
        return current, keys[current]

    def find(self, key_id: object) -> bytes:
        """Give the key of that id. Raises `jwt.InvalidTokenError` where there is none."""
        for reread_after_s in (REREAD_AFTER_S, REREAD_UNKNOWN_AFTER_S):
            _, _, keys = self._read(reread_after_s)
            if isinstance(key_id, str) and key_id in keys:
                return keys[key_id]
        raise jwt.InvalidTokenError("there is no such key")

    def _read(self, reread_after_s: float) -> tuple[float, str, Mapping[str, bytes]]:
        now = self._clock.monotonic()
        if self._known is None or now - self._known[0] >= reread_after_s:
            current = self._store.get(KEY) or self._store.create(KEY, SecretBytes(self._entropy(KEY_BYTES)))
            previous = self._store.get(PREVIOUS_KEY)
            keys = {_id_of(one): one.get_secret_value() for one in (current, previous) if one is not None}
            self._known = now, _id_of(current), keys
        return self._known


def _id_of(key: SecretBytes) -> str:
    return hashlib.sha256(b"key id of " + key.get_secret_value()).hexdigest()[:16]


def _scope(claims: Mapping[str, Any]) -> FeedbackScope:
    return FeedbackScope(
        tenant=Tenant(TenantId(claims["tenant"])),
        run_id=RunId(claims["run"]),
        subject=claims["sub"],
        origins=tuple(claims["origins"]),
        token_id=claims["jti"],
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
    )
