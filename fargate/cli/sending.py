"""Sends files in batches, skips what is there already, and waits until the rest is searchable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from pydantic import ValidationError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from chalicelib.client import uploads
from chalicelib.client.api import Client
from chalicelib.contracts.documents import MAX_UPLOAD_BYTES, DocumentView, UploadFile, UploadsCreate, UploadView
from chalicelib.domain.documents import DocumentStatus
from chalicelib.errors import RequestError
from fargate.cli.console import err
from fargate.cli.files import LocalFile

_BATCH = 50
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
            self._wait()
        return self._outcome

    def _send_batch(self, batch: Sequence[LocalFile], known: dict[str, DocumentView]) -> None:
        wanted = [(file, described) for file, described in self._described(batch) if self._is_news(described, known)]
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
        processing = self._bars.add_task("Processing", total=len(self._sent))

        def settled(document: DocumentView) -> None:
            self._bars.advance(processing)
            if document.status is DocumentStatus.READY:
                self._outcome.ready += 1
                return
            reason = f"{document.error.code}: {document.error.detail}" if document.error else f"is {document.status}"
            self._outcome.failures.append((self._sent[document.document_id], reason))

        self._client.wait_for_documents(self._sent, timeout_s=_PATIENCE_S, on_settled=settled)


class _Rate(ProgressColumn):
    """Files a second."""

    def render(self, task: Task) -> Text:
        """Give the rate of *task* lately."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f} files/s")


def _bars() -> Progress:
    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    return Progress(*columns, console=err)


def _unusable(size_bytes: int) -> str | None:
    if size_bytes == 0:
        return "the file is empty"
    if size_bytes > MAX_UPLOAD_BYTES:
        return f"the file has {size_bytes} bytes; the largest that can be taken has {MAX_UPLOAD_BYTES}"
    return None
