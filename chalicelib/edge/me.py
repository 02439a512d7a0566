"""The caller, as the platform sees it."""

from __future__ import annotations

from chalicelib.contracts import rendering
from chalicelib.contracts.identities import Me
from chalicelib.contracts.queries import NoQuery
from chalicelib.domain.access import Permission
from chalicelib.edge.operations import Call, Resource

me = Resource("me", "The caller, as the platform sees it")


@me.get("/me", permission=Permission.SELF, query=NoQuery, returns=Me, summary="Say who is calling")
def get_me(call: Call[NoQuery]) -> Me:
    """Tenant, roles, groups and what they allow."""
    return rendering.me(call.principal)
