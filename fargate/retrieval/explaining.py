"""Why a chunk or a document was not among the passages of a run: the search is done again, and followed to the end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.contracts.asking import ReasonsView
from chalicelib.contracts.explanations import Explanation, ExplanationRequest, Outcome, ReturnedPassage
from chalicelib.domain.documents import Document
from chalicelib.domain.filters import Filter, matches, parse_filter, to_json
from chalicelib.domain.identifiers import ChunkId, DocumentId
from chalicelib.domain.releases import Release
from chalicelib.domain.runs import Passage, Reasons
from chalicelib.errors import NotFound
from chalicelib.ports.vectors import MAX_TOP_K
from fargate.retrieval.hydration import document_of
from fargate.retrieval.inquiry import Inquiry
from fargate.retrieval.ranking import Ranked


@dataclass(frozen=True, slots=True)
class _Found:
    """An outcome, said in a sentence."""

    outcome: Outcome
    reason: str
    chunk_id: str | None = None
    rank: int | None = None
    reasons: Reasons | None = None


@dataclass(frozen=True, slots=True)
class _Case:
    """One subject against one run."""

    inquiry: Inquiry
    request: ExplanationRequest
    release: Release
    document: Document

    def is_subject(self, chunk_id: str, document_id: str) -> bool:
        """Say whether a chunk is the one asked about, or any of the document asked about."""
        wanted = self.request.subject.chunk_id
        return document_id == self.document.document_id and wanted in (None, chunk_id)


async def explain(
    inquiry: Inquiry, request: ExplanationRequest, release: Release, wanted: Filter | None
) -> Explanation:
    """
    Say what became of the subject of *request*, for whom *inquiry* asks again.

    Raises `NotFound` for what is not there, and in the same words for what the asker may not read.
    """
    document = await asyncio.to_thread(_readable_document, inquiry, request)
    case = _Case(inquiry, request, release, document)
    found = _returned(case) or await asyncio.to_thread(_unsearchable, case, wanted) or await _searched(case)
    return Explanation(
        run_id=request.run_id,
        document_id=document.document_id,
        chunk_id=found.chunk_id or request.subject.chunk_id,
        outcome=found.outcome,
        reason=found.reason,
        rank=found.rank,
        top_k=request.top_k,
        candidates=release.config.retrieval.candidates,
        explain=ReasonsView.model_validate(found.reasons) if found.reasons else None,
    )


def _readable_document(inquiry: Inquiry, request: ExplanationRequest) -> Document:
    search, subject = inquiry.search, request.subject
    document_id = subject.document_id
    if subject.chunk_id is not None:
        entries = search.vectors.get(search.index, [subject.chunk_id])
        document_id = document_of(entries[0]) if entries else None
    documents = search.hydration.documents.readable(
        inquiry.question.asked_by, [DocumentId(document_id)] if document_id else []
    )
    if not documents:
        missing = f"chunk {subject.chunk_id}" if subject.chunk_id else f"document {subject.document_id}"
        raise NotFound(f"There is no {missing} that this run could have found.")
    return documents[DocumentId(str(document_id))]


def _returned(case: _Case) -> _Found | None:
    for rank, one in enumerate(case.request.returned, 1):
        if case.is_subject(one.chunk_id, one.document_id):
            return _Found(Outcome.RETURNED, f"It is passage {rank} of the run.", one.chunk_id, rank)
    chunk_id = case.request.subject.chunk_id
    around = _read_within(case, ChunkId(chunk_id)) if chunk_id else None
    if around is None:
        return None
    rank, passage = around
    reason = f"Its text is part of passage {rank} of the run, which was found by {passage.chunk_id}."
    return _Found(Outcome.RETURNED, reason, chunk_id, rank)


def _read_within(case: _Case, chunk_id: ChunkId) -> tuple[int, ReturnedPassage] | None:
    """Give the passage of the run that holds the chunk's text, with its rank."""
    of_document = [
        (rank, one) for rank, one in enumerate(case.request.returned, 1) if one.document_id == case.document.document_id
    ]
    if not of_document:
        return None
    chunk = case.inquiry.search.hydration.neighbours({chunk_id: case.document.document_id}).get(chunk_id)
    if chunk is None:
        return None
    return next(((rank, one) for rank, one in of_document if one.start <= chunk.start and chunk.end <= one.end), None)


def _unsearchable(case: _Case, wanted: Filter | None) -> _Found | None:
    """Say what keeps the subject from being searched at all, or None."""
    document, config, chunk_id = case.document, case.release.config, case.request.subject.chunk_id
    published = document.published
    if document.index != config.index:
        return _Found(Outcome.OTHER_INDEX, f"It is in the index {document.index!r}; {config.index!r} was asked.")
    if published is None:
        state = f"failed ({document.error.code})" if document.error else document.status.value
        return _Found(Outcome.NOT_READY, f"No version of the document is searchable; the document is {state}.")
    if published.generation != config.generation:
        reason = f"It is in generation {published.generation} of the index; the run asked {config.generation}."
        return _Found(Outcome.OTHER_GENERATION, reason)
    if chunk_id is not None and not published.shows(chunk_id):
        return _Found(Outcome.SUPERSEDED, f"The chunk is not of version {published.version}, the one that is read now.")
    version = case.inquiry.search.hydration.documents.version(
        case.inquiry.question.asked_by.tenant, document.document_id, published.version
    )
    if version.created_at > case.request.asked_at:
        return _Found(
            Outcome.ADDED_LATER, f"Version {published.version} came after the question, {version.created_at}."
        )
    of_release = parse_filter(config.retrieval.filter) if config.retrieval.filter else None
    for whose, one in (("question", wanted), ("release", of_release)):
        if one is not None and not matches(one, document.metadata):
            return _Found(Outcome.FILTERED_OUT, f"Its metadata does not pass the {whose}'s filter {_shown(one)}.")
    return None


async def _searched(case: _Case) -> _Found:
    """Follow the subject through the search and what comes after it."""
    candidates = case.release.config.retrieval.candidates
    far = await asyncio.to_thread(_place, case, MAX_TOP_K)
    if far is None:
        return _Found(Outcome.NO_MATCH, _no_match(case))
    near = await asyncio.to_thread(_place, case, candidates)
    if near is None:
        reason = f"Neither leg had it among its first {candidates}: {_leg_ranks(far[1])}."
        return _Found(Outcome.NOT_A_CANDIDATE, reason, far[1].hit.key, far[0], far[1].reasons())
    return await _ranked(case, *near)


async def _ranked(case: _Case, fused_rank: int, ranked: Ranked) -> _Found:
    inquiry, top_k = case.inquiry, case.request.top_k
    pool = await inquiry.reranked(await asyncio.to_thread(inquiry.search.passages, inquiry.pipeline.pool(top_k)))
    final = _among(case, await asyncio.to_thread(inquiry.shaped, pool))
    if final is not None:
        rank, passage = final
        reason = f"It would be passage {rank} now; the index has changed since the run."
        return _Found(Outcome.RETURNED_NOW, reason, passage.chunk_id, rank, passage.reasons)
    reranked = _among(case, pool)
    if reranked is not None and reranked[1].reasons.rerank_score is not None:
        rank, passage = reranked
        reason = f"It was {passage.reasons.fused_rank} before reranking and {rank} after it; {top_k} were asked for."
        return _Found(Outcome.RANKED_BELOW, reason, passage.chunk_id, rank, passage.reasons)
    reason = f"It is {fused_rank} in the ranking, and {top_k} were asked for: {_leg_ranks(ranked)}."
    return _Found(Outcome.RANKED_BELOW, reason, ranked.hit.key, fused_rank, ranked.reasons())


def _place(case: _Case, candidates: int) -> tuple[int, Ranked] | None:
    """Give the best of the subject's chunks with its rank, where each leg brings so many candidates."""
    ranked = case.inquiry.search.ranked(candidates)
    return next(
        (
            (rank, one)
            for rank, one in enumerate(ranked, 1)
            if case.is_subject(one.hit.key, document_of(one.hit)) and _is_read(case, one.hit.key)
        ),
        None,
    )


def _is_read(case: _Case, chunk_id: str) -> bool:
    return case.document.published is not None and case.document.published.shows(chunk_id)


def _among(case: _Case, passages: Sequence[Passage]) -> tuple[int, Passage] | None:
    places = enumerate(passages, 1)
    return next(((rank, one) for rank, one in places if case.is_subject(one.chunk_id, one.document_id)), None)


def _no_match(case: _Case) -> str:
    if not case.inquiry.pipeline.ranking.dense:
        return "No word of the question stands in it, and only words were searched."
    return f"No word of the question stands in it, and it is not among the {MAX_TOP_K:,} nearest in meaning."


def _leg_ranks(ranked: Ranked) -> str:
    hit = ranked.hit
    dense = f"{hit.dense_rank} by meaning" if hit.dense_rank else "not near in meaning"
    lexical = f"{hit.lexical_rank} by words" if hit.lexical_rank else "without a word of the question"
    return f"{dense}, {lexical}"


def _shown(wanted: Filter) -> str:
    return json.dumps(to_json(wanted), ensure_ascii=False)
