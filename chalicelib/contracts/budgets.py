"""Budgets, and what has been spent of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from chalicelib.contracts.common import RequestModel, ResponseModel, Timestamp
from chalicelib.domain.budgets import NAME_PATTERN, Budget, BudgetScope, Period

MAX_USD_MICROS = 10**15

BudgetName = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
Limit = Annotated[int, Field(ge=0, le=MAX_USD_MICROS, description="Micro-USD for each period; 0 lets nothing through")]
Share = Annotated[float, Field(gt=0, lt=1, description="Share of the limit from which the log warns, once a period")]


class BudgetCreate(RequestModel):
    """A new budget."""

    name: BudgetName
    scope: BudgetScope = Field(strict=False, description="Whose calls it counts")
    subject: str | None = Field(
        None,
        min_length=1,
        max_length=256,
        description="The user, API key or route; without it, each of them has the limit for itself",
    )
    period: Period = Field(
        strict=False, description="Begins anew at midnight UTC, of each day or each first of a month"
    )
    limit_usd_micros: Limit
    warn_at: Share | None = None
    refuse_unpriced: bool = Field(False, description="Let no call through whose price is not known")

    @model_validator(mode="after")
    def _one_tenant(self) -> BudgetCreate:
        if self.scope is BudgetScope.TENANT and self.subject is not None:
            raise ValueError("a tenant's budget has no subject: it is the caller's tenant")
        return self

    def entity(self, at: datetime, by: str) -> Budget:
        """Give the domain's form of it, made *at* a time *by* somebody."""
        return Budget(**self.model_dump(), created_at=at, updated_at=at, updated_by=by)


class BudgetPatch(RequestModel):
    """What is to change; what is left out stays. `warn_at: null` ends the warnings."""

    limit_usd_micros: Limit | None = None
    warn_at: Share | None = None
    refuse_unpriced: bool | None = None

    def changed(self) -> dict[str, object]:
        """Give the fields that were given."""
        given = self.model_dump(exclude_unset=True)
        return {name: value for name, value in given.items() if value is not None or name == "warn_at"}


class BudgetAccountView(ResponseModel):
    """What one subject has come to in this period; *subject* is null in a tenant's budget."""

    subject: str | None
    spent_usd_micros: int
    reserved_usd_micros: int = Field(description="Set aside for calls under way")
    remaining_usd_micros: int
    state: Literal["ok", "warned", "spent"] = Field(
        description="warned: over `warn_at`, until the period ends; spent: nothing is left beside what is set aside"
    )


class BudgetView(ResponseModel):
    """A budget, and how it stands: *accounts* are up to 100 subjects, who has spent most first."""

    name: str
    scope: BudgetScope
    subject: str | None
    period: Period
    limit_usd_micros: int
    warn_at: float | None
    refuse_unpriced: bool
    resets_at: Timestamp
    accounts: list[BudgetAccountView]
    version: int
    created_at: Timestamp | None
    updated_at: Timestamp | None
    updated_by: str | None
