"""API keys: how they look, and how one is told from a forgery without ever storing it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain.access import Role
from chalicelib.domain.identifiers import Entropy, KeyId, TenantId

_FORM = re.compile(r"rgs_(?P<kid>key_[0-9a-z]{26})_(?P<secret>[A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is stored: *digest* is the SHA-256 of its secret, in hexadecimal."""

    key_id: KeyId
    tenant_id: TenantId
    name: str
    digest: str
    roles: frozenset[Role]
    groups: frozenset[str]
    created_at: datetime
    created_by: str
    indexes: frozenset[str] | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    version: int = 0


def new_secret(entropy: Entropy = secrets.token_bytes) -> str:
    """Make the secret half of a key: 256 bits in URL-safe base 64."""
    return base64.urlsafe_b64encode(entropy(32)).rstrip(b"=").decode()


def digest_of(secret: str) -> str:
    """Give what is stored of *secret*. The secret has 256 bits of chance, so a plain hash cannot be searched."""
    return hashlib.sha256(secret.encode()).hexdigest()


def credential(key_id: KeyId, secret: str) -> str:
    """Give the text that its owner keeps: ``rgs_<kid>_<secret>``."""
    return f"rgs_{key_id}_{secret}"


def split_credential(text: str) -> tuple[KeyId, str] | None:
    """Take a credential apart; None when it has not the form of one."""
    match = _FORM.fullmatch(text)
    return (KeyId(match["kid"]), match["secret"]) if match else None


def opens(key: ApiKey, secret: str, at: datetime) -> bool:
    """Say whether *secret* is the one of *key*, and the key is neither revoked nor expired at *at*."""
    right = hmac.compare_digest(key.digest, digest_of(secret))
    return right and key.revoked_at is None and (key.expires_at is None or at < key.expires_at)
