"""Changes of one tenant's books, gathered while the store is busy and done together."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from chalicelib.domain.access import Tenant
from chalicelib.domain.acting import act_for
from chalicelib.errors import ConditionFailed, Unavailable
from chalicelib.ports.clock import Clock
from chalicelib.repositories.ledger import Booked, Change, Hold, Ledger, weight
from fargate.gateway.planning import Chance

MAX_WEIGHT = 96
DEADLINE_S = 5.0
LONGEST_WAIT_S = 0.2
PATIENCE_S = 0.01
_FIRST_WAIT_S = 0.004

_Waiting = tuple[Change, asyncio.Future[Booked]]


@dataclass(slots=True)
class _Line:
    waiting: deque[_Waiting] = field(default_factory=deque)
    worker: asyncio.Task[None] | None = None
    timer: asyncio.TimerHandle | None = None

    def is_worked(self) -> bool:
        return self.worker is not None and not self.worker.done()


class GroupCommit:
    """
    Books changes without a race within this process: each tenant has one writer at a time, which takes along whatever
    has gathered meanwhile. Nobody waits for a settlement, so that it waits `PATIENCE_S` for a hold that takes it along,
    which spares a transaction. Other processes are met at the store's conditions; who loses tries again.
    """

    def __init__(self, ledger: Ledger, clock: Clock, chance: Chance = random.random) -> None:
        self._ledger = ledger
        self._clock = clock
        self._chance = chance
        self._lines: dict[Tenant, _Line] = {}

    def book(self, tenant: Tenant, change: Change) -> asyncio.Future[Booked]:
        """
        Give what will become of *change*; it is done even if nobody waits for it.

        It raises what the store raises, and `Unavailable` when others were quicker for `DEADLINE_S`.
        """
        line = self._lines.setdefault(tenant, _Line())
        future: asyncio.Future[Booked] = asyncio.get_running_loop().create_future()
        line.waiting.append((change, future))
        if isinstance(change, Hold):
            self._begin(tenant, line)
        elif line.timer is None and not line.is_worked():
            line.timer = asyncio.get_running_loop().call_later(PATIENCE_S, self._begin, tenant, line)
        return future

    async def idle(self) -> None:
        """Wait until nothing is left to be done."""
        while lines := list(self._lines.items()):
            await asyncio.gather(*(self._begin(tenant, line) for tenant, line in lines))

    def _begin(self, tenant: Tenant, line: _Line) -> asyncio.Task[None]:
        if line.timer is not None:
            line.timer.cancel()
            line.timer = None
        if line.worker is None or not line.is_worked():
            line.worker = asyncio.create_task(self._work(tenant, line))
        return line.worker

    async def _work(self, tenant: Tenant, line: _Line) -> None:
        act_for(tenant)  # whoever began this
        while line.waiting:
            batch = _next_batch(line.waiting)
            try:
                booked = await self._booked(tenant, [change for change, _ in batch])
            except Exception as error:  # noqa: BLE001 - whoever waits gets it
                _fail(batch, error)
            else:
                for (_, future), one in zip(batch, booked, strict=True):
                    if not future.done():
                        future.set_result(one)
        if self._lines.get(tenant) is line:
            del self._lines[tenant]

    async def _booked(self, tenant: Tenant, changes: Sequence[Change]) -> list[Booked]:
        deadline, wait_s = self._clock.monotonic() + DEADLINE_S, _FIRST_WAIT_S
        while True:
            try:
                return await asyncio.to_thread(self._ledger.book, tenant, changes)
            except ConditionFailed as lost:
                if self._clock.monotonic() > deadline:
                    raise Unavailable("The budgets are too busy; try again.") from lost
            await asyncio.sleep(wait_s * self._chance())
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)


def _next_batch(waiting: deque[_Waiting]) -> list[_Waiting]:
    batch, room = [], MAX_WEIGHT
    while waiting and (room := room - weight(waiting[0][0])) >= 0:
        batch.append(waiting.popleft())
    return batch


def _fail(batch: Sequence[_Waiting], error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
            future.exception()  # that nobody waits any more is no fault
