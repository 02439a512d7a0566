"""Tenants: each sees and settles its own."""

from __future__ import annotations

from typing import Any

from chalicelib.contracts.common import ListOf
from chalicelib.contracts.queries import NoQuery
from chalicelib.contracts.tenants import TenantPatch, TenantView
from chalicelib.domain.access import Permission
from chalicelib.domain.tenants import TenantSettings
from chalicelib.edge.operations import Call, Resource
from chalicelib.errors import NotFound

tenants = Resource("tenants", "What a tenant decides for itself")


@tenants.get(
    "/tenants",
    permission=Permission.TENANTS_MANAGE,
    query=NoQuery,
    returns=ListOf[TenantView],
    summary="List the tenants",
)
def list_tenants(call: Call[NoQuery]) -> ListOf[TenantView]:
    """Only the caller's own: nobody administers another one."""
    return ListOf[TenantView](items=[_view(call, call.edge.tenants.get(call.principal.tenant))])


@tenants.get(
    "/tenants/{tenant}",
    permission=Permission.TENANTS_MANAGE,
    query=NoQuery,
    returns=TenantView,
    revision=lambda view: view.version,
    summary="Read a tenant's settings",
)
def get_tenant(call: Call[NoQuery]) -> TenantView:
    """As they hold now: what the tenant did not decide is as the platform is configured."""
    _check_own(call)
    return _view(call, call.edge.tenants.get(call.principal.tenant))


@tenants.patch(
    "/tenants/{tenant}",
    permission=Permission.TENANTS_MANAGE,
    body=TenantPatch,
    returns=TenantView,
    revision=lambda view: view.version,
    summary="Change a tenant's settings",
)
def change_tenant(call: Call[TenantPatch]) -> TenantView:
    """Holds from the next question on; tokens for feedback keep the origins that they were made for."""
    _check_own(call)
    tenant = call.principal.tenant
    changed = call.edge.tenants.update(
        tenant,
        call.input.given(),
        if_version=call.if_match,
        at=call.edge.clock.now(),
        by=call.principal.subject,
        note=call.note("tenant.change", f"tenants/{tenant.tenant_id}"),
    )
    return _view(call, changed)


def _check_own(call: Call[Any]) -> None:
    if call.path["tenant"] != call.principal.tenant.tenant_id:
        raise NotFound(f"There is no tenant {call.path['tenant']}.")


def _view(call: Call[Any], settings: TenantSettings) -> TenantView:
    return TenantView(
        tenant=call.principal.tenant.tenant_id,
        feedback_origins=list(settings.feedback_origins),
        link_hosts=list(settings.link_hosts),
        run_retention_days=settings.run_retention_days,
        feedback_retention_days=settings.feedback_retention_days,
        feedback_daily_cap=settings.feedback_daily_cap,
        version=settings.version,
        updated_at=settings.updated_at,
        updated_by=settings.updated_by,
    )
