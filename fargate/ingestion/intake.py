"""How a submission becomes a document's next version: bytes first, then every row of it in one write."""

from __future__ import annotations

import hashlib
import secrets
from contextlib import suppress
from dataclasses import dataclass

from chalicelib.contracts.documents import DocumentFields
from chalicelib.domain.access import Principal, Tenant
from chalicelib.domain.documents import Document, DocumentStatus, DocumentVersion
from chalicelib.domain.identifiers import AttemptId, DocumentId, Entropy, JobId, derived_id, ingest_job_of, new_id
from chalicelib.domain.jobs import Job, JobKind, JobStatus, Progress
from chalicelib.errors import ConditionFailed, Conflict
from chalicelib.ports.clock import Clock
from chalicelib.repositories import keys
from chalicelib.repositories.documents import UPDATE_TRIES
from fargate.ingestion.stores import Stores

AWAITING_UPLOAD = "awaiting_upload"
"""The stage of a job whose bytes have not arrived."""


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a submission: *data*, or None when they will be uploaded."""

    size_bytes: int
    sha256: str | None
    data: bytes | None = None

    @classmethod
    def of(cls, data: bytes) -> Content:
        """Describe bytes that are here."""
        return cls(len(data), hashlib.sha256(data).hexdigest(), data)


@dataclass(frozen=True, slots=True)
class Submission:
    """The rows of one submission."""

    document: Document
    version: DocumentVersion
    job: Job


@dataclass(frozen=True, slots=True)
class Child:
    """Which line of which batch a submission is, and where its bytes lie if they are not in the line."""

    parent_id: JobId
    line: int
    source: str | None = None

    @property
    def attempt(self) -> AttemptId:
        """Name the attempt at it, the same every time."""
        return AttemptId(derived_id("att", self.parent_id, str(self.line)))


class Intake:
    """Records submissions; what is recorded here survives everything."""

    def __init__(self, stores: Stores, clock: Clock, entropy: Entropy = secrets.token_bytes) -> None:
        self._stores = stores
        self._clock = clock
        self._entropy = entropy

    def accept(self, principal: Principal, index: str, fields: DocumentFields, content: Content) -> Submission:
        """
        Store the next version of the document of *index* that bears the external id of *fields*, or a new document.

        Name, metadata and access list of *fields* hold at once, whichever version is published. Of several
        submissions of one external id at the same time each becomes a version of its own.
        """
        for _ in range(UPDATE_TRIES):
            submission = self._compose(principal, index, fields, content)
            raw = keys.raw_blob(principal.tenant, submission.document.document_id, submission.version.attempt)
            if content.data is not None:
                self._stores.blobs.put(raw, content.data)
            try:
                self._write(principal.tenant, submission)
            except ConditionFailed:
                # Another submission of the same external id, or the document's deletion, came first.
                self._stores.blobs.delete([raw])
            else:
                return submission
        raise Conflict(f"Document {fields.external_id!r} changed {UPDATE_TRIES} times meanwhile; try again.")

    def accept_child(
        self, principal: Principal, index: str, fields: DocumentFields, content: Content, child: Child
    ) -> Job:
        """Do the same for a line of a batch, once however often it is asked for; give its job."""
        for _ in range(UPDATE_TRIES):
            known = self._stores.jobs.find(principal.tenant, ingest_job_of(child.attempt))
            if known is not None:
                return known
            submission = self._compose(principal, index, fields, content, child)
            raw = keys.raw_blob(principal.tenant, submission.document.document_id, submission.version.attempt)
            if content.data is not None:
                self._stores.blobs.put(raw, content.data)
            with suppress(ConditionFailed):  # it may be that another delivery was faster, so the bytes stay
                self._write(principal.tenant, submission)
                return submission.job
        raise Conflict(f"Document {fields.external_id!r} changed {UPDATE_TRIES} times meanwhile; try again.")

    def _compose(
        self,
        principal: Principal,
        index: str,
        fields: DocumentFields,
        content: Content,
        child: Child | None = None,
    ) -> Submission:
        now = self._clock.now()
        attempt = child.attempt if child else AttemptId(new_id("att", now, self._entropy))
        job_id = ingest_job_of(attempt)
        waits = content.data is None and (child is None or child.source is None)
        before = self._bearer(principal.tenant, index, fields.external_id)
        document = Document(
            document_id=before.document_id if before else DocumentId(derived_id("doc", attempt)),
            index=index,
            name=fields.name,
            media_type=fields.media_type,
            status=DocumentStatus.PENDING,
            latest_version=before.latest_version + 1 if before else 1,
            size_bytes=content.size_bytes,
            created_at=before.created_at if before else now,
            updated_at=now,
            external_id=fields.external_id,
            metadata=fields.metadata,
            acl=tuple(fields.acl),
            published=before.published if before else None,
            job_id=job_id,
            abandoned=before.abandoned if before else {},
            version=before.version if before else 0,
        )
        version = DocumentVersion(
            document_id=document.document_id,
            number=document.latest_version,
            attempt=attempt,
            size_bytes=content.size_bytes,
            sha256=content.sha256,
            media_type=fields.media_type,
            name=fields.name,
            created_at=now,
            language=fields.language,
        )
        job = Job(
            job_id=job_id,
            kind=JobKind.INGEST,
            status=JobStatus.QUEUED,
            created_at=now,
            updated_at=now,
            index=index,
            document_id=document.document_id,
            document_version=version.number,
            progress=Progress(stage=AWAITING_UPLOAD if waits else "queued"),
            created_by=principal.subject,
            parent_id=child.parent_id if child else None,
            line=child.line if child else None,
            source=child.source if child else None,
        )
        return Submission(document, version, job)

    def _bearer(self, tenant: Tenant, index: str, external_id: str | None) -> Document | None:
        document_id = self._stores.documents.by_external_id(tenant, index, external_id) if external_id else None
        document = self._stores.documents.get(tenant, document_id) if document_id else None
        # One that was deleted between the two reads has lost its external id; it must not be revived.
        return None if document is None or document.status is DocumentStatus.DELETED else document

    def _write(self, tenant: Tenant, submission: Submission) -> None:
        rows = self._stores.documents.adding(tenant, submission.document, submission.version)
        self._stores.table.write(*rows, self._stores.jobs.adding(tenant, submission.job))
