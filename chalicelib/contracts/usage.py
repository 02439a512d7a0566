"""What models were used for, and what that cost."""

from __future__ import annotations

from datetime import date
from enum import StrEnum

from pydantic import Field, model_validator

from chalicelib.contracts.common import ResponseModel
from chalicelib.contracts.queries import QueryModel

MAX_DAYS = 400


class UsageGroup(StrEnum):
    """What usage can be summed by."""

    DAY = "day"
    MODEL = "model"
    ROUTE = "route"
    RELEASE = "release"
    TENANT = "tenant"
    USER = "user"


class UsageQuery(QueryModel):
    """Which calls, and how they are summed; days are UTC, both included."""

    group_by: UsageGroup = UsageGroup.DAY
    from_: date | None = Field(None, alias="from", description="First day; that of this month if not given")
    to: date | None = Field(None, description="Last day; today if not given")
    model: str | None = Field(None, min_length=1, max_length=256, description="Only this deployment: `provider/model`")
    route: str | None = Field(None, min_length=1, max_length=64)
    release: str | None = Field(None, min_length=1, max_length=64)
    user: str | None = Field(None, min_length=1, max_length=256)

    @model_validator(mode="after")
    def _in_order(self) -> UsageQuery:
        if self.from_ is not None and self.to is not None and not 0 <= (self.to - self.from_).days < MAX_DAYS:
            raise ValueError(f"from and to must be in order, and at most {MAX_DAYS} days")
        return self


class UsageTotals(ResponseModel):
    """Sums over upstream calls, failed and cancelled ones among them."""

    calls: int
    failed_calls: int = Field(description="Those that failed, were cancelled or lost; they may cost all the same")
    unpriced_calls: int = Field(description="Those whose price nobody knows; they are in no cost")
    estimated_calls: int = Field(description="Those whose tokens the provider did not say")
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    cost_usd_micros: int


class UsageItem(UsageTotals):
    """The sums of one day, model, route, release, tenant or user; *key* is null for calls that have none."""

    key: str | None


class UsageReport(ResponseModel):
    """Usage by group, in order of *key*, and all of it together."""

    group_by: UsageGroup
    first_day: date
    last_day: date
    items: list[UsageItem]
    total: UsageTotals
