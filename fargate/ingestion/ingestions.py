"""How a batch begins: checked at the door, its manifest stored, its job queued."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace

from chalicelib.contracts.ingestions import MAX_MANIFEST_BYTES, IngestionCreate, InlineDocument
from chalicelib.domain.access import Principal, Tenant
from chalicelib.domain.batches import Batch
from chalicelib.domain.identifiers import Entropy
from chalicelib.domain.indexes import Index
from chalicelib.domain.jobs import Job, JobKind, new_job
from chalicelib.domain.metadata import check_user_metadata
from chalicelib.errors import InvalidRequest, PayloadTooLarge
from chalicelib.ports.blobs import Bucket
from chalicelib.ports.clock import Clock
from chalicelib.repositories import keys
from fargate.ingestion import messages
from fargate.ingestion.inline import inline_bytes
from fargate.ingestion.stores import Stores


class Ingestions:
    """Begins batches; `Batches` carries them on."""

    def __init__(
        self, stores: Stores, clock: Clock, entropy: Entropy = secrets.token_bytes, *, inline_bytes: int
    ) -> None:
        self._stores = stores
        self._clock = clock
        self._entropy = entropy
        self._inline_bytes = inline_bytes

    def begin(self, principal: Principal, request: IngestionCreate) -> Job:
        """See `Ingestor.ingest`."""
        tenant = principal.tenant
        check_user_metadata(request.metadata, request.acl)
        index = self._stores.indexes.permitted(principal, request.index)
        for place, document in enumerate(request.documents or ()):
            self._check(request, place, document)
        if request.documents is None:
            self._check_files(tenant, index.name, request)
        job = replace(self._job(principal, index.name), batch=_batch(request, index))
        if request.documents is not None:
            # Bytes before rows, as with every submission.
            self._stores.blobs.put(keys.manifest_blob(tenant, job.job_id), _manifest(request.documents))
        self._stores.table.write(self._stores.jobs.adding(tenant, job))
        messages.send(self._stores.queue, tenant, job)
        return job

    def _check(self, request: IngestionCreate, place: int, document: InlineDocument) -> None:
        own = document.model_fields_set
        metadata = document.metadata if "metadata" in own else request.metadata
        try:
            check_user_metadata(metadata, document.acl if "acl" in own else request.acl)
            inline_bytes(document.text, document.content_base64, self._inline_bytes)
        except InvalidRequest as error:
            faults = [{**fault, "loc": f"documents.{place}.{fault['loc']}"} for fault in error.extra.get("errors", [])]
            raise InvalidRequest(f"documents.{place}: {error.detail}", faults) from error

    def _check_files(self, tenant: Tenant, index: str, request: IngestionCreate) -> None:
        if request.manifest is not None:
            info = self._stores.blobs.head(keys.import_blob(tenant, index, request.manifest))
            if info is None:
                raise _refused("manifest", f"names no file in the import area of {index!r}; see POST /v1/imports")
            if info.size_bytes > MAX_MANIFEST_BYTES:
                detail = f"The manifest has {info.size_bytes} bytes; at most {MAX_MANIFEST_BYTES} are taken. Split it."
                raise PayloadTooLarge(detail)
        if request.prefix is not None:
            files = self._stores.blobs.list(Bucket.IMPORTS, keys.imports_of(tenant, index, request.prefix))
            if next(files, None) is None:
                raise _refused("prefix", f"begins no path in the import area of {index!r}; see POST /v1/imports")

    def _job(self, principal: Principal, index: str) -> Job:
        return new_job(
            JobKind.BATCH,
            index=index,
            document_id=None,
            created_by=principal.subject,
            at=self._clock.now(),
            entropy=self._entropy,
        )


def _batch(request: IngestionCreate, index: Index) -> Batch:
    return Batch(
        manifest=request.manifest,
        prefix=request.prefix,
        language=request.language,
        metadata=request.metadata,
        acl=tuple(request.acl),
        index_made_at=index.created_at,
    )


def _manifest(documents: Sequence[InlineDocument]) -> bytes:
    lines = (document.model_dump_json(exclude_unset=True) for document in documents)
    return "\n".join(lines).encode()


def _refused(place: str, problem: str) -> InvalidRequest:
    return InvalidRequest(f"{place} {problem}.", [{"loc": place, "msg": problem}])
