"""Who is asking: the identity token, checked on every route of every service."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from fastapi import Request

from chalicelib.contracts.identity import HEADER, IdentityVerifier
from chalicelib.domain.access import Principal
from chalicelib.domain.acting import act_for
from chalicelib.errors import Unauthenticated
from chalicelib.observability.logs import bind

Authenticate = Callable[..., Principal]
"""A dependency as FastAPI resolves it: ``principal: Annotated[Principal, Depends(authenticate)]``."""


def authenticate(verifier: IdentityVerifier) -> Authenticate:
    """
    Give the dependency that reads the principal from the identity token, and puts its tenant on every log line.

    It raises `Unauthenticated` without a token, or with one that *verifier* refuses.
    """

    # A coroutine, though it waits for nothing: FastAPI runs a plain function in a thread, whose log context is lost.
    # From the request itself: as a parameter, the header would cost a tenth of a millisecond each time.
    async def principal(request: Request) -> Principal:
        token = request.headers.get(HEADER)
        if token is None:
            raise Unauthenticated("The identity token is missing; send the request through the API.")
        found = verifier.verify(token)
        act_for(found.tenant)
        bind(tenant=found.tenant.tenant_id, subject=found.subject)
        return found

    return cast("Authenticate", principal)
