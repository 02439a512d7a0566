"""How documents and indexes end: hidden at once by a tombstone, then taken apart, with a receipt."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from chalicelib.domain.access import Tenant
from chalicelib.domain.indexes import Index
from chalicelib.domain.jobs import Job
from chalicelib.errors import ConditionFailed
from chalicelib.ports.clock import Clock
from chalicelib.repositories import keys
from fargate.ingestion import imports
from fargate.ingestion.artefacts import Artefacts
from fargate.ingestion.burial import bury
from fargate.ingestion.stores import Stores
from fargate.ingestion.tracking import Tracker


class Deletion:
    """Does the jobs that remove documents and indexes; each can be done again from the start."""

    def __init__(self, stores: Stores, clock: Clock) -> None:
        self._stores = stores
        self._clock = clock
        self._artefacts = Artefacts(stores, clock)

    def delete_document(self, tenant: Tenant, job: Job) -> None:
        """Remove everything that was made of a document whose tombstone stands; the job's result is the receipt."""
        assert job.document_id is not None
        tracker = Tracker(self._stores.jobs, self._clock, tenant, job)
        receipt = job.result or self._receipt(tenant, job)
        # Written down before anything is removed: a worker that takes over would find less to count.
        tracker.start("deleting", result=receipt)
        self._artefacts.erase(tenant, self._stores.documents.get(tenant, job.document_id))
        tracker.succeed(receipt, 1)

    def delete_index(self, tenant: Tenant, job: Job) -> None:
        """Remove all documents of an index that is hidden, then the index itself."""
        assert job.index is not None
        tracker = Tracker(self._stores.jobs, self._clock, tenant, job)
        tracker.start("deleting")
        index = self._stores.indexes.find(tenant, job.index)
        if index is not None and index.job_id == job.job_id:
            self._delete_documents(tenant, index, tracker)
            imports.clear(self._stores, tenant, index.name)
            self._drop(tenant, job)
        documents = self._deleted_by(tenant, job)
        tracker.succeed({"index": job.index, "documents": documents}, documents)

    def _receipt(self, tenant: Tenant, job: Job) -> Mapping[str, Any]:
        assert job.document_id is not None
        return {"document_id": job.document_id, **asdict(self._artefacts.holdings(tenant, job.document_id))}

    def _delete_documents(self, tenant: Tenant, index: Index, tracker: Tracker) -> None:
        # The list may lag behind a submission that came just before the index was hidden; such a document is
        # deleted by its own ingestion, which finds the index gone.
        for done, document in enumerate(self._stores.documents.all_of(tenant, index.name), start=1):
            dead = bury(self._stores, tenant, document.document_id, at=self._clock.now(), job_id=index.job_id)
            self._artefacts.erase(tenant, dead)
            tracker.report("deleting", done, done)

    def _drop(self, tenant: Tenant, job: Job) -> None:
        assert job.index is not None
        index = self._stores.indexes.find(tenant, job.index)
        if index is None or index.job_id != job.job_id:
            return  # another delivery was faster; what bears the name now is a new index
        for physical in self._stores.vectors.indexes(keys.vector_indexes(tenant, index.name)):
            self._stores.vectors.drop(physical)
        with suppress(ConditionFailed):
            self._stores.indexes.remove(tenant, index)

    def _deleted_by(self, tenant: Tenant, job: Job) -> int:
        assert job.index is not None
        return sum(1 for document in self._stores.documents.all_of(tenant, job.index) if document.job_id == job.job_id)
