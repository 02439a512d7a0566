"""Indexes, documents, and the jobs that bring them in."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from chalicelib.client import uploads
from chalicelib.client.calling import Caller, quoted
from chalicelib.contracts.common import ListOf
from chalicelib.contracts.documents import (
    ChunkPreview,
    ChunkPreviewRequest,
    ChunkView,
    ContentView,
    DocumentAccepted,
    DocumentCreate,
    DocumentPatch,
    DocumentVersionView,
    DocumentView,
    JobAccepted,
    JobView,
    Redriven,
    UploadsAccepted,
    UploadsCreate,
    UploadView,
)
from chalicelib.contracts.indexes import IndexCreate, IndexView
from chalicelib.contracts.ingestions import ImportsAccepted, ImportsCreate, ImportView, IngestionCreate
from chalicelib.contracts.schedules import ScheduleCreate, SchedulePatch, ScheduleView
from chalicelib.domain.documents import DocumentStatus
from chalicelib.domain.jobs import ENDED, JobStatus
from chalicelib.errors import DeadlineExceeded

POLL_S = 0.25

_SETTLED = frozenset({DocumentStatus.READY, DocumentStatus.FAILED, DocumentStatus.DELETED})
_WATCHED = 25


class Knowledge(Caller):
    """What there is to be asked about."""

    def indexes(self) -> Iterator[IndexView]:
        """List the indexes."""
        return self._items("/indexes", IndexView)

    def index(self, name: str) -> IndexView:
        """Give one index."""
        return self._get(f"/indexes/{quoted(name)}", IndexView)

    def create_index(self, request: IndexCreate, *, idempotency_key: str | None = None) -> IndexView:
        """Make an empty index."""
        return self._create("/indexes", request, IndexView, idempotency_key)

    def sweep_index(self, name: str) -> JobView:
        """Begin to look through the index for what nobody owns; give the job."""
        return self._act(f"/indexes/{quoted(name)}/sweep", JobAccepted).job

    def redrive_index(self, name: str) -> int:
        """Queue again what was given up on the index after failures of the platform's own; give how many jobs."""
        return self._act(f"/indexes/{quoted(name)}/redrive", Redriven).jobs

    def create_schedule(self, request: ScheduleCreate, *, idempotency_key: str | None = None) -> ScheduleView:
        """Let something be done again and again."""
        return self._create("/schedules", request, ScheduleView, idempotency_key)

    def schedules(self) -> list[ScheduleView]:
        """List the schedules, by name."""
        return self._get("/schedules", ListOf[ScheduleView]).items

    def schedule(self, name: str) -> ScheduleView:
        """Give a schedule, with what came of it last."""
        return self._get(f"/schedules/{quoted(name)}", ScheduleView)

    def change_schedule(self, name: str, patch: SchedulePatch, *, if_revision: int | None = None) -> ScheduleView:
        """Change when a schedule runs, or what it takes in."""
        return self._change(f"/schedules/{quoted(name)}", patch, ScheduleView, if_revision)

    def delete_schedule(self, name: str, *, if_version: int | None = None) -> ScheduleView:
        """Take a schedule away; with *if_version*, only if it still has that one."""
        return self._delete(f"/schedules/{quoted(name)}", ScheduleView, if_version)

    def run_schedule(self, name: str) -> JobView:
        """Run a schedule now."""
        return self._act(f"/schedules/{quoted(name)}/run", JobAccepted).job

    def delete_index(self, name: str) -> JobAccepted:
        """Remove an index and all its documents."""
        return self._delete(f"/indexes/{quoted(name)}", JobAccepted)

    def documents(
        self,
        *,
        index: str | None = None,
        status: DocumentStatus | None = None,
        external_id: str | None = None,
        attached_to: str | None = None,
        q: str | None = None,
    ) -> Iterator[DocumentView]:
        """List documents; *q* is a part of the name, *attached_to* the document that holds them."""
        return self._items(
            "/documents",
            DocumentView,
            index=index,
            status=status,
            external_id=external_id,
            attached_to=attached_to,
            q=q,
        )

    def document(self, document_id: str) -> DocumentView:
        """Give one document."""
        return self._get(f"/documents/{quoted(document_id)}", DocumentView)

    def create_document(self, request: DocumentCreate, *, idempotency_key: str | None = None) -> DocumentAccepted:
        """Send a small document; it is searchable when `wait_for_documents` says so."""
        return self._create("/documents", request, DocumentAccepted, idempotency_key)

    def change_document(
        self, document_id: str, request: DocumentPatch, *, if_revision: int | None = None
    ) -> DocumentAccepted:
        """Replace metadata or access list; with *if_revision*, a document's `revision`, only if it is still that."""
        return self._change(f"/documents/{quoted(document_id)}", request, DocumentAccepted, if_revision)

    def delete_document(self, document_id: str) -> JobAccepted:
        """Remove a document; questions stop finding it at once."""
        return self._delete(f"/documents/{quoted(document_id)}", JobAccepted)

    def chunks(self, document_id: str) -> Iterator[ChunkView]:
        """List a document's chunks, in order."""
        return self._items(f"/documents/{quoted(document_id)}/chunks", ChunkView)

    def versions(self, document_id: str) -> list[DocumentVersionView]:
        """List a document's versions."""
        return self._get(f"/documents/{quoted(document_id)}/versions", ListOf[DocumentVersionView]).items

    def content(self, document_id: str) -> ContentView:
        """Say where the bytes of a document can be read."""
        return self._get(f"/documents/{quoted(document_id)}/content", ContentView)

    def open_uploads(self, request: UploadsCreate, *, idempotency_key: str | None = None) -> UploadsAccepted:
        """Ask where to send files; `send_file` sends them."""
        return self._create("/uploads", request, UploadsAccepted, idempotency_key)

    def open_imports(self, request: ImportsCreate, *, idempotency_key: str | None = None) -> ImportsAccepted:
        """Ask where to send files that are to wait in an import area; `send_file` sends them."""
        return self._create("/imports", request, ImportsAccepted, idempotency_key)

    def create_ingestion(self, request: IngestionCreate, *, idempotency_key: str | None = None) -> JobView:
        """Take in many documents by one job, whose end `wait_for_job` waits for."""
        return self._create("/ingestions", request, JobAccepted, idempotency_key).job

    def send_file(self, upload: UploadView | ImportView, path: Path) -> None:
        """Stream the file at *path* to where *upload* says; its ingestion starts when it has arrived."""
        # Without the authorization: the URL is the permission, and may be another host's.
        reply = self._transport.call(uploads.upload_call(upload, path))
        if reply.failed:
            raise reply.error()

    def upload_file(self, index: str, path: Path, **fields: Any) -> UploadView:
        """Put the file at *path* into *index*; *fields* are `UploadFile`'s (`external_id`, `metadata`, `acl`, …)."""
        accepted = self.open_uploads(UploadsCreate(index=index, files=[uploads.described(path, **fields)]))
        self.send_file(accepted.uploads[0], path)
        return accepted.uploads[0]

    def wait_for_documents(
        self,
        document_ids: Iterable[str],
        *,
        timeout_s: float = 600.0,
        on_settled: Callable[[DocumentView], None] = lambda _: None,
    ) -> list[DocumentView]:
        """
        Wait until each document is ready, failed or deleted; give them in the order they got there.

        *timeout_s* is how long nothing may move. Raises `DeadlineExceeded` then.
        """
        waiting = deque(document_ids)
        settled: list[DocumentView] = []
        moved_at = time.monotonic()
        while waiting:
            # Documents are processed about in order, so it is enough to watch the first few.
            watched = [waiting.popleft() for _ in range(min(_WATCHED, len(waiting)))]
            found = [document for document in map(self.document, watched) if document.status in _SETTLED]
            done = {document.document_id for document in found}
            waiting.extendleft(reversed([each for each in watched if each not in done]))
            for document in found:
                on_settled(document)
            settled += found
            moved_at = time.monotonic() if found else moved_at
            if waiting and not found:
                self._rest(len(waiting), moved_at + timeout_s)
        return settled

    def preview(self, request: ChunkPreviewRequest) -> ChunkPreview:
        """Cut a text with a chunker; nothing is stored."""
        return self._post("/chunk-previews", request, ChunkPreview)

    def jobs(self, *, status: JobStatus | None = None, parent: str | None = None) -> Iterator[JobView]:
        """List jobs, newest first, or the children of *parent*, in order of line."""
        return self._items("/jobs", JobView, status=status, parent=parent)

    def job(self, job_id: str) -> JobView:
        """Give one job."""
        return self._get(f"/jobs/{quoted(job_id)}", JobView)

    def cancel_job(self, job_id: str) -> JobView:
        """Let a job end."""
        return self._act(f"/jobs/{quoted(job_id)}/cancel", JobAccepted).job

    def retry_job(self, job_id: str) -> JobView:
        """Let a job that failed or was cancelled start anew."""
        return self._act(f"/jobs/{quoted(job_id)}/retry", JobAccepted).job

    def wait_for_job(
        self, job_id: str, *, timeout_s: float = 600.0, on_progress: Callable[[JobView], None] = lambda _: None
    ) -> JobView:
        """
        Wait until a job has ended, telling *on_progress* how far it is; give it as it is then.

        *timeout_s* is how long nothing may move. Raises `DeadlineExceeded` then.
        """
        moved_at, before = time.monotonic(), None
        while True:
            job = self.job(job_id)
            if (job.status, job.progress.done, job.progress.stage) != before:
                before, moved_at = (job.status, job.progress.done, job.progress.stage), time.monotonic()
                on_progress(job)
            if job.status in ENDED:
                return job
            if time.monotonic() > moved_at + timeout_s:
                raise DeadlineExceeded(f"Job {job_id} stands at {job.progress.done} of {job.progress.total}.")
            self._sleep(POLL_S)

    def _rest(self, waiting: int, until: float) -> None:
        if time.monotonic() > until:
            raise DeadlineExceeded(f"{waiting} documents are not processed yet, and none was lately.")
        self._sleep(POLL_S)
