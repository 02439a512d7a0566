"""
The sweeper: finds and removes what nobody owns any more.

Crashes at the wrong moment leave orphans that no later step looks for: bytes stored just before their rows, vectors
written by a worker that was late and then died. A sweep looks through everything an index has and keeps what a
document's row accounts for. It can be done at any time, any number of times, beside all other work.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.domain.access import Tenant
from chalicelib.domain.acting import PLATFORM, act_for
from chalicelib.domain.documents import Document, DocumentStatus
from chalicelib.domain.identifiers import DocumentId, Entropy, JobId, attempt_of, first_of, new_id
from chalicelib.domain.indexes import Index
from chalicelib.domain.jobs import Job, JobKind, JobStatus
from chalicelib.domain.metadata import DOCUMENT_KEY
from chalicelib.errors import ConditionFailed, NotFound
from chalicelib.ports.blobs import BlobInfo, Bucket
from chalicelib.ports.clock import Clock
from chalicelib.ports.vectors import MAX_GET, VectorIndexName
from chalicelib.repositories import keys
from fargate.ingestion import messages
from fargate.ingestion.artefacts import Artefacts
from fargate.ingestion.stores import Stores
from fargate.ingestion.tracking import Tracker

SWEEP_EVERY_S = 24 * 3_600
GRACE_S = 3_600
"""Younger blobs are let be: their rows may be about to be written."""

SWEEPER = "sweeper"
"""Who asked for the sweeps that nobody asked for."""


@dataclass(frozen=True, slots=True)
class Sweeper:
    """Sweeps indexes, one job each."""

    stores: Stores
    clock: Clock
    entropy: Entropy = secrets.token_bytes

    def sweep(self, tenant: Tenant, job: Job) -> None:
        """Do a sweep; the job's result says how much was looked at and how much was removed."""
        assert job.index is not None
        tracker = Tracker(self.stores.jobs, self.clock, tenant, job)
        tracker.start("documents")
        documents, chunks = self._sweep_documents(tenant, job.index, tracker)
        vectors = sum(self._sweep_vectors(tenant, one) for one in self._generations(tenant, job.index))
        blobs = sum(self._sweep_blobs(tenant, job.index, bucket) for bucket in (Bucket.RAW, Bucket.CHUNKS))
        removed = {"chunks": chunks, "vectors": vectors, "blobs": blobs}
        tracker.succeed({"index": job.index, "documents": documents, "removed": removed}, documents)

    def begin_due(self) -> int:
        """Queue a sweep of every index that had none for a day; give how many. Several at once do it once."""
        with act_for(PLATFORM):
            owners = {keys.vector_index_owner(one) for one in self.stores.vectors.indexes()}
        begun = 0
        for tenant, name in owners:
            with act_for(tenant):
                begun += self._begin_if_due(tenant, name)
        return begun

    def job(self, index: str, created_by: str) -> Job:
        """Make the job of a sweep, to be stored and queued."""
        now = self.clock.now()
        job_id = JobId(new_id("job", now, self.entropy))
        return Job(job_id, JobKind.SWEEP, JobStatus.QUEUED, now, now, index=index, created_by=created_by)

    def _begin_if_due(self, tenant: Tenant, name: str) -> bool:
        now = self.clock.now()
        index = self.stores.indexes.find(tenant, name)
        if index is None or index.deleting or not _is_due(index, now):
            return False
        job = self.job(name, SWEEPER)
        try:
            self.stores.table.write(
                self.stores.indexes.sweeping(tenant, index, now), self.stores.jobs.adding(tenant, job)
            )
        except ConditionFailed:  # another worker begins it, or the index is changing
            return False
        messages.send(self.stores.queue, tenant, job)
        return True

    def _sweep_documents(self, tenant: Tenant, index: str, tracker: Tracker) -> tuple[int, int]:
        artefacts = Artefacts(self.stores, self.clock)
        documents = chunks = 0
        for documents, document in enumerate(self.stores.documents.all_of(tenant, index), start=1):
            chunks += artefacts.sweep(tenant, document.document_id)
            tracker.report("documents", documents, documents)
        return documents, chunks

    def _generations(self, tenant: Tenant, index: str) -> Sequence[VectorIndexName]:
        return self.stores.vectors.indexes(keys.vector_indexes(tenant, index))

    def _sweep_vectors(self, tenant: Tenant, physical: VectorIndexName) -> int:
        removed, cursor = 0, None
        with suppress(NotFound):  # the index was dropped meanwhile, with all that was in it
            while True:
                found, cursor = self.stores.vectors.list(physical, cursor=cursor)
                orphans = list(self._orphans(tenant, physical, found))
                self.stores.vectors.delete(physical, orphans)
                removed += len(orphans)
                if cursor is None:
                    break
        return removed

    def _orphans(self, tenant: Tenant, physical: VectorIndexName, found: Sequence[str]) -> Iterator[str]:
        """Give the keys of attempts that no document keeps. One vector of each attempt says whose it is."""
        of_attempt: dict[str, list[str]] = {}
        for key in found:
            of_attempt.setdefault(attempt_of(key), []).append(key)
        samples = [of_one[0] for of_one in of_attempt.values()]
        for start in range(0, len(samples), MAX_GET):
            for record in self.stores.vectors.get(physical, samples[start : start + MAX_GET]):
                owner = DocumentId(str(record.metadata[DOCUMENT_KEY]))
                if not self._keeps(tenant, owner, record.key):
                    yield from of_attempt[attempt_of(record.key)]

    def _keeps(self, tenant: Tenant, document_id: DocumentId, key: str) -> bool:
        document = self._living(tenant, document_id)
        if document is None:
            return False
        attempt = attempt_of(key)
        if document.published is not None and document.published.attempt == attempt:
            return True
        return Artefacts(self.stores, self.clock).keeps(tenant, document)(attempt)

    def _living(self, tenant: Tenant, document_id: DocumentId) -> Document | None:
        document = self.stores.documents.batch_get(tenant, [document_id]).get(document_id)
        return None if document is None or document.status is DocumentStatus.DELETED else document

    def _sweep_blobs(self, tenant: Tenant, index: str, bucket: Bucket) -> int:
        oldest_to_keep = self.clock.now() - timedelta(seconds=GRACE_S)
        orphans = [
            info.key
            for info in self.stores.blobs.list(bucket, keys.blobs_of_tenant(tenant))
            if info.modified_at < oldest_to_keep and self._is_orphan(tenant, index, info)
        ]
        self.stores.blobs.delete(orphans)
        return len(orphans)

    def _is_orphan(self, tenant: Tenant, index: str, info: BlobInfo) -> bool:
        try:
            _, document_id, attempt = keys.blob_owner(info.key)
        except ValueError:  # no document's
            return False
        document = self._living(tenant, document_id)
        if document is None:
            return True
        if document.index != index:
            return False
        if info.key.bucket is Bucket.CHUNKS:
            return not Artefacts(self.stores, self.clock).keeps(tenant, document)(attempt)
        versions = self.stores.documents.versions(tenant, document_id)
        return attempt not in {first_of(version.attempt) for version in versions}


def _is_due(index: Index, now: datetime) -> bool:
    return (index.swept_at or index.created_at) <= now - timedelta(seconds=SWEEP_EVERY_S)
