"""The identity token: what the edge tells the services about the caller, signed and short-lived."""

from __future__ import annotations

from datetime import datetime, timedelta

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from chalicelib.domain.access import Principal, Role, Tenant
from chalicelib.domain.identifiers import TenantId
from chalicelib.errors import Unauthenticated

ISSUER = "ragstone"
LIFETIME = timedelta(minutes=10)
CLOCK_SKEW = timedelta(seconds=30)
"""How far the clocks of two machines may be apart; without it a token is refused for being made in the future."""
HEADER = "X-Ragstone-Identity"
_ALGORITHM = "EdDSA"


class IdentitySigner:
    """Makes identity tokens; whoever holds the private key can be anybody, so only the edge and workers do."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    def sign(self, principal: Principal, at: datetime) -> str:
        """Give a token for *principal* that is good for `LIFETIME` from *at*."""
        claims = {
            "iss": ISSUER,
            "iat": int(at.timestamp()),
            "exp": int((at + LIFETIME).timestamp()),
            "sub": principal.subject,
            "tenant": principal.tenant.tenant_id,
            "roles": sorted(principal.roles),
            "groups": sorted(principal.groups),
            "indexes": None if principal.indexes is None else sorted(principal.indexes),
        }
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM)


class IdentityVerifier:
    """Reads identity tokens; every service has one."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key

    def verify(self, token: str) -> Principal:
        """Give the principal of *token*, which it carries on. Raises `Unauthenticated`."""
        required = ["exp", "iat", "sub", "tenant", "roles", "groups"]
        try:
            claims = jwt.decode(
                token, self._key, [_ALGORITHM], issuer=ISSUER, leeway=CLOCK_SKEW, options={"require": required}
            )
        except jwt.InvalidTokenError as error:
            raise Unauthenticated("The identity token is not valid; send the request through the API.") from error
        indexes = claims.get("indexes")
        return Principal(
            tenant=Tenant(TenantId(claims["tenant"])),
            subject=claims["sub"],
            roles=frozenset(map(Role, claims["roles"])),
            groups=frozenset(claims["groups"]),
            indexes=None if indexes is None else frozenset(indexes),
            token=token,
        )
