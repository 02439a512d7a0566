"""Who may call a route."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import cast

from fastapi import Depends, Request

from chalicelib.domain.access import Permission, Principal, allows
from chalicelib.errors import Forbidden
from fargate.http.identity import Authenticate


def requires(permission: Permission, authenticate: Authenticate) -> Authenticate:
    """Give the dependency that reads the principal by *authenticate*, and raises `Forbidden` without *permission*."""

    # As a default: FastAPI could not find *authenticate* in an annotation, which is a string evaluated elsewhere.
    async def permitted(principal: Principal = Depends(authenticate)) -> Principal:
        if not allows(principal, permission):
            roles = ", ".join(sorted(principal.roles)) or "none"
            raise Forbidden(f"This needs the permission {permission}, which your roles ({roles}) do not carry.")
        return principal

    return cast("Authenticate", permitted)


def of_request(permission: Permission, authenticate: Authenticate) -> Authenticate:
    """Give what `requires` gives, for routes that ask without FastAPI: it takes the request alone."""
    identified = cast("Callable[[Request], Awaitable[Principal]]", authenticate)
    permitted = cast("Callable[[Principal], Awaitable[Principal]]", requires(permission, authenticate))

    async def asking(request: Request) -> Principal:
        return await permitted(await identified(request))

    return cast("Authenticate", asking)
