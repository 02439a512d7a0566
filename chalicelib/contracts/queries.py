"""What may stand behind the question mark of each list; values arrive as text, unknown names are refused."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from chalicelib.contracts.common import Identifier, IndexName
from chalicelib.contracts.documents import ExternalId
from chalicelib.domain.documents import DocumentStatus
from chalicelib.domain.jobs import JobStatus

MAX_PAGE_ITEMS = 200


class QueryModel(BaseModel):
    """Query parameters, each given at most once."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoQuery(QueryModel):
    """No parameter at all."""


class PageQuery(QueryModel):
    """Which page of a list."""

    limit: int = Field(50, ge=1, le=MAX_PAGE_ITEMS, description="At most so many; a page may hold fewer")
    cursor: str | None = Field(None, min_length=1, max_length=4_096, description="`next_cursor` of the page before")


class DocumentsQuery(PageQuery):
    """Which documents; deleted ones show only when asked for by status."""

    index: IndexName | None = None
    status: DocumentStatus | None = None
    external_id: ExternalId | None = Field(None, description="Needs `index` beside it to be found at once")
    attached_to: Identifier | None = Field(None, description="The document that holds them")
    q: str | None = Field(None, min_length=1, max_length=255, description="A part of the name, in any case")


class JobsQuery(PageQuery):
    """Which jobs; the children of another one are listed by it alone."""

    status: JobStatus | None = None
    parent: Identifier | None = Field(None, description="The children of this job, in order of line")
