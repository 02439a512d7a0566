"""
Batches: one job that hands the lines of a manifest out to children, a bounded number ahead, and counts what becomes
of them.

It goes on in turns, each begun by a message of its own. A turn reads the batch's row, looks at the children that were
open, hands out some more lines, and writes the row again, with the next turn's number, if nobody else has. So whatever
happens twice is counted once, and a turn that was lost is begun again by its message.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from chalicelib.domain.access import Tenant
from chalicelib.domain.batches import MAX_FAILURES_SHOWN, Batch, Failure
from chalicelib.domain.documents import Rejection
from chalicelib.domain.identifiers import Entropy, JobId
from chalicelib.domain.jobs import ENDED, Job, JobStatus, Progress
from chalicelib.errors import ConditionFailed, Conflict, DocumentRejected
from chalicelib.ports.clock import Clock
from chalicelib.repositories import keys
from chalicelib.repositories.jobs import UPDATE_TRIES
from fargate.ingestion import messages
from fargate.ingestion.children import Children
from fargate.ingestion.control import Control
from fargate.ingestion.manifests import Line, lines_of, prepare
from fargate.ingestion.standing import CANCELLED
from fargate.ingestion.stores import Stores
from fargate.ingestion.tracking import is_to_be_done

_MAX_DETAIL = 300
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 4.0
_INDEX_GONE = Rejection("deleted", "The index was deleted before the batch was done.")


@dataclass(frozen=True, slots=True)
class Window:
    """How many children may be open, and how many lines, of how many bytes, a turn hands out."""

    children: int = 500
    lines: int = 100
    line_bytes: int = 16 * 1024 * 1024


class Batches:
    """Carries batches on."""

    def __init__(
        self, stores: Stores, clock: Clock, entropy: Entropy = secrets.token_bytes, window: Window = Window()
    ) -> None:
        self._stores = stores
        self._clock = clock
        self._window = window
        self._children = Children(stores, clock, entropy)
        self._control = Control(stores, clock, entropy)

    def advance(self, tenant: Tenant, job_id: JobId, turn: int, *, redelivered: bool) -> None:
        """
        Do one turn of a batch, and queue the next one unless it has ended.

        A message of the turn before is out of date, but one that comes again may have died between writing its turn
        down and queueing the next.
        """
        for _ in range(UPDATE_TRIES):
            job = self._stores.jobs.get(tenant, job_id)
            reached = _batch(job).turn
            if not is_to_be_done(job):
                self.clear(tenant, job)
                return
            if reached != turn:
                if redelivered and reached == turn + 1:
                    self._queue(tenant, job)
                return
            after = self._turn(tenant, job)
            with suppress(ConditionFailed):  # it was cancelled meanwhile, or this message is done twice
                self._stores.table.write(self._stores.jobs.replacing(tenant, after))
                if after.status not in ENDED:
                    self._queue(tenant, after)
                return
        raise Conflict(f"Batch {job_id} changed {UPDATE_TRIES} times during one turn.")

    def clear(self, tenant: Tenant, job: Job) -> None:
        """Remove the manifest of a batch that has ended: a turn may have copied it while it was being cancelled."""
        self._stores.blobs.delete([keys.manifest_blob(tenant, job.job_id)])

    def _queue(self, tenant: Tenant, job: Job) -> None:
        idle = _batch(job).idle
        pause_s = min(_FIRST_PAUSE_S * 2 ** min(idle - 1, 8), _LONGEST_PAUSE_S) if idle else 0
        messages.send(self._stores.queue, tenant, job, delay_s=pause_s)

    def _turn(self, tenant: Tenant, job: Job) -> Job:
        """Give the job as it is after one turn."""
        batch = _batch(job)
        index = self._stores.indexes.find(tenant, job.index or "")
        if index is None or index.deleting or index.created_at != batch.index_made_at:
            return self._ended(tenant, job, batch, JobStatus.CANCELLED, _INDEX_GONE)
        if batch.lines is None:
            return self._begun(tenant, job, batch)
        after = self._advanced(tenant, job, batch)
        # That all was handed out is written down before the manifest goes: a turn that is done again may need it.
        if after.open or after.again is not None or not batch.exhausted:
            return self._going_on(job, after)
        if job.cancelling:
            return self._ended(tenant, job, after, JobStatus.CANCELLED, CANCELLED)
        return self._ended(tenant, job, after, JobStatus.SUCCEEDED, None)

    def _begun(self, tenant: Tenant, job: Job, batch: Batch) -> Job:
        try:
            lines = prepare(self._stores.blobs, tenant, job)
        except DocumentRejected as rejected:
            why = Rejection(rejected.reason, rejected.detail)
            return self._ended(tenant, job, batch, JobStatus.FAILED, why)
        return self._going_on(job, replace(batch, lines=lines, began_at=self._clock.now()))

    def _advanced(self, tenant: Tenant, job: Job, batch: Batch) -> Batch:
        """Give the batch after a look at its open children, and after handing out what there is room for."""
        children = self._children.of(tenant, job, batch.open)
        batch = _counted(replace(batch, open=()), children.values())
        if job.cancelling:
            return self._cancelled(tenant, job, batch, children)
        if batch.again is not None:
            return self._looked_again(tenant, job, batch, batch.again)
        return batch if batch.exhausted else self._handed_out(tenant, job, batch)

    def _cancelled(self, tenant: Tenant, job: Job, batch: Batch, children: Mapping[int, Job]) -> Batch:
        """Let all open children end, with those that a turn made which the cancellation forestalled."""
        unknown = [] if batch.exhausted else list(self._made_ahead(tenant, job, batch))
        for child in (*children.values(), *unknown):
            if child.status not in ENDED:
                with suppress(Conflict):  # it has ended meanwhile, or is about to
                    self._control.cancel(tenant, child.job_id)
        line = max([batch.line, *(child.line or 0 for child in unknown)])
        return _counted(replace(batch, line=line, exhausted=True, again=None), unknown)

    def _made_ahead(self, tenant: Tenant, job: Job, batch: Batch) -> Iterator[Job]:
        for line in self._lines(tenant, job, batch):
            child = self._children.of(tenant, job, [line.number]).get(line.number)
            if child is None:
                return
            yield child

    def _handed_out(self, tenant: Tenant, job: Job, batch: Batch) -> Batch:
        line, offset, room, children = batch.line, batch.offset, self._room(batch), list[Job]()
        for each in self._lines(tenant, job, batch):
            if len(children) >= room or offset - batch.offset >= self._window.line_bytes:
                return _counted(replace(batch, line=line, offset=offset), children)
            children.append(self._children.make(tenant, job, each))
            line, offset = each.number, each.end
        return _counted(replace(batch, line=line, offset=offset, exhausted=True), children)

    def _lines(self, tenant: Tenant, job: Job, batch: Batch) -> Iterator[Line]:
        """Give the lines that were not handed out."""
        own = keys.manifest_blob(tenant, job.job_id)
        return lines_of(self._stores.blobs, own, number=batch.line, offset=batch.offset)

    def _looked_again(self, tenant: Tenant, job: Job, batch: Batch, again: int) -> Batch:
        """Let children that failed start anew, if they can, and count the others anew."""
        reached = min(again + self._room(batch), batch.line)
        children = self._children.of(tenant, job, range(again + 1, reached + 1))
        for number, child in children.items():
            if child.status in {JobStatus.FAILED, JobStatus.CANCELLED}:
                with suppress(Conflict):  # for a reason that it shows itself
                    children[number] = self._control.retry(tenant, child.job_id)
        after = _counted(batch, children.values())
        return replace(after, again=None if reached >= batch.line else reached)

    def _room(self, batch: Batch) -> int:
        """Say how many lines a turn may go on by."""
        return max(0, min(self._window.children - len(batch.open), self._window.lines))

    def _going_on(self, job: Job, batch: Batch) -> Job:
        return replace(
            job,
            status=JobStatus.RUNNING,
            error=None,
            progress=self._progress(batch),
            batch=replace(batch, turn=batch.turn + 1, idle=self._idle(_batch(job), batch)),
            recoveries=0,
            updated_at=self._clock.now(),
        )

    def _idle(self, before: Batch, after: Batch) -> int:
        """Say how long the next turn can wait: not at all while there are lines and room for them."""
        if replace(before, open=after.open) == after:
            return before.idle + 1
        more = not after.exhausted or after.again is not None
        return 0 if (more and self._room(after)) or not after.open else 1

    def _progress(self, batch: Batch) -> Progress:
        total = batch.lines or 0
        elapsed_s = (self._clock.now() - batch.began_at).total_seconds() if batch.began_at else 0
        rate = batch.ended / elapsed_s if batch.ended and elapsed_s > 0 else None
        stage = "retrying" if batch.again is not None else "ingesting"
        return Progress(batch.ended, total, stage, rate, (total - batch.ended) / rate if rate else None)

    def _ended(self, tenant: Tenant, job: Job, batch: Batch, status: JobStatus, why: Rejection | None) -> Job:
        # Before the row is written: a manifest that is left over holds text that nobody would remove.
        self.clear(tenant, job)
        return replace(
            job,
            status=status,
            error=why,
            progress=Progress(batch.ended, batch.lines or 0, "done" if status is JobStatus.SUCCEEDED else status.value),
            result={"index": job.index, **batch.outcome()},
            batch=replace(batch, turn=batch.turn + 1, exhausted=True, again=None),
            updated_at=self._clock.now(),
        )


def _counted(batch: Batch, children: Collection[Job]) -> Batch:
    """Give the batch with *children* beside those it has: open, or counted by how they ended."""
    ended = [child.status for child in children]
    lines = [child.line for child in children if child.status not in ENDED and child.line is not None]
    failures = [_failure(child) for child in children if child.status is JobStatus.FAILED]
    return replace(
        batch,
        open=(*batch.open, *lines),
        succeeded=batch.succeeded + ended.count(JobStatus.SUCCEEDED),
        failed=batch.failed + ended.count(JobStatus.FAILED),
        cancelled=batch.cancelled + ended.count(JobStatus.CANCELLED),
        failures=(*batch.failures, *failures)[:MAX_FAILURES_SHOWN],
    )


def _failure(child: Job) -> Failure:
    why = child.error or Rejection("internal", "")
    return Failure(child.line or 0, child.job_id, child.document_id, why.code, why.detail[:_MAX_DETAIL])


def _batch(job: Job) -> Batch:
    assert job.batch is not None
    return job.batch
