"""Who is calling the gateway: a service with an identity token, or any client of OpenAI's API with an API key."""

from __future__ import annotations

import asyncio
import hashlib
import re
from typing import cast

from fastapi import Request

from chalicelib.contracts.identity import HEADER, IdentityVerifier
from chalicelib.domain.access import Principal
from chalicelib.domain.acting import act_for
from chalicelib.errors import Unauthenticated
from chalicelib.observability.logs import bind
from chalicelib.ports.clock import Clock
from chalicelib.repositories.credentials import ApiKeys
from fargate.http.identity import Authenticate

TTL_S = 60.0
"""How long a revoked key may live on, as at the edge."""
MAX_KNOWN = 10_000

_BEARER = re.compile(r"Bearer +(?P<credential>[!-~]{1,8192}) *", re.IGNORECASE)


class KeyHolders:
    """Gives the principals of API keys, without asking the store for each call."""

    def __init__(self, api_keys: ApiKeys, clock: Clock) -> None:
        self._api_keys = api_keys
        self._clock = clock
        self._known: dict[bytes, tuple[float, Principal]] = {}

    async def holder(self, authorization: str) -> Principal:
        """Give whom an `Authorization` header is for. Raises `Unauthenticated`."""
        match = _BEARER.fullmatch(authorization)
        if match is None:
            raise Unauthenticated("Send an API key: 'Authorization: Bearer …'.")
        digest = hashlib.sha256(match["credential"].encode()).digest()
        now = self._clock.monotonic()
        until, principal = self._known.get(digest, (0.0, None))
        if principal is None or now >= until:
            principal = await asyncio.to_thread(self._api_keys.holder, match["credential"], self._clock.now())
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[digest] = now + TTL_S, principal
        return principal


def authenticate_caller(verifier: IdentityVerifier, holders: KeyHolders) -> Authenticate:
    """Give the dependency that reads the principal from the identity token, or else from the API key."""

    # From the request itself: as parameters, the two headers would cost a tenth of a millisecond each time.
    async def principal(request: Request) -> Principal:
        token, authorization = request.headers.get(HEADER), request.headers.get("Authorization")
        if token is not None:
            found = verifier.verify(token)
        elif authorization is not None:
            found = await holders.holder(authorization)
        else:
            raise Unauthenticated("Send an API key: 'Authorization: Bearer …'.")
        act_for(found.tenant)
        bind(tenant=found.tenant.tenant_id, subject=found.subject)
        return found

    return cast("Authenticate", principal)
