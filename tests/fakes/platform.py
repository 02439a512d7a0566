"""The public API, small and in memory: just enough truth for its clients."""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from chalicelib.contracts.asking import (
    AnswerEvent,
    CitationsEvent,
    ClaimsEvent,
    DoneEvent,
    PassagesEvent,
    QueryRequest,
    RetrieveRequest,
    RetrieveResponse,
    RunEvent,
    TokenEvent,
)
from chalicelib.contracts.documents import (
    ChildrenView,
    ChunkPreviewRequest,
    DocumentAccepted,
    DocumentCreate,
    DocumentError,
    DocumentPatch,
    DocumentVersionView,
    DocumentView,
    JobAccepted,
    JobView,
    ProgressView,
    UploadFile,
    UploadsAccepted,
    UploadsCreate,
    UploadView,
)
from chalicelib.contracts.events import encode
from chalicelib.contracts.identities import ApiKeyCreate, ApiKeyCreated, ApiKeyView
from chalicelib.contracts.indexes import IndexCreate, IndexView, RecipeModel
from chalicelib.contracts.ingestions import ImportsAccepted, ImportsCreate, ImportView, IngestionCreate
from chalicelib.domain.access import Role
from chalicelib.domain.documents import DocumentStatus
from chalicelib.domain.indexes import GenerationStatus
from chalicelib.domain.jobs import JobKind, JobStatus
from chalicelib.errors import Conflict, NotFound, RagError, Unauthenticated
from tests.fakes.answers import answer, passage

KEY = "rgs_key_00000000000000000000000000_" + "x" * 43
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
REJECTED = b"unreadable"
"""A file with these bytes fails to be read."""


@dataclass
class Seen:
    """A request that arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class FakePlatform:
    """Answers as the platform does; *failures* are answered first, in order, whatever is asked."""

    page_items: int = 2
    form_uploads: bool = False
    indexes: dict[str, IndexView] = field(default_factory=dict)
    documents: dict[str, DocumentView] = field(default_factory=dict)
    versions: dict[str, list[DocumentVersionView]] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, list[JobView]] = field(default_factory=dict)
    children: dict[str, list[JobView]] = field(default_factory=dict)
    keys: dict[str, ApiKeyView] = field(default_factory=dict)
    events: list[AnswerEvent] = field(default_factory=list)
    failures: deque[tuple[RagError, dict[str, str]]] = field(default_factory=deque)
    seen: list[Seen] = field(default_factory=list)
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def app(self) -> Starlette:
        """Give the ASGI app."""
        return Starlette(
            routes=[
                Route("/v1/{rest:path}", self._serve, methods=["GET", "POST", "PATCH", "DELETE"]),
                Route("/local-blobs/{document_id}", self._receive, methods=["PUT", "POST"]),
            ]
        )

    def add_index(self, name: str) -> IndexView:
        """Make an index."""
        view = IndexView(
            name=name,
            description="",
            recipe=RecipeModel(),
            generation=1,
            status=GenerationStatus.LIVE,
            created_at=AT,
            updated_at=AT,
        )
        self.indexes[name] = view
        return view

    async def _serve(self, request: Request) -> Response:
        body = await request.body()
        path = request.url.path.removeprefix("/v1")
        self.seen.append(Seen(request.method, path, dict(request.headers), body))
        if self.failures:
            error, headers = self.failures.popleft()
            return _problem(error, headers)
        try:
            if path != "/health" and request.headers.get("Authorization") != f"Bearer {KEY}":
                raise Unauthenticated("The API key or token is wrong, expired or revoked.")
            return self._answer(request, path.strip("/").split("/"), body)
        except RagError as error:
            return _problem(error, {})

    def _answer(self, request: Request, path: list[str], body: bytes) -> Response:
        match request.method, path:
            case "GET", ["health"]:
                return JSONResponse({"status": "ok", "version": "0.1.0"})
            case "GET", ["me"]:
                me = {"tenant": "acme", "subject": "ada", "roles": ["admin"], "groups": [], "indexes": None}
                return JSONResponse({**me, "permissions": ["ask"]})
            case "GET", ["components"]:
                return JSONResponse({"items": []})
            case _, ["indexes", *_]:
                return self._knowledge_bases(request, path, body)
            case _, ["documents" | "uploads" | "chunk-previews", *_]:
                return self._knowledge(request, path, body)
            case _, ["ingestions" | "imports" | "jobs", *_]:
                return self._work(request, path, body)
            case _, ["api-keys", *_]:
                return self._api_keys(request, path, body)
            case _:
                return self._asking(request, path, body)

    def _knowledge_bases(self, request: Request, path: list[str], body: bytes) -> Response:
        match request.method, path:
            case "GET", ["indexes"]:
                return self._page(request, list(self.indexes.values()))
            case "POST", ["indexes"]:
                wanted = IndexCreate.model_validate_json(body)
                if wanted.name in self.indexes:
                    raise Conflict(f"The index {wanted.name} exists already.")
                return _model(self.add_index(wanted.name), 201)
            case "GET", ["indexes", name]:
                return _model(_found(self.indexes, name))
            case "DELETE", ["indexes", name]:
                _found(self.indexes, name)
                return JSONResponse({"job": self._job(JobKind.DELETE_INDEX).model_dump(mode="json")}, 202)
            case _:
                raise NotFound("There is nothing at this address, or it is not yours.")

    def _knowledge(self, request: Request, path: list[str], body: bytes) -> Response:
        match request.method, path:
            case "POST", ["documents"]:
                sent = DocumentCreate.model_validate_json(body)
                text = (sent.text or "").encode()
                file = UploadFile(
                    name=sent.name, external_id=sent.external_id, size_bytes=len(text), sha256=_sha256(text)
                )
                document = self._submit(sent.index, file)
                self._arrive(document.document_id, text)
                document = self.documents[document.document_id]
                parts = {"document": document, "job": self._job(JobKind.INGEST)}
                return JSONResponse({name: each.model_dump(mode="json") for name, each in parts.items()}, 202)
            case "POST", ["uploads"]:
                asked = UploadsCreate.model_validate_json(body)
                uploads = [self._upload(self._submit(asked.index, file)) for file in asked.files]
                return _model(UploadsAccepted(job=self._job(JobKind.INGEST), uploads=uploads), 201)
            case "POST", ["chunk-previews"]:
                ChunkPreviewRequest.model_validate_json(body)
                return JSONResponse({"items": []})
            case _:
                return self._stored(request, path, body)

    def _work(self, request: Request, path: list[str], body: bytes) -> Response:
        match request.method, path:
            case "POST", ["imports"]:
                wanted = ImportsCreate.model_validate_json(body)
                return _model(ImportsAccepted(imports=[_import(one.path) for one in wanted.files]), 201)
            case "POST", ["ingestions"]:
                return _model(JobAccepted(job=self._ingest(IngestionCreate.model_validate_json(body))), 202)
            case "GET", ["jobs"]:
                asked = request.query_params
                jobs = self.children[asked["parent"]] if "parent" in asked else [self._job(JobKind.INGEST)]
                return self._page(request, [job for job in jobs if "parent" not in asked or _asked_for(job, asked)])
            case "GET", ["jobs", job_id]:
                seen = self.batches.get(job_id, [self._job(JobKind.INGEST)])
                return _model(seen.pop() if len(seen) > 1 else seen[0])
            case "POST", ["jobs", _, "cancel" | "retry" as act]:
                status = JobStatus.CANCELLED if act == "cancel" else JobStatus.QUEUED
                return _model(JobAccepted(job=self._job(JobKind.INGEST).model_copy(update={"status": status})), 202)
            case _:
                raise NotFound("There is nothing at this address, or it is not yours.")

    def _ingest(self, asked: IngestionCreate) -> JobView:
        """Take in all documents at once; the job is seen queued, half done and done, in this order."""
        parent, children = self._job(JobKind.BATCH).model_copy(update={"job_id": f"job_b{next(self.numbers)}"}), []
        for line, sent in enumerate(asked.documents or (), start=1):
            data = base64.b64decode(sent.content_base64) if sent.content_base64 else (sent.text or "").encode()
            fields = sent.model_dump(exclude_unset=True, exclude={"text", "content_base64"})
            document = self._submit(asked.index, UploadFile(**fields, size_bytes=len(data), sha256=_sha256(data)))
            self._arrive(document.document_id, data)
            after = self.documents[document.document_id]
            status = JobStatus.FAILED if after.error else JobStatus.SUCCEEDED
            child = {"job_id": f"job_{line}", "line": line, "parent_id": parent.job_id, "status": status}
            children.append(self._job(JobKind.INGEST).model_copy(update=child | {"error": after.error}))
        total, failed = len(children), len([child for child in children if child.status is JobStatus.FAILED])

        def seen(status: JobStatus, done: int) -> JobView:
            counts = ChildrenView(
                total=total, open=total - done, succeeded=max(0, done - failed), failed=min(done, failed), cancelled=0
            )
            progress = ProgressView(done=done, total=total, stage="ingesting", rate_per_s=None, eta_s=None)
            return parent.model_copy(update={"status": status, "children": counts, "progress": progress})

        self.children[parent.job_id] = children
        half = seen(JobStatus.RUNNING, total // 2)
        self.batches[parent.job_id] = [seen(JobStatus.SUCCEEDED, total), half]
        return seen(JobStatus.QUEUED, 0)

    def _stored(self, request: Request, path: list[str], body: bytes) -> Response:
        match request.method, path:
            case "GET", ["documents"]:
                asked_for = request.query_params.get("index")
                chosen = [each for each in self.documents.values() if asked_for in (None, each.index)]
                return self._page(request, chosen)
            case "GET", ["documents", document_id]:
                return _model(_found(self.documents, document_id))
            case "PATCH", ["documents", document_id]:
                document = _found(self.documents, document_id)
                if request.headers.get("If-Match", "*") not in ("*", f'"{document.revision}"'):
                    raise Conflict("It has changed since.")
                said = DocumentPatch.model_validate_json(body).model_dump(exclude_unset=True)
                changed = document.model_copy(update=said | {"revision": document.revision + 1})
                self.documents[document_id] = changed
                return _model(DocumentAccepted(document=changed, job=self._job(JobKind.RETAG)), 202)
            case "DELETE", ["documents", document_id]:
                _found(self.documents, document_id)
                return JSONResponse({"job": self._job(JobKind.DELETE).model_dump(mode="json")}, 202)
            case "GET", ["documents", document_id, "versions"] if not request.query_params:
                items = [each.model_dump(mode="json") for each in _found(self.versions, document_id)]
                return JSONResponse({"items": items, "next_cursor": None})
            case "GET", ["documents", document_id, "chunks"]:
                _found(self.documents, document_id)
                return self._page(request, [])
            case _:
                raise NotFound("There is nothing at this address, or it is not yours.")

    def _api_keys(self, request: Request, path: list[str], body: bytes) -> Response:
        match request.method, path:
            case "GET", ["api-keys"]:
                return self._page(request, list(self.keys.values()))
            case "POST", ["api-keys"]:
                asked = ApiKeyCreate.model_validate_json(body)
                key = ApiKeyView(
                    key_id=f"key_{next(self.numbers)}",
                    name=asked.name,
                    roles=[Role(role) for role in asked.roles],
                    groups=asked.groups,
                    indexes=asked.indexes,
                    created_at=AT,
                    created_by="ada",
                    expires_at=asked.expires_at,
                    revoked_at=None,
                )
                self.keys[key.key_id] = key
                return _model(ApiKeyCreated(key=key, secret="rgs_shown_once"), 201)
            case "DELETE", ["api-keys", key_id]:
                self.keys[key_id] = _found(self.keys, key_id).model_copy(update={"revoked_at": AT})
                return _model(self.keys[key_id])
            case _:
                raise NotFound("There is nothing at this address, or it is not yours.")

    def _asking(self, request: Request, path: list[str], body: bytes) -> Response:
        match request.method, path:
            case "POST", ["query"]:
                QueryRequest.model_validate_json(body)
                return _model(answer())
            case "POST", ["query", "stream"]:
                QueryRequest.model_validate_json(body)
                pieces = [encode(event) for event in self.events or usual_events()]
                return StreamingResponse(_each(pieces), media_type="text/event-stream")
            case "POST", ["retrieve"]:
                RetrieveRequest.model_validate_json(body)
                found = RetrieveResponse(run_id="run_1", release="rel_1", passages=[passage()], timings_ms={})
                return _model(found)
            case "GET", ["runs"]:
                return self._page(request, [])
            case _:
                raise NotFound("There is nothing at this address, or it is not yours.")

    def _submit(self, index: str, file: UploadFile) -> DocumentView:
        _found(self.indexes, index)
        known = [
            each for each in self.documents.values() if (each.index, each.external_id) == (index, file.external_id)
        ]
        document_id = known[0].document_id if known and file.external_id else f"doc_{next(self.numbers)}"
        versions = self.versions.setdefault(document_id, [])
        versions.append(
            DocumentVersionView(
                version=len(versions) + 1,
                size_bytes=file.size_bytes,
                sha256=file.sha256,
                media_type=file.media_type,
                name=file.name,
                published=False,
                created_at=AT,
            )
        )
        self.documents[document_id] = DocumentView(
            document_id=document_id,
            index=index,
            name=file.name,
            media_type=file.media_type,
            status=DocumentStatus.PENDING,
            version=len(versions) - 1,
            latest_version=len(versions),
            size_bytes=file.size_bytes,
            pages=None,
            chunks=0,
            error=None,
            metadata=file.metadata,
            acl=file.acl,
            external_id=file.external_id,
            warnings=[],
            attached_to=None,
            created_at=AT,
            updated_at=AT,
        )
        return self.documents[document_id]

    def _upload(self, document: DocumentView) -> UploadView:
        return UploadView(
            document_id=document.document_id,
            job_id="job_1",
            method="POST" if self.form_uploads else "PUT",
            url=f"/local-blobs/{document.document_id}",
            headers={} if self.form_uploads else {"X-Terms": "kept"},
            fields={"policy": "signed"} if self.form_uploads else {},
            expires_at=AT + timedelta(hours=1),
        )

    async def _receive(self, request: Request) -> Response:
        body = await request.body()
        self.seen.append(Seen(request.method, request.url.path, dict(request.headers), body))
        self._arrive(request.path_params["document_id"], body)
        return Response(status_code=200)

    def _arrive(self, document_id: str, body: bytes) -> None:
        self.stored[document_id] = body
        document = self.documents[document_id]
        outcome: dict[str, Any] = {"status": DocumentStatus.READY, "version": document.latest_version, "chunks": 1}
        if body == REJECTED:
            error = DocumentError(code="unreadable", detail="The file cannot be read.")
            outcome = {"status": DocumentStatus.FAILED, "error": error}
        self.documents[document_id] = document.model_copy(update=outcome)

    def _page(self, request: Request, items: list[Any]) -> Response:
        first = int(request.query_params.get("cursor", "0"))
        last = first + min(self.page_items, int(request.query_params.get("limit", "50")))
        shown = [each.model_dump(mode="json") for each in items[first:last]]
        return JSONResponse({"items": shown, "next_cursor": str(last) if last < len(items) else None})

    def _job(self, kind: JobKind) -> JobView:
        return JobView(
            job_id="job_1",
            kind=kind,
            status=JobStatus.QUEUED,
            index="handbook",
            document_id=None,
            progress=ProgressView(done=1, total=4, stage="embed", rate_per_s=2.0, eta_s=1.5),
            error=None,
            result=None,
            created_at=AT,
            updated_at=AT,
        )


def usual_events() -> list[AnswerEvent]:
    """Give the events of an answer that went well."""
    whole = answer()
    return [
        RunEvent(run_id="run_1", release="rel_1"),
        PassagesEvent(passages=[passage()]),
        *(TokenEvent(text=word) for word in ("Everybody ", "has ", "30 days. ", "[1]")),
        CitationsEvent(citations=whole.citations),
        ClaimsEvent(claims=whole.claims),
        DoneEvent(answer=whole),
    ]


async def _each(pieces: list[bytes]) -> Any:
    for piece in pieces:
        yield piece


def _import(path: str) -> ImportView:
    url, until = f"/local-blobs/{path}", AT + timedelta(hours=1)
    return ImportView(path=path, method="PUT", url=url, headers={}, fields={}, expires_at=until)


def _asked_for(job: JobView, asked: Mapping[str, str]) -> bool:
    return asked.get("status", job.status) == job.status


def _found(things: dict[str, Any], name: str) -> Any:
    if name not in things:
        raise NotFound("There is nothing at this address, or it is not yours.")
    return things[name]


def _model(model: BaseModel, status: int = 200) -> Response:
    return JSONResponse(model.model_dump(mode="json"), status)


def _problem(error: RagError, headers: dict[str, str]) -> Response:
    return JSONResponse(error.problem("1-0"), error.status, headers, media_type="application/problem+json")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
