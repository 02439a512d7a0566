"""Principals with real identity tokens."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chalicelib.contracts.identity import IdentitySigner, IdentityVerifier
from chalicelib.domain.access import Principal, Role, Tenant
from chalicelib.domain.identifiers import TenantId

_KEY = Ed25519PrivateKey.generate()
SIGNER = IdentitySigner(_KEY)
VERIFIER = IdentityVerifier(_KEY.public_key())


def principal(
    tenant: str = "acme",
    subject: str = "ada",
    role: Role = Role.ADMIN,
    *,
    groups: frozenset[str] = frozenset(),
    indexes: frozenset[str] | None = None,
) -> Principal:
    """Give a principal that carries a token for itself."""
    bare = Principal(Tenant(TenantId(tenant)), subject, frozenset({role}), groups, indexes)
    return replace(bare, token=SIGNER.sign(bare, datetime.now(UTC)))
