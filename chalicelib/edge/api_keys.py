"""API keys: made, listed and revoked; none can do more than whoever made it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from chalicelib.contracts.common import ListOf
from chalicelib.contracts.identities import ApiKeyCreate, ApiKeyCreated, ApiKeyView
from chalicelib.contracts.queries import NoQuery, PageQuery
from chalicelib.contracts.rendering import key_view
from chalicelib.domain.access import PERMISSIONS, Permission, Principal, Role
from chalicelib.domain.credentials import ApiKey, credential, digest_of, new_secret
from chalicelib.domain.identifiers import KeyId, new_id
from chalicelib.edge.operations import Call, Repeat, Resource
from chalicelib.errors import Conflict, Forbidden, InvalidRequest, NotFound

api_keys = Resource("api-keys", "Credentials of machines")


def _shown_once(_call: Call[ApiKeyCreate], kept: Mapping[str, Any]) -> ApiKeyCreated:
    raise Conflict(
        f"This request made the key {kept['key_id']} before, and its secret is shown once. "
        "If it is lost, revoke that key and make another under a new Idempotency-Key."
    )


@api_keys.post(
    "/api-keys",
    permission=Permission.KEYS_MANAGE,
    body=ApiKeyCreate,
    returns=ApiKeyCreated,
    status=201,
    repeat=Repeat(keep=lambda created: {"key_id": created.key.key_id}, again=_shown_once),
    summary="Make an API key",
)
def create_api_key(call: Call[ApiKeyCreate]) -> ApiKeyCreated:
    """
    The secret is in this answer and nowhere else.

    A key gets no role and no index that its maker does not have. Sent again with the same `Idempotency-Key`, this
    makes no second key, but answers 409.
    """
    now = call.edge.clock.now()
    _check_grant(call.principal, call.input, now)
    key_id, secret = KeyId(new_id("key", now)), new_secret()
    key = ApiKey(
        key_id=key_id,
        tenant_id=call.principal.tenant.tenant_id,
        name=call.input.name,
        digest=digest_of(secret),
        roles=frozenset(call.input.roles),
        groups=frozenset(call.input.groups),
        created_at=now,
        created_by=call.principal.subject,
        indexes=None if call.input.indexes is None else frozenset(call.input.indexes),
        expires_at=call.input.expires_at,
    )
    call.edge.api_keys.add(key, call.note("api_key.create", f"api-keys/{key_id}"))
    return ApiKeyCreated(key=key_view(key), secret=credential(key_id, secret))


@api_keys.get(
    "/api-keys",
    permission=Permission.KEYS_MANAGE,
    query=PageQuery,
    returns=ListOf[ApiKeyView],
    summary="List the API keys",
)
def list_api_keys(call: Call[PageQuery]) -> ListOf[ApiKeyView]:
    """Newest first, revoked ones too, never with a secret."""
    found, cursor = call.edge.api_keys.list(call.principal.tenant, limit=call.input.limit, cursor=call.input.cursor)
    reached = [key_view(key) for key in found if _reaches(call.principal, key.indexes)]
    return ListOf[ApiKeyView](items=reached, next_cursor=cursor)


@api_keys.delete(
    "/api-keys/{key_id}", permission=Permission.KEYS_MANAGE, returns=ApiKeyView, summary="Revoke an API key"
)
def revoke_api_key(call: Call[NoQuery]) -> ApiKeyView:
    """For ever; it may still be let in for as long as the gateway remembers its last use, at most a minute."""
    tenant, key_id = call.principal.tenant, KeyId(call.path["key_id"])
    if not _reaches(call.principal, call.edge.api_keys.get(tenant, key_id).indexes):
        raise NotFound(f"There is no API key {key_id}.")
    now = call.edge.clock.now()
    note = call.note("api_key.revoke", f"api-keys/{key_id}")
    revoked = call.edge.api_keys.update(
        tenant, key_id, lambda key: replace(key, revoked_at=key.revoked_at or now), note
    )
    return key_view(revoked)


def _check_grant(maker: Principal, wanted: ApiKeyCreate, now: datetime) -> None:
    """Raise unless *maker* may give this away. Only administrators make keys, and they may give any group."""
    for role in wanted.roles:
        if not PERMISSIONS[role] <= _permissions(maker.roles):
            raise Forbidden(f"You cannot give the role {role}: it may do more than you.")
    if not _reaches(maker, wanted.indexes):
        raise Forbidden(f"You cannot give more than the indexes you have: {', '.join(sorted(maker.indexes or ()))}.")
    if wanted.expires_at is not None and wanted.expires_at <= now:
        raise InvalidRequest("The key would have expired already.", [{"loc": ["expires_at"], "msg": "Is in the past"}])


def _permissions(roles: Iterable[Role]) -> set[Permission]:
    return {permission for role in roles for permission in PERMISSIONS[role]}


def _reaches(principal: Principal, indexes: Iterable[str] | None) -> bool:
    """Say whether *principal*'s own indexes include all of *indexes* (None: every one there is)."""
    return principal.indexes is None or (indexes is not None and principal.indexes.issuperset(indexes))
