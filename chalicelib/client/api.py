"""The public REST API as Python calls: contracts in, contracts out, problems raised as the errors they were."""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from pydantic import BaseModel

from chalicelib.client import retrying, uploads
from chalicelib.contracts.asking import (
    Answer,
    AnswerEvent,
    QueryRequest,
    RetrieveRequest,
    RetrieveResponse,
    RunSummary,
    RunView,
)
from chalicelib.contracts.common import ListOf
from chalicelib.contracts.components import Components
from chalicelib.contracts.documents import (
    ChunkPreview,
    ChunkPreviewRequest,
    ChunkView,
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
from chalicelib.contracts.explanations import Explanation, Subject
from chalicelib.contracts.health import Health
from chalicelib.contracts.identities import ApiKeyCreate, ApiKeyCreated, ApiKeyView, Me
from chalicelib.contracts.indexes import IndexCreate, IndexView
from chalicelib.contracts.ingestions import ImportsAccepted, ImportsCreate, ImportView, IngestionCreate
from chalicelib.domain.documents import DocumentStatus
from chalicelib.domain.jobs import ENDED, JobStatus
from chalicelib.errors import DeadlineExceeded
from chalicelib.observability.spans import TRACE_HEADER, trace_header
from chalicelib.transport import Call, Transport

PAGE_ITEMS = 200
POLL_S = 0.25

_SETTLED = frozenset({DocumentStatus.READY, DocumentStatus.FAILED, DocumentStatus.DELETED})
_WATCHED = 25

ModelT = TypeVar("ModelT", bound=BaseModel)


class Client:
    """
    A client of one platform in the name of one API key (or user token). Safe from any thread; `close` it in the end.

    Every call raises what the platform raised (`chalicelib.errors`), `Unavailable` when it cannot be reached and
    `DeadlineExceeded` after *timeout_s*. Reading, and creating (which always carries an idempotency key), is repeated
    when the platform asks to wait; see `retrying.send`.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None,
        *,
        timeout_s: float = 30.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take the platform's address, with or without ``/v1``. Without a key only `health` answers."""
        self._transport = Transport(base_url.rstrip("/").removesuffix("/v1"))
        self._authorization = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._timeout_s = timeout_s
        self._sleep = sleep

    def __enter__(self) -> Client:
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    # The platform and who is asking

    def health(self) -> Health:
        """Say that the platform answers."""
        return self._get("/health", Health)

    def me(self) -> Me:
        """Say who is asking, and what they may do."""
        return self._get("/me", Me)

    def components(self) -> Components:
        """List what recipes and releases can be made of."""
        return self._get("/components", Components)

    def api_keys(self) -> Iterator[ApiKeyView]:
        """List the tenant's API keys."""
        return self._items("/api-keys", ApiKeyView)

    def create_api_key(self, request: ApiKeyCreate, *, idempotency_key: str | None = None) -> ApiKeyCreated:
        """Make an API key; its secret is shown this once."""
        return self._create("/api-keys", request, ApiKeyCreated, idempotency_key)

    def revoke_api_key(self, key_id: str) -> ApiKeyView:
        """End an API key's life."""
        return self._delete(f"/api-keys/{_quoted(key_id)}", ApiKeyView)

    # Knowledge

    def indexes(self) -> Iterator[IndexView]:
        """List the indexes."""
        return self._items("/indexes", IndexView)

    def index(self, name: str) -> IndexView:
        """Give one index."""
        return self._get(f"/indexes/{_quoted(name)}", IndexView)

    def create_index(self, request: IndexCreate, *, idempotency_key: str | None = None) -> IndexView:
        """Make an empty index."""
        return self._create("/indexes", request, IndexView, idempotency_key)

    def sweep_index(self, name: str) -> JobView:
        """Begin to look through the index for what nobody owns; give the job."""
        return self._send(self._call("POST", f"/indexes/{_quoted(name)}/sweep"), JobAccepted).job

    def redrive_index(self, name: str) -> int:
        """Queue again what was given up on the index after failures of the platform's own; give how many jobs."""
        return self._send(self._call("POST", f"/indexes/{_quoted(name)}/redrive"), Redriven).jobs

    def delete_index(self, name: str) -> JobAccepted:
        """Remove an index and all its documents."""
        return self._delete(f"/indexes/{_quoted(name)}", JobAccepted)

    def documents(
        self,
        *,
        index: str | None = None,
        status: DocumentStatus | None = None,
        external_id: str | None = None,
        q: str | None = None,
    ) -> Iterator[DocumentView]:
        """List documents; *q* is a part of the name."""
        return self._items("/documents", DocumentView, index=index, status=status, external_id=external_id, q=q)

    def document(self, document_id: str) -> DocumentView:
        """Give one document."""
        return self._get(f"/documents/{_quoted(document_id)}", DocumentView)

    def create_document(self, request: DocumentCreate, *, idempotency_key: str | None = None) -> DocumentAccepted:
        """Send a small document; it is searchable when `wait_for_documents` says so."""
        return self._create("/documents", request, DocumentAccepted, idempotency_key)

    def change_document(
        self, document_id: str, request: DocumentPatch, *, if_revision: int | None = None
    ) -> DocumentAccepted:
        """Replace metadata or access list; with *if_revision*, a document's `revision`, only if it is still that."""
        call = self._call("PATCH", f"/documents/{_quoted(document_id)}", request)
        if if_revision is not None:
            call = replace(call, headers={**call.headers, "If-Match": f'"{if_revision}"'})
        return self._send(call, DocumentAccepted)

    def delete_document(self, document_id: str) -> JobAccepted:
        """Remove a document; questions stop finding it at once."""
        return self._delete(f"/documents/{_quoted(document_id)}", JobAccepted)

    def chunks(self, document_id: str) -> Iterator[ChunkView]:
        """List a document's chunks, in order."""
        return self._items(f"/documents/{_quoted(document_id)}/chunks", ChunkView)

    def versions(self, document_id: str) -> list[DocumentVersionView]:
        """List a document's versions."""
        return self._get(f"/documents/{_quoted(document_id)}/versions", ListOf[DocumentVersionView]).items

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
        return self._get(f"/jobs/{_quoted(job_id)}", JobView)

    def cancel_job(self, job_id: str) -> JobView:
        """Let a job end."""
        return self._send(self._call("POST", f"/jobs/{_quoted(job_id)}/cancel"), JobAccepted).job

    def retry_job(self, job_id: str) -> JobView:
        """Let a job that failed or was cancelled start anew."""
        return self._send(self._call("POST", f"/jobs/{_quoted(job_id)}/retry"), JobAccepted).job

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

    # Asking

    def retrieve(self, request: RetrieveRequest) -> RetrieveResponse:
        """Find passages."""
        return self._post("/retrieve", request, RetrieveResponse)

    def query(self, request: QueryRequest) -> Answer:
        """Answer a question."""
        return self._post("/query", request, Answer)

    def query_stream(self, request: QueryRequest) -> Iterator[AnswerEvent]:
        """Answer a question in events, as `ports.services.Generator.stream` has them."""
        with self._transport.stream(self._call("POST", "/query/stream", request)) as events:
            yield from events

    def runs(self) -> Iterator[RunSummary]:
        """List answered questions, newest first."""
        return self._items("/runs", RunSummary)

    def explain(self, run_id: str, subject: Subject) -> Explanation:
        """Say why a document or chunk was, or was not, among the passages of a run."""
        return self._post(f"/runs/{_quoted(run_id)}/explain", subject, Explanation)

    def run(self, run_id: str) -> RunView:
        """Give one answered question with everything that led to its answer."""
        return self._get(f"/runs/{_quoted(run_id)}", RunView)

    def _rest(self, waiting: int, until: float) -> None:
        if time.monotonic() > until:
            raise DeadlineExceeded(f"{waiting} documents are not processed yet, and none was lately.")
        self._sleep(POLL_S)

    def _get(self, path: str, kind: type[ModelT]) -> ModelT:
        return self._send(self._call("GET", path), kind)

    def _delete(self, path: str, kind: type[ModelT]) -> ModelT:
        return self._send(self._call("DELETE", path), kind)

    def _post(self, path: str, request: BaseModel, kind: type[ModelT]) -> ModelT:
        return self._send(self._call("POST", path, request), kind)

    def _create(self, path: str, request: BaseModel, kind: type[ModelT], key: str | None) -> ModelT:
        return self._send(self._call("POST", path, request, idempotency_key=key or secrets.token_hex(16)), kind)

    def _items(self, path: str, kind: type[ModelT], **filters: str | None) -> Iterator[ModelT]:
        asked = {"limit": str(PAGE_ITEMS)} | {name: value for name, value in filters.items() if value is not None}
        while True:
            page = self._get(f"{path}?{urlencode(asked)}", ListOf[kind])  # type: ignore[valid-type]
            yield from page.items
            if page.next_cursor is None:
                return
            asked["cursor"] = page.next_cursor

    def _call(
        self, method: str, path: str, body: BaseModel | None = None, *, idempotency_key: str | None = None
    ) -> Call:
        headers = dict(self._authorization)
        if idempotency_key is not None:
            headers[retrying.IDEMPOTENCY_KEY] = idempotency_key
        if (trace := trace_header()) is not None:
            headers[TRACE_HEADER] = trace
        return Call(method, "/v1" + path, body, headers, self._timeout_s)

    def _send(self, call: Call, kind: type[ModelT]) -> ModelT:
        reply = retrying.send(self._transport, call, self._sleep)
        if reply.failed:
            raise reply.error()
        return reply.model(kind)


def _quoted(part: str) -> str:
    return quote(part, safe="")
