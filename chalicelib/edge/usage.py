"""Usage: what models were used for, and what that cost."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from chalicelib.contracts.usage import MAX_DAYS, UsageGroup, UsageItem, UsageQuery, UsageReport, UsageTotals
from chalicelib.domain.access import Permission, Tenant
from chalicelib.domain.ledger import Totals, UsageCell
from chalicelib.edge.operations import Call, Resource
from chalicelib.errors import InvalidRequest

usage = Resource("usage", "What models were used for, and what that cost")


@usage.get(
    "/usage",
    permission=Permission.USAGE_READ,
    query=UsageQuery,
    returns=UsageReport,
    summary="Sum up the use of models",
)
def get_usage(call: Call[UsageQuery]) -> UsageReport:
    """Of the caller's tenant, exactly as the ledger has it, with every call that has ended."""
    asked, tenant = call.input, call.principal.tenant
    first, last = _days(asked, call.edge.clock.now().date())
    by_user = asked.group_by is UsageGroup.USER or asked.user is not None
    cells = call.edge.ledger.cells(tenant, first, last, by_user=by_user)
    sums: dict[str | None, Totals] = {}
    for cell in cells:
        if _asked_for(asked, cell):
            key = _key(asked.group_by, cell, tenant)
            sums[key] = sums.get(key, Totals()).plus(cell.totals)
    if asked.group_by is UsageGroup.USER and asked.user is None:
        _add_nobodys(
            sums, [one for one in call.edge.ledger.cells(tenant, first, last, by_user=False) if _asked_for(asked, one)]
        )
    items = [_item(key, sums[key]) for key in sorted(sums, key=lambda key: (key is None, key or ""))]
    total = UsageTotals.model_validate(_sum(sums.values()))
    return UsageReport(group_by=asked.group_by, first_day=first, last_day=last, items=items, total=total)


def _days(asked: UsageQuery, today: date) -> tuple[date, date]:
    last = asked.to or max(today, asked.from_ or today)
    first = asked.from_ or last.replace(day=1)
    if not 0 <= (last - first).days < MAX_DAYS:
        raise InvalidRequest(f"From {first} to {last} is not a span of 1 to {MAX_DAYS} days.")
    return first, last


def _asked_for(asked: UsageQuery, cell: UsageCell) -> bool:
    wanted = {"model": asked.model, "route": asked.route, "release": asked.release, "user": asked.user}
    return all(value is None or getattr(cell, name) == value for name, value in wanted.items())


def _key(group: UsageGroup, cell: UsageCell, tenant: Tenant) -> str | None:
    match group:
        case UsageGroup.DAY:
            return cell.day.isoformat()
        case UsageGroup.TENANT:
            return tenant.tenant_id
        case _:
            key: str | None = getattr(cell, group.value)
            return key


def _add_nobodys(sums: dict[str | None, Totals], everybody: Iterable[UsageCell]) -> None:
    """Add, under None, what is left when all users' sums are taken from those of everybody."""
    left = _sum(cell.totals for cell in everybody).minus(_sum(sums.values()))
    if left.calls:
        sums[None] = left


def _sum(totals: Iterable[Totals]) -> Totals:
    whole = Totals()
    for one in totals:
        whole = whole.plus(one)
    return whole


def _item(key: str | None, totals: Totals) -> UsageItem:
    return UsageItem(key=key, **UsageTotals.model_validate(totals).model_dump())
