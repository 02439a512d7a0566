"""How much may be asked at once and in a minute, and who goes next. Pure; time comes in."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from dataclasses import dataclass
from enum import Enum

from chalicelib.domain.access import Tenant

MINUTE_S = 60


class Window:
    """What was done in the last minute, of which there may be *limit*; counted by the second."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._seconds: deque[list[int]] = deque()
        self._used = 0

    def wait_s(self, now: float, amount: int = 1) -> float:
        """Say how long to wait until *amount* fits, 0 if it does. More than the limit fits into an empty minute."""
        self._forget(now)
        excess, until = self._used + amount - self.limit, now
        for second, used in self._seconds:
            if excess <= 0:
                break
            excess, until = excess - used, second + MINUTE_S + 1
        return until - now

    def add(self, now: float, amount: int = 1) -> None:
        """Count *amount*."""
        if not self._seconds or self._seconds[-1][0] < int(now):
            self._seconds.append([int(now), 0])
        self._seconds[-1][1] += amount
        self._used += amount

    def correct(self, then: float, amount: int) -> None:
        """Count *amount* more (or less, if negative) of what was added *then*, unless that is over."""
        for slot in self._seconds:
            if slot[0] == int(then):
                slot[1] += amount
                self._used += amount

    def _forget(self, now: float) -> None:
        while self._seconds and self._seconds[0][0] + MINUTE_S + 1 <= now:
            self._used -= self._seconds.popleft()[1]


@dataclass(frozen=True, slots=True)
class Concurrency:
    """Upstream calls at once: in *total*, *per_tenant* and *per_subject*; and how many of a tenant may be *waiting*."""

    total: int
    per_tenant: int
    per_subject: int
    waiting: int


@dataclass(frozen=True, slots=True, eq=False)
class Ticket:
    """One call at the `Turnstile`; *subject* is the API key or user who makes it."""

    tenant: Tenant
    subject: str


class Admission(Enum):
    """What the `Turnstile` says."""

    NOW = "now"
    LATER = "later"
    FULL = "full"


class Turnstile:
    """
    Lets calls through while there is room, tenants by turns.

    Within a tenant, who came first goes first, but for those whose subject is at its own limit.
    """

    def __init__(self, limits: Concurrency) -> None:
        self._limits = limits
        self._inside: Counter[Tenant] = Counter()
        self._of_subject: Counter[tuple[Tenant, str]] = Counter()
        self._waiting: OrderedDict[Tenant, deque[Ticket]] = OrderedDict()

    def enter(self, ticket: Ticket) -> Admission:
        """Say whether *ticket* is through, waits (until `leave` gives it), or cannot even do that."""
        if self._has_room(ticket):  # whoever waits meanwhile has not
            self._count(ticket, 1)
            return Admission.NOW
        if len(self._waiting.get(ticket.tenant, ())) >= self._limits.waiting:
            return Admission.FULL
        self._waiting.setdefault(ticket.tenant, deque()).append(ticket)
        return Admission.LATER

    def leave(self, ticket: Ticket) -> list[Ticket]:
        """Take *ticket* out again, and give those who are through now."""
        self._count(ticket, -1)
        through = []
        while (one := self._next()) is not None:
            self._count(one, 1)
            through.append(one)
        return through

    def give_up(self, ticket: Ticket) -> None:
        """Forget one that waits."""
        line = self._waiting[ticket.tenant]
        line.remove(ticket)
        if not line:
            del self._waiting[ticket.tenant]

    def _next(self) -> Ticket | None:
        for tenant, line in self._waiting.items():
            for ticket in line:
                if self._has_room(ticket):
                    self.give_up(ticket)
                    if tenant in self._waiting:
                        self._waiting.move_to_end(tenant)
                    return ticket
        return None

    def _has_room(self, ticket: Ticket) -> bool:
        limits, subject = self._limits, (ticket.tenant, ticket.subject)
        return (
            self._inside.total() < limits.total
            and self._inside[ticket.tenant] < limits.per_tenant
            and self._of_subject[subject] < limits.per_subject
        )

    def _count(self, ticket: Ticket, change: int) -> None:
        subject = (ticket.tenant, ticket.subject)
        self._inside[ticket.tenant] += change
        self._of_subject[subject] += change
        if not self._inside[ticket.tenant]:
            del self._inside[ticket.tenant]
        if not self._of_subject[subject]:
            del self._of_subject[subject]
