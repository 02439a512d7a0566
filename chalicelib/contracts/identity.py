"""The identity token: what the edge tells the services about the caller, signed and short-lived."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from chalicelib.domain.access import Principal, Role, Tenant
from chalicelib.domain.identifiers import TenantId
from chalicelib.errors import Unauthenticated

ISSUER = "ragstone"
LIFETIME = timedelta(minutes=10)
REUSED_FOR = timedelta(minutes=1)
"""How long the same principal is given the same token: signing one and checking it take longer than the edge's work."""
MAX_REMEMBERED = 1_024
"""How many tokens are remembered by whoever makes them, and by whoever checked them; then all are forgotten."""
CLOCK_SKEW = timedelta(seconds=30)
"""How far the clocks of two machines may be apart; without it a token is refused for being made in the future."""
HEADER = "X-Ragstone-Identity"
_ALGORITHM = "EdDSA"

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")


class IdentitySigner:
    """Makes identity tokens; whoever holds the private key can be anybody, so only the edge and workers do."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self._made: dict[Principal, tuple[datetime, str]] = {}

    def sign(self, principal: Principal, at: datetime) -> str:
        """Give a token for *principal*, made at most `REUSED_FOR` before *at* and good for `LIFETIME` from then."""
        made_at, token = self._made.get(principal, (at, None))
        if token is not None and made_at <= at < made_at + REUSED_FOR:
            return token
        token = self._new(principal, at)
        _remember(self._made, principal, (at, token))
        return token

    def _new(self, principal: Principal, at: datetime) -> str:
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

    def __init__(self, key: Ed25519PublicKey, now: Callable[[], float] = time.time) -> None:
        self._key = key
        self._now = now
        self._checked: dict[str, tuple[float, Principal]] = {}

    def verify(self, token: str) -> Principal:
        """Give the principal of *token*, which it carries on. Raises `Unauthenticated`."""
        known = self._checked.get(token)
        if known is None:
            known = self._read(token)
            _remember(self._checked, token, known)
        ends_at, principal = known
        if self._now() >= ends_at:
            raise Unauthenticated("The identity token has expired; send the request through the API.")
        return principal

    def _read(self, token: str) -> tuple[float, Principal]:
        required = ["exp", "iat", "sub", "tenant", "roles", "groups"]
        try:
            claims = jwt.decode(
                token, self._key, [_ALGORITHM], issuer=ISSUER, leeway=CLOCK_SKEW, options={"require": required}
            )
        except jwt.InvalidTokenError as error:
            raise Unauthenticated("The identity token is not valid; send the request through the API.") from error
        indexes = claims.get("indexes")
        principal = Principal(
            tenant=Tenant(TenantId(claims["tenant"])),
            subject=claims["sub"],
            roles=frozenset(map(Role, claims["roles"])),
            groups=frozenset(claims["groups"]),
            indexes=None if indexes is None else frozenset(indexes),
            token=token,
        )
        return claims["exp"] + CLOCK_SKEW.total_seconds(), principal


def _remember(known: dict[KeyT, ValueT], key: KeyT, value: ValueT) -> None:
    if len(known) >= MAX_REMEMBERED:
        known.clear()
    known[key] = value
