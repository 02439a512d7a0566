"""What a tenant decides for itself, in place of how the platform is configured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

ORIGIN_PATTERN = r"^(https?://(\[[0-9a-f:.]{2,45}\]|[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)(:[0-9]{1,5})?|\*)$"
LINK_HOST_PATTERN = r"^(\*\.)?[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"
MAX_RETENTION_DAYS = 3_650
MAX_FEEDBACK_DAILY_CAP = 1_000_000


@dataclass(frozen=True, slots=True)
class TenantSettings:
    """
    How a tenant is served.

    *feedback_origins* are the origins whose pages may send feedback with a token, ``*`` for all; *link_hosts* the hosts
    that answers may link to, ``*.example.com`` for all below one. *feedback_daily_cap* is how many pieces of feedback
    pages may send in a day, in UTC. Runs are kept for so many days, and feedback from when something was said last.
    """

    feedback_origins: Sequence[str] = ()
    link_hosts: Sequence[str] = ()
    run_retention_days: int = 30
    feedback_retention_days: int = 365
    feedback_daily_cap: int = 10_000
    updated_at: datetime | None = None
    updated_by: str | None = None
    version: int = 0
    """Counts the changes, from 1; 0 is as the platform is configured."""
