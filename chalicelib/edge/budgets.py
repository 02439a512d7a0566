"""Budgets: what may be spent on models."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chalicelib.contracts.budgets import BudgetAccountView, BudgetCreate, BudgetPatch, BudgetView
from chalicelib.contracts.common import ListOf
from chalicelib.contracts.queries import NoQuery
from chalicelib.domain.access import Permission
from chalicelib.domain.budgets import Account, Budget, BudgetScope, Counter, account_of
from chalicelib.edge.operations import SAME_ANSWER, Call, Resource
from chalicelib.errors import Conflict

MAX_ACCOUNTS = 100

budgets = Resource("budgets", "What may be spent on models")


@budgets.post(
    "/budgets",
    permission=Permission.BUDGETS_MANAGE,
    body=BudgetCreate,
    returns=BudgetView,
    status=201,
    repeat=SAME_ANSWER,
    raises=(Conflict,),
    summary="Make a budget",
)
def create_budget(call: Call[BudgetCreate]) -> BudgetView:
    """
    It holds within seconds, for calls that begin from then on: what was spent before is not counted.

    A call that could cost more than is left is refused with 402 before anything is sent. Every budget that a call falls
    under must have room for it.
    """
    made = call.input.entity(call.edge.clock.now(), call.principal.subject)
    note = call.note("budget.create", f"budgets/{made.name}")
    return _view(call, call.edge.budgets.create(call.principal.tenant, made, note))


@budgets.get(
    "/budgets",
    permission=Permission.BUDGETS_MANAGE,
    query=NoQuery,
    returns=ListOf[BudgetView],
    summary="List the budgets",
)
def list_budgets(call: Call[NoQuery]) -> ListOf[BudgetView]:
    """All of them, by name, with what was spent in this period."""
    found = call.edge.budgets.all(call.principal.tenant)
    return ListOf[BudgetView](items=[_view(call, budget) for budget in found])


@budgets.get(
    "/budgets/{budget}",
    permission=Permission.BUDGETS_MANAGE,
    query=NoQuery,
    returns=BudgetView,
    revision=lambda view: view.version,
    summary="Read a budget",
)
def get_budget(call: Call[NoQuery]) -> BudgetView:
    """The `ETag` names its version, which spending does not change."""
    return _view(call, call.edge.budgets.get(call.principal.tenant, call.path["budget"]))


@budgets.patch(
    "/budgets/{budget}",
    permission=Permission.BUDGETS_MANAGE,
    body=BudgetPatch,
    returns=BudgetView,
    revision=lambda view: view.version,
    summary="Change a budget",
)
def change_budget(call: Call[BudgetPatch]) -> BudgetView:
    """What is left out stays, and so does what was spent. For another scope, subject or period, make another budget."""
    now = call.edge.clock.now()

    def change(budget: Budget) -> Budget:
        call.check_version(f"Budget {budget.name!r}", budget.version)
        changed = replace(budget, **call.input.changed())  # type: ignore[arg-type]
        return replace(changed, updated_at=now, updated_by=call.principal.subject)

    name = call.path["budget"]
    note = call.note("budget.change", f"budgets/{name}")
    return _view(call, call.edge.budgets.update(call.principal.tenant, name, change, note))


@budgets.delete(
    "/budgets/{budget}",
    permission=Permission.BUDGETS_MANAGE,
    returns=BudgetView,
    one_revision=True,
    summary="Delete a budget",
)
def delete_budget(call: Call[NoQuery]) -> BudgetView:
    """One of the same name, scope and period that is made later goes on counting where it stopped."""
    tenant = call.principal.tenant
    budget = call.edge.budgets.get(tenant, call.path["budget"])
    call.check_version(f"Budget {budget.name!r}", budget.version)
    note = call.note("budget.delete", f"budgets/{budget.name}")
    return _view(call, call.edge.budgets.delete(tenant, budget, note))


def _view(call: Call[Any], budget: Budget) -> BudgetView:
    now, tenant, ledger = call.edge.clock.now(), call.principal.tenant, call.edge.ledger
    account = account_of(budget, budget.subject or "", now)
    if budget.scope is BudgetScope.TENANT or budget.subject is not None:
        counters = [ledger.counter(tenant, account)]
    else:
        counters = ledger.counters(tenant, account, limit=MAX_ACCOUNTS)
    ordered = sorted(counters, key=lambda one: (-one.committed_usd_micros, one.subject))
    return BudgetView(
        name=budget.name,
        scope=budget.scope,
        subject=budget.subject,
        period=budget.period,
        limit_usd_micros=budget.limit_usd_micros,
        warn_at=budget.warn_at,
        refuse_unpriced=budget.refuse_unpriced,
        resets_at=account.end,
        accounts=[_account_view(account, counter) for counter in ordered],
        version=budget.version,
        created_at=budget.created_at,
        updated_at=budget.updated_at,
        updated_by=budget.updated_by,
    )


def _account_view(account: Account, counter: Counter) -> BudgetAccountView:
    left = max(account.limit_usd_micros - counter.committed_usd_micros, 0)
    return BudgetAccountView(
        subject=counter.subject or None,
        spent_usd_micros=counter.spent_usd_micros,
        reserved_usd_micros=counter.reserved_usd_micros,
        remaining_usd_micros=left,
        state="spent" if not left else "warned" if counter.warned else "ok",
    )
