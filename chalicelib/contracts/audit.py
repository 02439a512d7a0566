"""The audit log."""

from __future__ import annotations

from pydantic import AwareDatetime, Field, JsonValue, model_validator

from chalicelib.contracts.common import Identifier, ResponseModel, Timestamp
from chalicelib.contracts.queries import PageQuery


class AuditQuery(PageQuery):
    """Which events."""

    resource: str | None = Field(
        None, min_length=1, max_length=200, description="Of one thing, such as `routes/chat`", examples=["routes/chat"]
    )
    from_: AwareDatetime | None = Field(None, alias="from", description="No older ones")
    to: AwareDatetime | None = Field(None, description="Only older ones")

    @model_validator(mode="after")
    def _in_order(self) -> AuditQuery:
        if self.from_ is not None and self.to is not None and self.from_ >= self.to:
            raise ValueError("from must be before to")
        return self


class FieldChange(ResponseModel):
    """What stood in a field; null where there was nothing."""

    before: JsonValue
    after: JsonValue


class AuditEventView(ResponseModel):
    """One change; *subject* is the user or API key that made it."""

    event_id: Identifier
    at: Timestamp
    subject: str
    action: str = Field(examples=["route.change"])
    resource: str = Field(examples=["routes/chat"])
    changes: dict[str, FieldChange]
