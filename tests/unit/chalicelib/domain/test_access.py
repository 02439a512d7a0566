"""Roles, index scopes and document groups."""

from itertools import pairwise

import pytest

from chalicelib.domain.access import PERMISSIONS, Permission, Principal, Role, Tenant, allows, may_read, may_use_index
from chalicelib.domain.identifiers import TenantId


def principal(*roles: Role, groups: frozenset[str] = frozenset(), indexes: frozenset[str] | None = None) -> Principal:
    return Principal(Tenant(TenantId("acme")), "ann", frozenset(roles), groups, indexes)


def test_each_human_role_may_do_what_the_one_before_it_may() -> None:
    """Reader, editor, engineer and admin are a ladder."""
    ladder = [Role.READER, Role.EDITOR, Role.ENGINEER, Role.ADMIN]
    for lower, higher in pairwise(ladder):
        assert PERMISSIONS[lower] < PERMISSIONS[higher]


def test_every_permission_is_given_to_some_role() -> None:
    """A permission that nobody has would close its operations for ever."""
    assert set().union(*PERMISSIONS.values()) == set(Permission)


def test_a_service_may_use_models_and_nothing_else() -> None:
    """A worker's identity opens no document."""
    service = principal(Role.SERVICE)
    assert [permission for permission in Permission if allows(service, permission)] == [Permission.MODELS_USE]


def test_nobody_without_a_role_may_do_anything() -> None:
    """Deny by default."""
    assert not any(allows(principal(), permission) for permission in Permission)


@pytest.mark.parametrize(
    ("acl", "readable"), [(["all"], True), (["hr"], True), (["legal", "hr"], True), (["legal"], False), ([], False)]
)
def test_a_document_is_read_by_its_groups_only(acl: list[str], readable: bool) -> None:
    """Everybody is in `all`; an empty list lets nobody in."""
    assert may_read(principal(Role.READER, groups=frozenset({"hr"})), acl) is readable


def test_being_admin_opens_no_document() -> None:
    """Reading goes by group, not by role."""
    assert not may_read(principal(Role.ADMIN), ["hr"])


def test_roles_can_be_narrowed_to_named_indexes() -> None:
    """An index outside the scope is out of reach."""
    narrow = principal(Role.ADMIN, indexes=frozenset({"handbook"}))
    assert may_use_index(narrow, "handbook")
    assert not may_use_index(narrow, "payroll")
    assert may_use_index(principal(Role.READER), "payroll")


def test_a_token_never_shows_in_a_principal_text() -> None:
    """Logging a principal is safe."""
    shown = repr(Principal(Tenant(TenantId("acme")), "ann", frozenset(), token="a-secret"))
    assert "a-secret" not in shown
