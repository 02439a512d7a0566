"""The queue worker of ingestion: several documents at once, each message until it is done or given back."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from chalicelib.domain.access import Tenant
from chalicelib.domain.acting import act_for
from chalicelib.domain.documents import Rejection
from chalicelib.domain.identifiers import JobId
from chalicelib.domain.jobs import Job, JobKind
from chalicelib.errors import Conflict, NotFound, RagError
from chalicelib.observability.logs import get_logger
from chalicelib.observability.spans import start_trace
from chalicelib.ports.blobs import BlobKey
from chalicelib.ports.clock import Clock
from chalicelib.ports.queue import MAX_DELAY_S, MAX_DELIVERIES, MAX_RECEIVE, Delivery, QueueName
from fargate.ingestion import messages
from fargate.ingestion.batches import Batches
from fargate.ingestion.changes import retag
from fargate.ingestion.deletion import Deletion
from fargate.ingestion.imports import take_over
from fargate.ingestion.pipeline import EMBEDDED_AT_ONCE, Pipeline
from fargate.ingestion.recovery import Recovery
from fargate.ingestion.stores import Stores
from fargate.ingestion.sweeping import Sweeper
from fargate.ingestion.tools import Tools
from fargate.ingestion.tracking import INTERNAL, Tracker, is_to_be_done
from fargate.ingestion.uploads import queue_arrived

_log = get_logger(__name__)
_FAILED = Rejection(INTERNAL, "Something failed that is no fault of the document; its operator finds it in the log.")


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """
    How a worker works.

    A message that failed comes back after ``retry_s``, and four times as long after each further failure, give or
    take a half: with five deliveries, an outage of some six minutes is sat out.
    """

    concurrency: int = 8
    lease_s: float = 60
    poll_s: float = 0.1
    grace_s: float = 20
    retry_s: float = 4
    recover_every_s: float = 300
    sweeps_begun_every_s: float = 3_600
    uploads_begun_every_s: float = 5
    embedded_at_once: int = EMBEDDED_AT_ONCE
    chance: random.Random = field(default_factory=random.Random)


class IngestionWorker:
    """Takes messages, leads each to the pipeline or to deletion, and answers for it to the queue."""

    def __init__(self, stores: Stores, tools: Tools, clock: Clock, options: WorkerOptions | None = None) -> None:
        self._stores = stores
        self._clock = clock
        self._options = options or WorkerOptions()
        self._pipeline = Pipeline(stores, tools, clock, embedded_at_once=self._options.embedded_at_once)
        self._deletion = Deletion(stores, clock)
        self._recovery = Recovery(stores, self._pipeline, clock)
        self._sweeper = Sweeper(stores, clock)
        self._batches = Batches(stores, clock)
        self._in_flight: dict[asyncio.Task[None], Delivery] = {}

    async def run(self, stop: asyncio.Event, *, looks_for_uploads: bool = False) -> None:
        """
        Work until *stop* is set, then finish what is in hand, or give it back after ``grace_s``.

        It *looks for uploads* where nothing tells it of them, as S3's events do.

        Whatever fails is logged and tried again; this ends by *stop* or cancellation only.
        """
        stopped = asyncio.create_task(_until(stop))
        options = self._options
        aside = [
            asyncio.create_task(self._keep_leases()),
            asyncio.create_task(_keep_doing(self.recover, options.recover_every_s, "recovery_failed")),
            asyncio.create_task(_keep_doing(self.begin_sweeps, options.sweeps_begun_every_s, "sweeps_not_begun")),
        ]
        if looks_for_uploads:
            looking = _keep_doing(self.begin_uploads, options.uploads_begun_every_s, "uploads_not_begun")
            aside.append(asyncio.create_task(looking))
        try:
            while not stop.is_set():
                received = await self._take_in()
                await self._pause(stopped, idle=not received)
        finally:
            await self._wind_down()
            for task in (stopped, *aside):
                task.cancel()

    async def handle(self, delivery: Delivery) -> None:
        """Do what one message asks, and answer the queue: acknowledged, or given back for later."""
        start_trace(messages.trace_of(delivery.body))
        try:
            await self._do(delivery)
            await asyncio.to_thread(self._stores.queue.ack, QueueName.INGESTION, delivery.receipt)
        except Exception:  # noqa: BLE001 - the rim: no message, whatever is in it, may end the worker
            _log.exception("message_failed", message_id=delivery.message_id, attempt=delivery.attempt)
            await asyncio.to_thread(self._give_back, delivery)

    async def recover(self) -> int:
        """See `Recovery.recover`."""
        return await asyncio.to_thread(self._recovery.recover)

    async def begin_uploads(self) -> int:
        """See `Recovery.begin_uploads`."""
        return await asyncio.to_thread(self._recovery.begin_uploads)

    async def begin_sweeps(self) -> int:
        """See `Sweeper.begin_due`."""
        return await asyncio.to_thread(self._sweeper.begin_due)

    async def _do(self, delivery: Delivery) -> None:
        blob = messages.arrived(delivery.body)
        if blob is not None:
            await asyncio.to_thread(self._note_arrived, blob)
            return
        tenant, job_id = messages.read(delivery.body)
        with act_for(tenant):
            await self._do_job(tenant, job_id, delivery)

    async def _do_job(self, tenant: Tenant, job_id: JobId, delivery: Delivery) -> None:
        job = await asyncio.to_thread(self._stores.jobs.get, tenant, job_id)
        if not is_to_be_done(job):
            if job.batch is not None:
                await asyncio.to_thread(self._batches.clear, tenant, job)
            return
        match job.kind:
            case JobKind.INGEST:
                await self._ingest(tenant, job)
            case JobKind.DELETE:
                await asyncio.to_thread(self._deletion.delete_document, tenant, job)
            case JobKind.DELETE_INDEX:
                await asyncio.to_thread(self._deletion.delete_index, tenant, job)
            case JobKind.SWEEP:
                await asyncio.to_thread(self._sweeper.sweep, tenant, job)
            case JobKind.RETAG:
                await asyncio.to_thread(retag, self._stores, self._clock, tenant, job)
            case JobKind.BATCH:
                turn, redelivered = messages.turn_of(delivery.body), delivery.attempt > 1
                await asyncio.to_thread(self._batches.advance, tenant, job_id, turn, redelivered=redelivered)

    def _note_arrived(self, blob: BlobKey) -> None:
        with suppress(NotFound):  # S3 tells of every blob, those of inline documents and of deleted ones too
            queue_arrived(self._stores, self._clock, blob)

    async def _ingest(self, tenant: Tenant, job: Job) -> None:
        unusable = await asyncio.to_thread(take_over, self._stores, tenant, job) if job.source else None
        if unusable is None:
            await self._pipeline.run(tenant, job)
        else:
            await asyncio.to_thread(self._pipeline.fail, tenant, job, unusable)

    def _give_back(self, delivery: Delivery) -> None:
        """Let the message come again later; after the last time say on the job that it failed."""
        try:
            if delivery.attempt >= MAX_DELIVERIES:
                self._record_failure(delivery)
            self._stores.queue.release(QueueName.INGESTION, delivery.receipt, delay_s=self._delay_s(delivery.attempt))
        except Exception:  # noqa: BLE001 - the rim: the lease will run out by itself, and `Recovery` finds the job
            _log.exception("message_not_given_back", message_id=delivery.message_id)

    def _record_failure(self, delivery: Delivery) -> None:
        with suppress(ValueError):  # a message that names no job
            tenant, job_id = messages.read(delivery.body)
            with act_for(tenant):
                self._fail(tenant, self._stores.jobs.get(tenant, job_id))

    def _fail(self, tenant: Tenant, job: Job) -> None:
        if job.kind is JobKind.INGEST:
            self._pipeline.fail(tenant, job, _FAILED)
        else:
            Tracker(self._stores.jobs, self._clock, tenant, job).fail(_FAILED)

    def _delay_s(self, attempt: int) -> float:
        if attempt >= MAX_DELIVERIES:
            return 0  # it goes to the dead letters
        delay_s = self._options.retry_s * float(4 ** (attempt - 1)) * self._options.chance.uniform(0.5, 1.5)
        return min(delay_s, MAX_DELAY_S)

    async def _take_in(self) -> int:
        """Receive as many messages as there is room for, and begin with them; give how many."""
        room = min(self._options.concurrency - len(self._in_flight), MAX_RECEIVE)
        deliveries = await self._receive(room) if room > 0 else ()
        for delivery in deliveries:
            task = asyncio.create_task(self.handle(delivery))
            self._in_flight[task] = delivery
            task.add_done_callback(self._in_flight.pop)
        return len(deliveries)

    async def _receive(self, limit: int) -> Sequence[Delivery]:
        queue, lease_s = self._stores.queue, self._options.lease_s
        try:
            return await asyncio.to_thread(queue.receive, QueueName.INGESTION, limit=limit, lease_s=lease_s)
        except RagError:
            _log.exception("queue_not_read")
            return ()

    async def _pause(self, stopped: asyncio.Task[None], *, idle: bool) -> None:
        """Wait until there is room again, or something may have come."""
        full = len(self._in_flight) >= self._options.concurrency
        if full:
            await asyncio.wait([stopped, *self._in_flight], return_when=asyncio.FIRST_COMPLETED)
        elif idle:
            await asyncio.wait([stopped], timeout=self._options.poll_s)

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(self._options.lease_s / 3)
            for task, delivery in list(self._in_flight.items()):
                await self._extend(task, delivery)

    async def _extend(self, task: asyncio.Task[None], delivery: Delivery) -> None:
        queue, lease_s = self._stores.queue, self._options.lease_s
        try:
            await asyncio.to_thread(queue.extend, QueueName.INGESTION, delivery.receipt, lease_s)
        except Conflict:
            # Another worker may have it by now. It makes the same names, so nothing is taken away here.
            if task.cancel():
                _log.warning("lease_lost", message_id=delivery.message_id)
        except RagError:
            _log.exception("lease_not_extended", message_id=delivery.message_id)

    async def _wind_down(self) -> None:
        if not self._in_flight:
            return
        _, late = await asyncio.wait(list(self._in_flight), timeout=self._options.grace_s)
        receipts = [self._in_flight[task].receipt for task in late]
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        for receipt in receipts:
            with suppress(RagError):  # then its lease runs out
                await asyncio.to_thread(self._stores.queue.release, QueueName.INGESTION, receipt)


async def _keep_doing(act: Callable[[], Awaitable[object]], every_s: float, failure: str) -> None:
    while True:
        try:
            await act()
        except Exception:  # noqa: BLE001 - the rim: what could not be looked through now is looked through next time
            _log.exception(failure)
        await asyncio.sleep(every_s)


async def _until(stop: asyncio.Event) -> None:
    await stop.wait()
