"""Tenants, and what each decides for itself."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, JsonValue, StringConstraints

from chalicelib.contracts.common import RequestModel, ResponseModel, Timestamp
from chalicelib.domain.tenants import LINK_HOST_PATTERN, MAX_FEEDBACK_DAILY_CAP, MAX_RETENTION_DAYS, ORIGIN_PATTERN

Origin = Annotated[
    str,
    StringConstraints(pattern=ORIGIN_PATTERN),
    Field(description="As browsers write it, or `*`", examples=["https://chat.example"]),
]
LinkHost = Annotated[str, StringConstraints(pattern=LINK_HOST_PATTERN), Field(examples=["*.example.com"])]


class TenantPatch(RequestModel):
    """What is to change; what is left out stays, and null goes back to how the platform is configured."""

    feedback_origins: list[Origin] | None = Field(
        None, max_length=50, description="Origins whose pages may send feedback"
    )
    link_hosts: list[LinkHost] | None = Field(
        None, max_length=200, description="Hosts that links and pictures in answers may lead to"
    )
    run_retention_days: int | None = Field(
        None, ge=1, le=MAX_RETENTION_DAYS, description="How long runs made from now on are kept"
    )
    feedback_retention_days: int | None = Field(
        None,
        ge=1,
        le=MAX_RETENTION_DAYS,
        description="How long feedback given from now on is kept, from when its person said something last",
    )
    feedback_daily_cap: int | None = Field(
        None, ge=0, le=MAX_FEEDBACK_DAILY_CAP, description="How many pieces of feedback pages may send in a day"
    )

    def given(self) -> dict[str, JsonValue]:
        """Give the fields that were given."""
        return self.model_dump(mode="json", exclude_unset=True)


class TenantView(ResponseModel):
    """A tenant as it is served; *version* is 0 while it decided nothing itself."""

    tenant: str
    feedback_origins: list[str]
    link_hosts: list[str]
    run_retention_days: int
    feedback_retention_days: int
    feedback_daily_cap: int
    version: int
    updated_at: Timestamp | None
    updated_by: str | None
