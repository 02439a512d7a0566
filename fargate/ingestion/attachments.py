"""Files found inside a document: each becomes a document of its own, read by whoever may read the one that held it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress

from chalicelib.domain.access import Tenant
from chalicelib.domain.documents import Attachment, Document, DocumentStatus, DocumentVersion, Holder
from chalicelib.domain.identifiers import AttemptId, DocumentId, derived_id, ingest_job_of
from chalicelib.domain.jobs import ENDED, Job, JobKind, JobStatus, Progress
from chalicelib.errors import ConditionFailed
from chalicelib.ports.clock import Clock
from chalicelib.repositories import keys
from fargate.ingestion import messages
from fargate.ingestion.intake import Submission
from fargate.ingestion.stores import Stores

MAX_ATTACHMENTS = 100
MAX_DEPTH = 3
"""A letter in a letter in a letter: what is attached to that stays out."""


class Attachments:
    """Takes attachments in. Their ids follow from the attempt that found them, so doing it again changes nothing."""

    def __init__(self, stores: Stores, clock: Clock) -> None:
        self._stores = stores
        self._clock = clock

    def take_in(
        self, tenant: Tenant, holder: Document, attempt: AttemptId, found: Sequence[Attachment], *, created_by: str
    ) -> int:
        """Store and queue what *attempt* found in *holder*, as far as the limits go; give how many that is."""
        submissions = list(self._submissions(holder, attempt, found, created_by))
        for attachment, submission in zip(found, submissions, strict=False):
            self._store(tenant, submission, attachment.data)
            job = self._stores.jobs.get(tenant, submission.job.job_id)
            if job.status not in ENDED:
                messages.send(self._stores.queue, tenant, job)
        return len(submissions)

    def _submissions(
        self, holder: Document, attempt: AttemptId, found: Sequence[Attachment], created_by: str
    ) -> Iterator[Submission]:
        depth = holder.holder.depth + 1 if holder.holder else 1
        if depth > MAX_DEPTH:
            return
        for place, attachment in enumerate(found[:MAX_ATTACHMENTS]):
            yield self._compose(holder, Holder(holder.document_id, attempt, depth), place, attachment, created_by)

    def _compose(
        self, above: Document, holder: Holder, place: int, attachment: Attachment, created_by: str
    ) -> Submission:
        now = self._clock.now()
        own_attempt = AttemptId(derived_id("att", holder.attempt, str(place)))
        document = Document(
            document_id=DocumentId(derived_id("doc", holder.attempt, str(place))),
            index=above.index,
            name=attachment.name,
            media_type=attachment.media_type,
            status=DocumentStatus.PENDING,
            latest_version=1,
            size_bytes=len(attachment.data),
            created_at=now,
            updated_at=now,
            holder=holder,
            metadata=above.metadata,
            acl=above.acl,
            job_id=ingest_job_of(own_attempt),
        )
        version = DocumentVersion(
            document_id=document.document_id,
            number=1,
            attempt=own_attempt,
            size_bytes=document.size_bytes,
            sha256=hashlib.sha256(attachment.data).hexdigest(),
            media_type=attachment.media_type,
            name=attachment.name,
            created_at=now,
        )
        job = Job(
            job_id=ingest_job_of(own_attempt),
            kind=JobKind.INGEST,
            status=JobStatus.QUEUED,
            created_at=now,
            updated_at=now,
            index=above.index,
            document_id=document.document_id,
            document_version=1,
            progress=Progress(stage="queued"),
            created_by=created_by,
        )
        return Submission(document, version, job)

    def _store(self, tenant: Tenant, submission: Submission, data: bytes) -> None:
        document, version = submission.document, submission.version
        if document.document_id in self._stores.documents.batch_get(tenant, [document.document_id]):
            return  # done before, and perhaps deleted since: its bytes must not come back
        self._stores.blobs.put(keys.raw_blob(tenant, document.document_id, version.attempt), data)
        rows = self._stores.documents.adding(tenant, document, version)
        with suppress(ConditionFailed):  # another delivery of the same message was faster
            self._stores.table.write(*rows, self._stores.jobs.adding(tenant, submission.job))
