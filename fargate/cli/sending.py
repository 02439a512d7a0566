"""Sends files, small ones many at once; skips what is there already, and waits until the rest is searchable."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from pydantic import ValidationError
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from chalicelib.client import uploads
from chalicelib.client.api import Client
from chalicelib.contracts.documents import (
    MAX_UPLOAD_BYTES,
    DocumentView,
    JobView,
    UploadFile,
    UploadsCreate,
    UploadView,
)
from chalicelib.contracts.ingestions import MAX_BATCH_DOCUMENTS, IngestionCreate, InlineDocument
from chalicelib.domain.documents import DocumentStatus
from chalicelib.domain.jobs import JobStatus
from chalicelib.errors import RequestError
from fargate.cli.console import err
from fargate.cli.files import LocalFile

_BATCH = 50
_SMALL_BYTES = 64 * 1024
_TOGETHER_BYTES = 3 * 1024 * 1024
"""With base 64 and what is said of each, within the limit of a request."""
_FIELDS_BYTES = 512
_CONNECTIONS = 4
_PATIENCE_S = 900.0


@dataclass(slots=True)
class Outcome:
    """What became of the files; *failures* are (external id, reason)."""

    ready: int = 0
    unchanged: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)


class Sending:
    """One run of `ragstone ingest`."""

    def __init__(self, client: Client, index: str, acl: Sequence[str] | None) -> None:
        self._client = client
        self._index = index
        self._fields = {"acl": list(acl)} if acl else {}
        self._outcome = Outcome()
        self._sent: dict[str, str] = {}
        self._small: list[InlineDocument] = []
        self._small_bytes = 0
        self._jobs: list[tuple[str, list[str]]] = []
        self._bars = _bars()

    def send(self, files: Sequence[LocalFile]) -> Outcome:
        """Send *files*, and wait. A file that fails stops no other; a platform that fails stops the run."""
        known = {each.external_id: each for each in self._client.documents(index=self._index) if each.external_id}
        with self._bars:
            sending = self._bars.add_task("Sending", total=len(files))
            for first in range(0, len(files), _BATCH):
                batch = files[first : first + _BATCH]
                self._send_batch(batch, known)
                self._bars.advance(sending, len(batch))
            self._send_small()
            self._wait()
        return self._outcome

    def _send_batch(self, batch: Sequence[LocalFile], known: dict[str, DocumentView]) -> None:
        news = [(file, described) for file, described in self._described(batch) if self._is_news(described, known)]
        wanted = [(file, described) for file, described in news if not self._take_small(file, described)]
        if not wanted:
            return
        try:
            request = UploadsCreate(index=self._index, files=[described for _, described in wanted])
            accepted = self._client.open_uploads(request)
        except RequestError as error:
            self._outcome.failures += [(file.external_id, error.detail) for file, _ in wanted]
            return
        with ThreadPoolExecutor(_CONNECTIONS) as threads:
            list(threads.map(self._send_one, accepted.uploads, [file for file, _ in wanted]))

    def _take_small(self, file: LocalFile, described: UploadFile) -> bool:
        """Put a small file to those that go together; say whether it is one."""
        if described.size_bytes > _SMALL_BYTES:
            return False
        try:
            data = file.path.read_bytes()
        except OSError as error:
            self._outcome.failures.append((file.external_id, f"cannot be read: {error.strerror}"))
            return True
        fields = described.model_dump(exclude_unset=True, exclude={"size_bytes", "sha256"})
        self._small.append(InlineDocument(**fields, content_base64=base64.b64encode(data).decode()))
        self._small_bytes += len(data) + _FIELDS_BYTES
        if self._small_bytes >= _TOGETHER_BYTES or len(self._small) == MAX_BATCH_DOCUMENTS:
            self._send_small()
        return True

    def _send_small(self) -> None:
        documents, self._small, self._small_bytes = self._small, [], 0
        names = [document.external_id or document.name for document in documents]
        if not documents:
            return
        try:
            job = self._client.create_ingestion(IngestionCreate(index=self._index, documents=documents))
        except RequestError as error:
            self._outcome.failures += [(name, error.detail) for name in names]
        else:
            self._jobs.append((job.job_id, names))

    def _described(self, batch: Sequence[LocalFile]) -> Iterator[tuple[LocalFile, UploadFile]]:
        for file in batch:
            try:
                reason = _unusable(file.path.stat().st_size)
                if reason is None:
                    yield file, uploads.described(file.path, external_id=file.external_id, **self._fields)
                    continue
            except OSError as error:
                reason = f"cannot be read: {error.strerror}"
            except ValidationError as error:
                first = error.errors(include_url=False, include_input=False)[0]
                reason = f"{first['loc'][0]}: {first['msg']}"
            self._outcome.failures.append((file.external_id, reason))

    def _is_news(self, file: UploadFile, known: dict[str, DocumentView]) -> bool:
        """Say whether the platform has not got this very content, or has it and failed with it."""
        document = known.get(file.external_id or "")
        if document is None or document.status not in {DocumentStatus.READY, DocumentStatus.PROCESSING}:
            return True
        versions = self._client.versions(document.document_id)
        latest = max(versions, key=lambda version: version.version, default=None)
        if latest is None or latest.sha256 != file.sha256:
            return True
        self._outcome.unchanged += 1
        return False

    def _send_one(self, upload: UploadView, file: LocalFile) -> None:
        try:
            self._client.send_file(upload, file.path)
        except RequestError as error:
            self._outcome.failures.append((file.external_id, error.detail))
        except OSError as error:
            self._outcome.failures.append((file.external_id, f"cannot be read: {error.strerror}"))
        else:
            self._sent[upload.document_id] = file.external_id

    def _wait(self) -> None:
        total = len(self._sent) + sum(len(names) for _, names in self._jobs)
        processing = self._bars.add_task("Processing", total=total)
        for job_id, names in self._jobs:
            self._wait_for_batch(job_id, names, processing)

        def settled(document: DocumentView) -> None:
            self._bars.advance(processing)
            if document.status is DocumentStatus.READY:
                self._outcome.ready += 1
                return
            reason = f"{document.error.code}: {document.error.detail}" if document.error else f"is {document.status}"
            self._outcome.failures.append((self._sent[document.document_id], reason))

        self._client.wait_for_documents(self._sent, timeout_s=_PATIENCE_S, on_settled=settled)

    def _wait_for_batch(self, job_id: str, names: Sequence[str], processing: TaskID) -> None:
        before = self._bars.tasks[processing].completed

        def moved(job: JobView) -> None:
            self._bars.update(processing, completed=before + job.progress.done)

        job = self._client.wait_for_job(job_id, timeout_s=_PATIENCE_S, on_progress=moved)
        self._bars.update(processing, completed=before + len(names))
        self._outcome.ready += job.children.succeeded if job.children else 0
        if job.status is JobStatus.FAILED:
            self._outcome.failures += [(name, _reason(job)) for name in names]
            return
        for status in (JobStatus.FAILED, JobStatus.CANCELLED):
            for child in self._client.jobs(parent=job_id, status=status):
                self._outcome.failures.append((names[(child.line or 1) - 1], _reason(child)))


class _Rate(ProgressColumn):
    """Files a second."""

    def render(self, task: Task) -> Text:
        """Give the rate of *task* lately."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} files/s")


def _bars() -> Progress:
    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    return Progress(*columns, console=err)


def _reason(job: JobView) -> str:
    return f"{job.error.code}: {job.error.detail}" if job.error else f"is {job.status}"


def _unusable(size_bytes: int) -> str | None:
    if size_bytes == 0:
        return "the file is empty"
    if size_bytes > MAX_UPLOAD_BYTES:
        return f"the file has {size_bytes} bytes; the largest that can be taken has {MAX_UPLOAD_BYTES}"
    return None
