"""User tokens (JWT), as Amazon Cognito issues them: checked against the issuer's published keys."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import jwt

from chalicelib.domain.access import Principal, Role, Tenant
from chalicelib.domain.identifiers import TenantId, is_tenant_id
from chalicelib.errors import BadUpstream, Unauthenticated
from chalicelib.ports.clock import Clock
from chalicelib.ports.jwks import JwksSource

REFETCH_AFTER_S = 60
_ALGORITHM = "RS256"
_ROLES = {role.value: role for role in Role if role is not Role.SERVICE}
_MAX_SUBJECT_CHARACTERS = 128
# Times are compared by the platform's own clock, and the client's name stands in another claim of each kind of token.
_CHECKED_HERE = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
_REQUIRED = ["iss", "sub", "exp", "token_use"]
_CLIENT_CLAIM = {"id": "aud", "access": "client_id"}


class UserTokens:
    """Reads the tokens that *issuer* made for the client *audience*. Safe from any thread."""

    def __init__(self, source: JwksSource, clock: Clock, *, issuer: str, audience: str) -> None:
        self._keys = _PublishedKeys(source, clock)
        self._clock = clock
        self._issuer = issuer
        self._audience = audience

    def principal(self, token: str) -> Principal:
        """
        Give the user of *token*. Raises `Unauthenticated`, or `Unavailable` when the issuer's keys cannot be fetched.

        The tenant is the claim ``custom:tenant``, the role ``custom:role``, the groups ``cognito:groups``; a user
        without a role that users may have is known, but may do nothing.
        """
        try:
            key = self._keys.find(jwt.get_unverified_header(token).get("kid"))
            options: Any = {"require": _REQUIRED, **_CHECKED_HERE}
            claims = jwt.decode(token, key, [_ALGORITHM], issuer=self._issuer, options=options)
        except jwt.InvalidTokenError as error:
            raise Unauthenticated("The user token is not one of this platform's issuer.") from error
        self._check_time(claims)
        self._check_use(claims)
        return _principal(claims)

    def _check_time(self, claims: Mapping[str, Any]) -> None:
        now = self._clock.now().timestamp()
        if not _is_number(claims["exp"]) or now >= claims["exp"]:
            raise Unauthenticated("The user token has expired; sign in again.")
        if now < (claims["nbf"] if _is_number(claims.get("nbf")) else 0):
            raise Unauthenticated("The user token is not valid yet.")

    def _check_use(self, claims: Mapping[str, Any]) -> None:
        client_claim = _CLIENT_CLAIM.get(str(claims["token_use"]))
        if client_claim is None or claims.get(client_claim) != self._audience:
            raise Unauthenticated("The user token was made for another application.")


class _PublishedKeys:
    """The issuer's keys, fetched when one is asked for that is not known, and then at most once a minute."""

    def __init__(self, source: JwksSource, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at: float | None = None

    def find(self, key_id: object) -> jwt.PyJWK:
        """Give the key of that id. Raises `jwt.InvalidTokenError` where there is none."""
        if not isinstance(key_id, str):
            raise jwt.InvalidTokenError("the token names no key")
        with self._lock:
            if key_id not in self._keys and self._may_fetch():
                self._fetch()
            found = self._keys.get(key_id)
        if found is None:
            raise jwt.InvalidTokenError("the issuer has no such key")
        return found

    def _may_fetch(self) -> bool:
        return self._fetched_at is None or self._clock.monotonic() - self._fetched_at >= REFETCH_AFTER_S

    def _fetch(self) -> None:
        published = self._source.fetch().get("keys", [])
        try:
            self._keys = {key["kid"]: jwt.PyJWK(key, _ALGORITHM) for key in published if _is_signing_key(key)}
        except jwt.PyJWTError as error:
            raise BadUpstream("The issuer of user tokens publishes a key that is none.") from error
        self._fetched_at = self._clock.monotonic()


def _is_signing_key(key: Mapping[str, Any]) -> bool:
    return key.get("kty") == "RSA" and key.get("use", "sig") == "sig" and isinstance(key.get("kid"), str)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _principal(claims: Mapping[str, Any]) -> Principal:
    tenant, subject, groups = claims.get("custom:tenant"), claims["sub"], claims.get("cognito:groups", [])
    if not isinstance(tenant, str) or not is_tenant_id(tenant):
        raise Unauthenticated("The user token names no tenant; its pool must put one into custom:tenant.")
    if not isinstance(subject, str) or not 0 < len(subject) <= _MAX_SUBJECT_CHARACTERS:
        raise Unauthenticated("The user token names no user.")
    role = _ROLES.get(str(claims.get("custom:role")))
    return Principal(
        tenant=Tenant(TenantId(tenant)),
        subject=subject,
        roles=frozenset([role] if role else []),
        groups=frozenset(map(str, groups if isinstance(groups, list) else [])),
    )
