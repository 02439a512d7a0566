"""The children of a batch: each line of its manifest becomes a document with a job, or a job that says why not."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import suppress

from pydantic import ValidationError

from chalicelib.contracts.documents import MAX_INLINE_BYTES, MAX_UPLOAD_BYTES, DocumentFields
from chalicelib.contracts.ingestions import ManifestLine
from chalicelib.domain.access import Principal, Tenant
from chalicelib.domain.batches import Batch
from chalicelib.domain.documents import Rejection
from chalicelib.domain.identifiers import Entropy, JobId, ingest_job_of
from chalicelib.domain.jobs import Job, JobKind, JobStatus
from chalicelib.domain.metadata import check_user_metadata
from chalicelib.errors import ConditionFailed, Conflict, PayloadTooLarge, RequestError
from chalicelib.ports.clock import Clock
from chalicelib.repositories import keys
from fargate.ingestion import messages
from fargate.ingestion.imports import too_large
from fargate.ingestion.inline import inline_bytes
from fargate.ingestion.intake import Child, Content, Intake
from fargate.ingestion.manifests import MAX_LINE_BYTES, Line
from fargate.ingestion.stores import Stores

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Children:
    """Makes the children of batches. Their names follow from batch and line, so that each is made once."""

    def __init__(self, stores: Stores, clock: Clock, entropy: Entropy = secrets.token_bytes) -> None:
        self._stores = stores
        self._clock = clock
        self._intake = Intake(stores, clock, entropy)

    def make(self, tenant: Tenant, parent: Job, line: Line) -> Job:
        """Give the child that does *line*, made and queued if it was not before; one of a bad line has failed."""
        known = self._stores.jobs.find(tenant, child_of(parent.job_id, line.number))
        child = known or self._made(tenant, parent, line)
        if child.status is JobStatus.QUEUED:
            messages.send(self._stores.queue, tenant, child)
        return child

    def of(self, tenant: Tenant, parent: Job, numbers: Sequence[int]) -> dict[int, Job]:
        """Give those children that exist, by line."""
        found = self._stores.jobs.batch_get(tenant, [child_of(parent.job_id, number) for number in numbers])
        return {child.line: child for child in found.values() if child.line is not None}

    def _made(self, tenant: Tenant, parent: Job, line: Line) -> Job:
        assert parent.batch is not None
        assert parent.index is not None
        principal = Principal(tenant, parent.created_by, frozenset())
        try:
            said = _read(line)
            content = self._content(tenant, parent.index, said)
            fields = _fields(said, parent.batch)
            if isinstance(content, Rejection):
                return self._failed(tenant, parent, line, content)
            child = Child(parent.job_id, line.number, said.source)
            return self._intake.accept_child(principal, parent.index, fields, content, child)
        except ValidationError as error:
            return self._failed(tenant, parent, line, Rejection("invalid_line", _first_fault(error)))
        except PayloadTooLarge as error:
            return self._failed(tenant, parent, line, Rejection("too_large", error.detail))
        except Conflict:
            raise
        except RequestError as error:
            return self._failed(tenant, parent, line, Rejection("invalid_line", error.detail))

    def _content(self, tenant: Tenant, index: str, said: ManifestLine) -> Content | Rejection:
        if said.source is None:
            return Content.of(inline_bytes(said.text, said.content_base64, MAX_INLINE_BYTES))
        info = self._stores.blobs.head(keys.import_blob(tenant, index, said.source))
        if info is None:
            return Rejection("source_missing", f"There is no file {said.source!r} in the import area.")
        if info.size_bytes > MAX_UPLOAD_BYTES:
            return too_large(info.size_bytes)
        return Content(info.size_bytes, said.sha256)

    def _failed(self, tenant: Tenant, parent: Job, line: Line, why: Rejection) -> Job:
        now = self._clock.now()
        child = Job(
            job_id=child_of(parent.job_id, line.number),
            kind=JobKind.INGEST,
            status=JobStatus.FAILED,
            created_at=now,
            updated_at=now,
            index=parent.index,
            error=Rejection(why.code, f"Line {line.number}: {why.detail}"),
            created_by=parent.created_by,
            parent_id=parent.job_id,
            line=line.number,
        )
        with suppress(ConditionFailed):  # another delivery was faster
            self._stores.table.write(self._stores.jobs.adding(tenant, child))
        return self._stores.jobs.get(tenant, child.job_id)


def child_of(parent_id: JobId, number: int) -> JobId:
    """Name the job of line *number* of a batch."""
    return ingest_job_of(Child(parent_id, number).attempt)


def _read(line: Line) -> ManifestLine:
    """Raises `ValidationError` and `PayloadTooLarge`."""
    if line.data is None:
        raise PayloadTooLarge(f"It is over {MAX_LINE_BYTES} bytes long; put the file into the import area.")
    return ManifestLine.model_validate_json(line.data.removeprefix(_BYTE_ORDER_MARK))


def _fields(said: ManifestLine, batch: Batch) -> DocumentFields:
    """Give what is said of the document, by its line or else by its batch. Raises `InvalidRequest`."""
    own = said.model_fields_set
    metadata = said.metadata if "metadata" in own else dict(batch.metadata)
    acl = said.acl if "acl" in own else list(batch.acl)
    check_user_metadata(metadata, acl)
    name = said.name or (said.source or "").rpartition("/")[2][:_MAX_NAME]
    return DocumentFields(
        name=name,
        media_type=said.media_type,
        external_id=said.external_id,
        language=said.language if "language" in own else batch.language,
        metadata=metadata,
        acl=acl,
    )


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(map(str, fault["loc"]))
    message = fault["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


_MAX_NAME = 255
