"""Who may call a route."""

from __future__ import annotations

from typing import cast

from fastapi import Depends

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
