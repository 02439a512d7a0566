"""The audit log: who changed what, and when."""

from __future__ import annotations

from chalicelib.contracts.audit import AuditEventView, AuditQuery
from chalicelib.contracts.common import ListOf
from chalicelib.domain.access import Permission
from chalicelib.edge.operations import Call, Resource

audit = Resource("audit", "Who changed what, and when")


@audit.get(
    "/audit",
    permission=Permission.AUDIT_READ,
    query=AuditQuery,
    returns=ListOf[AuditEventView],
    summary="List changes of the configuration",
)
def list_audit_events(call: Call[AuditQuery]) -> ListOf[AuditEventView]:
    """
    Newest first. An event is written with its change, in one transaction, and never changed or deleted.

    Lists by `resource` follow within moments.
    """
    asked = call.input
    found, cursor = call.edge.audit.list(
        call.principal.tenant,
        resource=asked.resource,
        first=asked.from_,
        last=asked.to,
        limit=asked.limit,
        cursor=asked.cursor,
    )
    return ListOf[AuditEventView](items=[AuditEventView.model_validate(one) for one in found], next_cursor=cursor)
