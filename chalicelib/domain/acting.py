"""
For whom the task at hand works: one tenant, or the platform itself.

It is said where an identity is verified or a message is read, and the stores hold every call to it
(`adapters.tenant_bound`): whatever key the code in between makes, a task gets nothing of another tenant.
"""

from __future__ import annotations

from contextvars import ContextVar
from enum import Enum
from types import TracebackType

from chalicelib.domain.access import Tenant


class Everyone(Enum):
    """What stands in a tenant's place for work over all tenants: reading API keys, looking for jobs that are due."""

    PLATFORM = "platform"


PLATFORM = Everyone.PLATFORM
_acting: ContextVar[Tenant | Everyone | None] = ContextVar("ragstone_acting", default=None)


class UndeclaredTask(RuntimeError):
    """A task that has not said for whom it works asked a store; a fault of the platform's own code."""


def act_for(whom: Tenant | Everyone) -> _Acting:
    """
    Let this task work for *whom* from now on, or to the end of a ``with act_for(…)``.

    Tasks and `asyncio.to_thread` calls begun meanwhile inherit it.
    """
    before = _acting.get()
    _acting.set(whom)
    return _Acting(before)


def acting_for() -> Tenant | Everyone:
    """Say for whom this task works. Raises `UndeclaredTask` where nobody said."""
    whom = _acting.get()
    if whom is None:
        raise UndeclaredTask("Say for whom this task works (act_for) before it asks a store.")
    return whom


class _Acting:
    """Lets the task work for whom it did before, at the end of a ``with``."""

    __slots__ = ("_before",)

    def __init__(self, before: Tenant | Everyone | None) -> None:
        self._before = before

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, place: TracebackType | None
    ) -> None:
        _acting.set(self._before)
