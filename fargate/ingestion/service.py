"""The ingestion service: takes documents in and out. It records and queues; the worker does the work."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from dataclasses import dataclass, replace

from chalicelib.contracts.components import Components
from chalicelib.contracts.documents import (
    MAX_INLINE_BYTES,
    ChunkPreview,
    ChunkPreviewRequest,
    DocumentAccepted,
    DocumentChange,
    DocumentCreate,
    JobAccepted,
    Redriven,
    UploadFile,
    UploadsAccepted,
    UploadsCreate,
    UploadView,
)
from chalicelib.contracts.indexes import IndexCreate, IndexView
from chalicelib.contracts.ingestions import ImportsAccepted, ImportsCreate, IngestionCreate
from chalicelib.contracts.rendering import document_view, index_view, job_view
from chalicelib.domain.access import Principal, Tenant, may_use_index
from chalicelib.domain.identifiers import DocumentId, Entropy, JobId
from chalicelib.domain.indexes import Generation, GenerationStatus, Index, Recipe
from chalicelib.domain.jobs import ENDED, Job, JobKind, new_job
from chalicelib.domain.metadata import check_user_metadata
from chalicelib.errors import ConditionFailed, Conflict
from chalicelib.ports.blobs import BlobKey, Bucket, UploadTerms
from chalicelib.ports.clock import Clock
from chalicelib.ports.vectors import VectorIndexSpec
from chalicelib.repositories import keys
from chalicelib.repositories.documents import UPDATE_TRIES
from chalicelib.repositories.indexes import missing as missing_index
from chalicelib.repositories.jobs import missing as missing_job
from fargate.ingestion import messages
from fargate.ingestion.burial import bury
from fargate.ingestion.changes import Changes
from fargate.ingestion.control import Control
from fargate.ingestion.imports import open_imports
from fargate.ingestion.ingestions import Ingestions
from fargate.ingestion.inline import inline_bytes
from fargate.ingestion.intake import Content, Intake, Submission
from fargate.ingestion.previews import Previews
from fargate.ingestion.reach import document_in_reach
from fargate.ingestion.stores import Stores
from fargate.ingestion.sweeping import Sweeper
from fargate.ingestion.tools import Tools
from fargate.ingestion.tracking import is_to_be_done
from fargate.ingestion.uploads import queue_arrived


@dataclass(frozen=True, slots=True)
class Limits:
    """What is taken, and for how long an upload stays open."""

    inline_bytes: int = MAX_INLINE_BYTES
    upload_open_s: int = 3_600


class IngestionService:
    """See `ports.services.Ingestor`."""

    def __init__(
        self,
        *,
        stores: Stores,
        tools: Tools,
        clock: Clock,
        entropy: Entropy = secrets.token_bytes,
        limits: Limits = Limits(),
    ) -> None:
        self._stores = stores
        self._tools = tools
        self._clock = clock
        self._entropy = entropy
        self._limits = limits
        self._intake = Intake(stores, clock, entropy)
        self._changes = Changes(stores, clock, entropy)
        self._control = Control(stores, clock, entropy)
        self._ingestions = Ingestions(stores, clock, entropy, inline_bytes=limits.inline_bytes)
        self._previews = Previews(stores, tools)

    async def create_index(self, principal: Principal, request: IndexCreate) -> IndexView:
        """See `Ingestor.create_index`."""
        self._tools.check(request.recipe.entity())
        return index_view(await asyncio.to_thread(self._create_index, principal, request))

    async def submit(self, principal: Principal, request: DocumentCreate) -> DocumentAccepted:
        """See `Ingestor.submit`. Raises `Unavailable` where it is stored but not queued; `Recovery` queues it then."""
        check_user_metadata(request.metadata, request.acl)
        content = Content.of(inline_bytes(request.text, request.content_base64, self._limits.inline_bytes))
        submission = await asyncio.to_thread(self._submit, principal, request, content)
        return DocumentAccepted(document=document_view(submission.document), job=job_view(submission.job))

    async def open_uploads(self, principal: Principal, request: UploadsCreate) -> UploadsAccepted:
        """See `Ingestor.open_uploads`; `uploaded` is to be told when bytes have arrived."""
        for file in request.files:
            check_user_metadata(file.metadata, file.acl)
        return await asyncio.to_thread(self._open_uploads, principal, request)

    async def open_imports(self, principal: Principal, request: ImportsCreate) -> ImportsAccepted:
        """See `Ingestor.open_imports`."""
        return await asyncio.to_thread(self._open_imports, principal, request)

    async def ingest(self, principal: Principal, request: IngestionCreate) -> JobAccepted:
        """See `Ingestor.ingest`."""
        return JobAccepted(job=job_view(await asyncio.to_thread(self._ingestions.begin, principal, request)))

    async def uploaded(self, key: BlobKey) -> None:
        """
        Begin to ingest the raw bytes that were uploaded to *key*; to be told twice does no harm.

        The route that stores blobs calls this; of S3, a message tells the worker. Raises `NotFound` for a key that no
        upload was opened for, or that holds nothing.
        """
        await asyncio.to_thread(self._uploaded, key)

    async def change(self, principal: Principal, document_id: DocumentId, change: DocumentChange) -> DocumentAccepted:
        """See `Ingestor.change`."""
        document, job = await asyncio.to_thread(self._changes.change, principal, document_id, change)
        return DocumentAccepted(document=document_view(document), job=job_view(job))

    async def delete(self, principal: Principal, document_id: DocumentId) -> JobAccepted:
        """See `Ingestor.delete`. Deleting again answers with the same job."""
        return JobAccepted(job=job_view(await asyncio.to_thread(self._delete, principal, document_id)))

    async def delete_index(self, principal: Principal, name: str) -> JobAccepted:
        """See `Ingestor.delete_index`."""
        return JobAccepted(job=job_view(await asyncio.to_thread(self._delete_index, principal, name)))

    async def sweep(self, principal: Principal, name: str) -> JobAccepted:
        """See `Ingestor.sweep`."""
        return JobAccepted(job=job_view(await asyncio.to_thread(self._sweep, principal, name)))

    async def redrive(self, principal: Principal, name: str) -> Redriven:
        """See `Ingestor.redrive`."""
        return Redriven(jobs=await asyncio.to_thread(self._redrive, principal, name))

    async def cancel(self, principal: Principal, job_id: JobId) -> JobAccepted:
        """See `Ingestor.cancel`."""
        job = await asyncio.to_thread(self._job_in_reach, principal, job_id)
        return JobAccepted(job=job_view(await asyncio.to_thread(self._control.cancel, principal.tenant, job.job_id)))

    async def retry(self, principal: Principal, job_id: JobId) -> JobAccepted:
        """See `Ingestor.retry`."""
        job = await asyncio.to_thread(self._job_in_reach, principal, job_id)
        return JobAccepted(job=job_view(await asyncio.to_thread(self._control.retry, principal.tenant, job.job_id)))

    async def preview(self, principal: Principal, request: ChunkPreviewRequest) -> ChunkPreview:
        """See `Ingestor.preview`."""
        return await self._previews.preview(principal, request)

    async def components(self) -> Components:
        """See `Ingestor.components`."""
        return Components(items=self._tools.components())

    def _create_index(self, principal: Principal, request: IndexCreate) -> Index:
        tenant, recipe = principal.tenant, request.recipe.entity()
        if not may_use_index(principal, request.name):
            raise missing_index(request.name)
        claimed = self._claim_name(tenant, request, recipe)
        physical = keys.vector_index(tenant, claimed.name, claimed.generation.number)
        spec = VectorIndexSpec(self._tools.embedder(recipe.embedder).info.dimension, recipe.language)
        self._stores.vectors.create(physical, spec)
        live = replace(claimed.generation, status=GenerationStatus.LIVE)
        return self._stores.indexes.update(tenant, claimed.name, lambda index: replace(index, generation=live))

    def _claim_name(self, tenant: Tenant, request: IndexCreate, recipe: Recipe) -> Index:
        """
        Store the row first, so that of two who want the name one alone makes the vector index.

        A row whose maker died before that is taken over by whoever asks for the same again.
        """
        now = self._clock.now()
        generation = Generation(1, recipe, GenerationStatus.BUILDING, now)
        index = Index(request.name, request.description, generation, created_at=now, updated_at=now)
        try:
            return self._stores.indexes.create(tenant, index)
        except Conflict:
            begun = self._stores.indexes.find(tenant, request.name)
            if begun is None or begun.deleting or not _is_unfinished(begun, recipe):
                raise
            return begun

    def _submit(self, principal: Principal, request: DocumentCreate, content: Content) -> Submission:
        index = self._stores.indexes.permitted(principal, request.index)
        submission = self._intake.accept(principal, index.name, request, content)
        messages.send(self._stores.queue, principal.tenant, submission.job)
        return submission

    def _open_uploads(self, principal: Principal, request: UploadsCreate) -> UploadsAccepted:
        index = self._stores.indexes.permitted(principal, request.index)
        opened = []
        for file in request.files:
            submission = self._intake.accept(principal, index.name, file, Content(file.size_bytes, file.sha256))
            opened.append((submission, self._presign(principal.tenant, file, submission)))
        return UploadsAccepted(job=job_view(opened[0][0].job), uploads=[view for _, view in opened])

    def _presign(self, tenant: Tenant, file: UploadFile, submission: Submission) -> UploadView:
        key = keys.raw_blob(tenant, submission.document.document_id, submission.version.attempt)
        terms = UploadTerms(file.size_bytes, file.media_type or "application/octet-stream", file.sha256)
        presigned = self._stores.blobs.presign_upload(key, terms, expires_s=self._limits.upload_open_s)
        return UploadView(
            document_id=submission.document.document_id,
            job_id=submission.job.job_id,
            method="POST" if presigned.method == "POST" else "PUT",
            url=presigned.url,
            headers=dict(presigned.headers),
            fields=dict(presigned.fields),
            expires_at=presigned.expires_at,
        )

    def _open_imports(self, principal: Principal, request: ImportsCreate) -> ImportsAccepted:
        self._stores.indexes.permitted(principal, request.index)
        return open_imports(self._stores, principal.tenant, request, expires_s=self._limits.upload_open_s)

    def _uploaded(self, key: BlobKey) -> None:
        if key.bucket is Bucket.IMPORTS:
            return  # it waits until a batch asks for it
        queue_arrived(self._stores, self._clock, key)

    def _delete(self, principal: Principal, document_id: DocumentId) -> Job:
        tenant = principal.tenant
        document, _ = document_in_reach(self._stores, principal, document_id)
        job = self._new_job(principal, JobKind.DELETE, document.index, document_id)
        together = [self._stores.jobs.adding(tenant, job)]
        dead = bury(self._stores, tenant, document_id, at=job.created_at, job_id=job.job_id, together_with=together)
        return self._queued(tenant, dead.job_id or job.job_id)

    def _delete_index(self, principal: Principal, name: str) -> Job:
        tenant = principal.tenant
        if not may_use_index(principal, name):
            raise missing_index(name)
        for _ in range(UPDATE_TRIES):
            index = self._stores.indexes.find(tenant, name)
            if index is None:
                raise missing_index(name)
            if index.job_id is not None:
                return self._queued(tenant, index.job_id)
            job = self._new_job(principal, JobKind.DELETE_INDEX, name, None)
            with suppress(ConditionFailed):
                self._stores.table.write(
                    self._stores.indexes.deleting(tenant, index, job.job_id), self._stores.jobs.adding(tenant, job)
                )
                return self._queued(tenant, job.job_id)
        raise Conflict(f"Index {name!r} changed {UPDATE_TRIES} times while it was being deleted; try again.")

    def _job_in_reach(self, principal: Principal, job_id: JobId) -> Job:
        job = self._stores.jobs.get(principal.tenant, job_id)
        if job.index is not None and not may_use_index(principal, job.index):
            raise missing_job(job_id)
        return job

    def _new_job(self, principal: Principal, kind: JobKind, index: str, document_id: DocumentId | None) -> Job:
        return new_job(
            kind,
            index=index,
            document_id=document_id,
            created_by=principal.subject,
            at=self._clock.now(),
            entropy=self._entropy,
        )

    def _sweep(self, principal: Principal, name: str) -> Job:
        tenant, index = principal.tenant, self._stores.indexes.permitted(principal, name)
        job = Sweeper(self._stores, self._clock, self._entropy).job(index.name, principal.subject)
        self._stores.table.write(self._stores.jobs.adding(tenant, job))
        return self._queued(tenant, job.job_id)

    def _redrive(self, principal: Principal, name: str) -> int:
        tenant, index = principal.tenant, self._stores.indexes.permitted(principal, name)
        given_up = [job for job in self._stores.jobs.failed(tenant) if job.index == index.name and is_to_be_done(job)]
        for job in given_up:
            messages.send(self._stores.queue, tenant, job)
        return len(given_up)

    def _queued(self, tenant: Tenant, job_id: JobId) -> Job:
        """Give the job after queueing it; one that is queued or under way already is not harmed by a second message."""
        job = self._stores.jobs.get(tenant, job_id)
        if job.status not in ENDED:
            messages.send(self._stores.queue, tenant, job)
        return job


def _is_unfinished(index: Index, recipe: Recipe) -> bool:
    return index.generation.status is GenerationStatus.BUILDING and index.generation.recipe == recipe
