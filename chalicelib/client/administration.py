"""The platform itself: who may use it, how a tenant is set up, what it spends, and what was changed by whom."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.client.calling import Caller, quoted
from chalicelib.contracts.audit import AuditEventView, AuditQuery
from chalicelib.contracts.budgets import BudgetCreate, BudgetPatch, BudgetView
from chalicelib.contracts.health import Health, Readiness
from chalicelib.contracts.identities import ApiKeyCreate, ApiKeyCreated, ApiKeyView, Me
from chalicelib.contracts.tenants import TenantPatch, TenantView
from chalicelib.contracts.usage import UsageQuery, UsageReport


class Administration(Caller):
    """What administrators do."""

    def health(self) -> Health:
        """Say that the platform answers."""
        return self._get("/health", Health)

    def readiness(self) -> Readiness:
        """Ask every store and service of the platform whether it answers. Raises `Unavailable` where one does not."""
        return self._get("/health/ready", Readiness)

    def me(self) -> Me:
        """Say who is asking, and what they may do."""
        return self._get("/me", Me)

    def api_keys(self) -> Iterator[ApiKeyView]:
        """List the tenant's API keys."""
        return self._items("/api-keys", ApiKeyView)

    def create_api_key(self, request: ApiKeyCreate, *, idempotency_key: str | None = None) -> ApiKeyCreated:
        """Make an API key; its secret is shown this once."""
        return self._create("/api-keys", request, ApiKeyCreated, idempotency_key)

    def revoke_api_key(self, key_id: str) -> ApiKeyView:
        """End an API key's life."""
        return self._delete(f"/api-keys/{quoted(key_id)}", ApiKeyView)

    def tenants(self) -> list[TenantView]:
        """List the tenants within reach."""
        return self._all("/tenants", TenantView)

    def tenant(self, tenant: str) -> TenantView:
        """Give a tenant's settings."""
        return self._get(f"/tenants/{quoted(tenant)}", TenantView)

    def change_tenant(self, tenant: str, request: TenantPatch, *, if_version: int | None = None) -> TenantView:
        """Change a tenant's settings; with *if_version*, only if they still have that one."""
        return self._change(f"/tenants/{quoted(tenant)}", request, TenantView, if_version)

    def create_budget(self, request: BudgetCreate, *, idempotency_key: str | None = None) -> BudgetView:
        """Set what may be spent."""
        return self._create("/budgets", request, BudgetView, idempotency_key)

    def budgets(self) -> list[BudgetView]:
        """List the budgets, by name, with what was spent of them."""
        return self._all("/budgets", BudgetView)

    def budget(self, name: str) -> BudgetView:
        """Give one budget."""
        return self._get(f"/budgets/{quoted(name)}", BudgetView)

    def change_budget(self, name: str, request: BudgetPatch, *, if_version: int | None = None) -> BudgetView:
        """Change a budget; with *if_version*, only if it still has that one."""
        return self._change(f"/budgets/{quoted(name)}", request, BudgetView, if_version)

    def delete_budget(self, name: str, *, if_version: int | None = None) -> BudgetView:
        """Take a budget away; with *if_version*, only if it still has that one."""
        return self._delete(f"/budgets/{quoted(name)}", BudgetView, if_version)

    def usage(self, query: UsageQuery | None = None) -> UsageReport:
        """Say how many tokens the calls of models took and what they cost."""
        return self._get("/usage", UsageReport, query)

    def audit(self, query: AuditQuery | None = None) -> Iterator[AuditEventView]:
        """List what was changed by whom, newest first."""
        return self._items("/audit", AuditEventView, query)
