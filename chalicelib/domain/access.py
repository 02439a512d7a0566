"""Who may do what: tenants, principals, roles, permissions, and the groups that may read a document."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum

from chalicelib.domain.identifiers import TenantId

EVERYONE = "all"
"""The group that every principal of a tenant belongs to."""


class Permission(StrEnum):
    """What an operation needs; every route declares exactly one."""

    ASK = "ask"
    RUNS_READ = "runs:read"
    KNOWLEDGE_READ = "knowledge:read"
    DOCUMENTS_WRITE = "documents:write"
    INDEXES_WRITE = "indexes:write"
    RELEASES_WRITE = "releases:write"
    KEYS_MANAGE = "keys:manage"
    MODELS_USE = "models:use"
    PROMPTS_MANAGE = "prompts:manage"
    ROUTES_MANAGE = "routes:manage"
    USAGE_READ = "usage:read"
    BUDGETS_MANAGE = "budgets:manage"
    AUDIT_READ = "audit:read"
    TENANTS_MANAGE = "tenants:manage"
    FEEDBACK_WRITE = "feedback:write"
    FEEDBACK_READ = "feedback:read"
    FEEDBACK_TRIAGE = "feedback:triage"
    SELF = "self"


class Role(StrEnum):
    """Each role may do what the one before it may, and more."""

    READER = "reader"
    EDITOR = "editor"
    ENGINEER = "engineer"
    ADMIN = "admin"
    SERVICE = "service"


_READER = frozenset({Permission.SELF, Permission.ASK, Permission.FEEDBACK_WRITE})
_EDITOR = _READER | {Permission.KNOWLEDGE_READ, Permission.DOCUMENTS_WRITE}
_ENGINEER = _EDITOR | {
    Permission.INDEXES_WRITE,
    Permission.RELEASES_WRITE,
    Permission.RUNS_READ,
    Permission.PROMPTS_MANAGE,
    Permission.ROUTES_MANAGE,
    Permission.USAGE_READ,
    Permission.FEEDBACK_READ,
    Permission.FEEDBACK_TRIAGE,
}
_ADMIN = _ENGINEER | {
    Permission.KEYS_MANAGE,
    Permission.BUDGETS_MANAGE,
    Permission.AUDIT_READ,
    Permission.TENANTS_MANAGE,
}
PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.READER: _READER,
    Role.EDITOR: _EDITOR,
    Role.ENGINEER: _ENGINEER,
    Role.ADMIN: _ADMIN,
    Role.SERVICE: frozenset({Permission.MODELS_USE}),
}


@dataclass(frozen=True, slots=True)
class Tenant:
    """The owner of everything stored; keys, prefixes and vector indexes are made from it and nothing else."""

    tenant_id: TenantId


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking: a user, a service or an API key of one tenant."""

    tenant: Tenant
    subject: str
    roles: frozenset[Role]
    groups: frozenset[str] = frozenset()
    indexes: frozenset[str] | None = None
    """Names of the indexes its roles are narrowed to; None means every index."""
    token: str | None = field(default=None, repr=False, compare=False)
    """The signed identity token it was read from, to be handed on to other services."""

    @property
    def reading_groups(self) -> frozenset[str]:
        """Its own groups and the group of everyone."""
        return self.groups | {EVERYONE}


def allows(principal: Principal, permission: Permission) -> bool:
    """Say whether any role of *principal* carries *permission*."""
    return any(permission in PERMISSIONS[role] for role in principal.roles)


def may_use_index(principal: Principal, index: str) -> bool:
    """Say whether the principal's roles reach the index named *index*."""
    return principal.indexes is None or index in principal.indexes


def may_read(principal: Principal, acl: Collection[str]) -> bool:
    """Say whether *principal* is in one of the groups of *acl*; an empty list lets nobody in."""
    return not principal.reading_groups.isdisjoint(acl)
