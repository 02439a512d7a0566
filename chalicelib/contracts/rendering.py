"""Entities as the wire shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.contracts.asking import (
    CitationView,
    ClaimView,
    PassageView,
    QueryRequest,
    ReasonsView,
    RetrieveRequest,
    RunSummary,
    RunView,
    SentView,
    UsageView,
    WordingView,
)
from chalicelib.contracts.documents import (
    ChildrenView,
    ChunkView,
    DocumentError,
    DocumentVersionView,
    DocumentView,
    JobView,
    ProgressView,
)
from chalicelib.contracts.identities import ApiKeyView, Me
from chalicelib.contracts.indexes import ComponentModel, IndexView, RecipeModel
from chalicelib.domain.access import PERMISSIONS, Principal
from chalicelib.domain.batches import Batch
from chalicelib.domain.credentials import ApiKey
from chalicelib.domain.documents import Chunk, Document, DocumentVersion
from chalicelib.domain.indexes import Index, Recipe
from chalicelib.domain.jobs import ENDED, Job
from chalicelib.domain.runs import Passage, Run

MAX_CONVERSATION_BYTES = 64_000
"""A run is one row of at most 400 KB."""


def index_view(index: Index) -> IndexView:
    """Show an index with the recipe of its live generation."""
    return IndexView(
        name=index.name,
        description=index.description,
        recipe=recipe_model(index.generation.recipe),
        generation=index.generation.number,
        status=index.generation.status,
        created_at=index.created_at,
        updated_at=index.updated_at,
    )


def recipe_model(recipe: Recipe) -> RecipeModel:
    """Show a recipe."""
    return RecipeModel(
        parser=ComponentModel.of(recipe.parser),
        chunker=ComponentModel.of(recipe.chunker),
        embedder=ComponentModel.of(recipe.embedder),
        language=recipe.language,
        context=recipe.context,
    )


def document_view(document: Document) -> DocumentView:
    """Show a document."""
    published = document.published
    return DocumentView(
        document_id=document.document_id,
        index=document.index,
        name=document.name,
        media_type=document.media_type,
        status=document.status,
        version=published.version if published else 0,
        latest_version=document.latest_version,
        size_bytes=document.size_bytes,
        pages=published.pages if published else None,
        chunks=published.chunks if published else 0,
        language=published.language if published else None,
        error=DocumentError.model_validate(document.error) if document.error else None,
        warnings=list(published.warnings) if published else [],
        metadata=dict(document.metadata),
        acl=list(document.acl),
        external_id=document.external_id,
        attached_to=document.holder.document_id if document.holder else None,
        created_at=document.created_at,
        updated_at=document.updated_at,
        revision=document.version,
    )


def version_view(version: DocumentVersion, document: Document) -> DocumentVersionView:
    """Show one version of *document*."""
    return DocumentVersionView(
        version=version.number,
        size_bytes=version.size_bytes,
        sha256=version.sha256,
        media_type=version.media_type,
        name=version.name,
        published=document.published is not None and document.published.version == version.number,
        created_at=version.created_at,
    )


def chunk_view(chunk: Chunk) -> ChunkView:
    """Show a chunk."""
    return ChunkView.model_validate(chunk)


def job_view(job: Job) -> JobView:
    """Show a job; one that its owner wants to end says so until it has."""
    progress = ProgressView.model_validate(job.progress)
    if job.cancelling and job.status not in ENDED:
        progress = progress.model_copy(update={"stage": "cancelling"})
    return JobView(
        job_id=job.job_id,
        kind=job.kind,
        status=job.status,
        index=job.index,
        document_id=job.document_id,
        progress=progress,
        error=DocumentError.model_validate(job.error) if job.error else None,
        result=dict(job.result) if job.result is not None else None,
        parent_id=job.parent_id,
        line=job.line,
        children=_children(job.batch) if job.batch else None,
        created_at=job.created_at,
        updated_at=job.updated_at,
    )


def _children(batch: Batch) -> ChildrenView:
    total = batch.lines or 0
    return ChildrenView(
        total=total,
        open=total - batch.ended,
        succeeded=batch.succeeded,
        failed=batch.failed,
        cancelled=batch.cancelled,
    )


def passage_view(passage: Passage, *, explain: bool) -> PassageView:
    """Show a passage, with the reasons for its place if *explain*."""
    return PassageView(
        chunk_id=passage.chunk_id,
        document_id=passage.document_id,
        external_id=passage.external_id,
        name=passage.name,
        version=passage.version,
        page=passage.page,
        heading_path=list(passage.heading_path),
        text=passage.text,
        start=passage.start,
        end=passage.end,
        context=passage.context,
        score=passage.score,
        metadata=dict(passage.metadata),
        explain=ReasonsView.model_validate(passage.reasons) if explain else None,
    )


def run_summary(run: Run) -> RunSummary:
    """Show a run in a list."""
    return RunSummary(
        run_id=run.run_id,
        kind=run.kind,
        index=run.index,
        question=run.question,
        answer=run.answer,
        abstained=run.abstained,
        release=run.release_id,
        model=run.model,
        user=run.user,
        created_by=run.created_by,
        created_at=run.created_at,
    )


def run_view(run: Run) -> RunView:
    """Show a run with everything it recorded."""
    return RunView(
        **dict(run_summary(run)),
        passages=passage_views(run.passages, explain=True),
        citations=[CitationView.model_validate(citation) for citation in run.citations],
        claims=[ClaimView.model_validate(claim) for claim in run.claims],
        usage=UsageView.model_validate(run.usage),
        timings_ms=dict(run.timings_ms),
        request=dict(run.request),
        trace_id=run.trace_id,
        error=run.error,
        searched=[WordingView.model_validate(wording) for wording in run.searched],
        degraded=list(run.degraded),
        narrowed_by=dict(run.narrowed_by) if run.narrowed_by is not None else None,
        repeats=run.repeats,
        nearest=[CitationView.model_validate(citation) for citation in run.nearest],
        sent=SentView.model_validate(run.sent) if run.sent else None,
        ended=run.ended,
    )


def passage_views(passages: Sequence[Passage], *, explain: bool) -> list[PassageView]:
    """Show passages in their order."""
    return [passage_view(passage, explain=explain) for passage in passages]


def recorded(request: RetrieveRequest | QueryRequest) -> Mapping[str, Any]:
    """Give what a run keeps of *request*; of a long conversation the last turns, with how many were left out."""
    fields = request.model_dump(mode="json", exclude={"question"})
    turns = fields["conversation"]
    while len(json.dumps(turns, ensure_ascii=False).encode(errors="replace")) > MAX_CONVERSATION_BYTES:
        turns.pop(0)
    omitted = len(request.conversation) - len(turns)
    return fields | ({"conversation_turns_omitted": omitted} if omitted else {})


def key_view(key: ApiKey) -> ApiKeyView:
    """Show an API key, never its digest."""
    return ApiKeyView(
        key_id=key.key_id,
        name=key.name,
        roles=sorted(key.roles),
        groups=sorted(key.groups),
        indexes=None if key.indexes is None else sorted(key.indexes),
        created_at=key.created_at,
        created_by=key.created_by,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
    )


def me(principal: Principal) -> Me:
    """Show the caller to itself."""
    permissions = {permission for role in principal.roles for permission in PERMISSIONS[role]}
    return Me(
        tenant=principal.tenant.tenant_id,
        subject=principal.subject,
        roles=sorted(principal.roles),
        groups=sorted(principal.groups),
        indexes=None if principal.indexes is None else sorted(principal.indexes),
        permissions=sorted(permissions),
    )
