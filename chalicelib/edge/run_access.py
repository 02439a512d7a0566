"""What a caller may see of recorded runs today; a run never shows what its documents no longer let the caller read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chalicelib.domain.access import Permission, Principal, allows, may_use_index
from chalicelib.domain.documents import Chunk
from chalicelib.domain.identifiers import RunId
from chalicelib.domain.runs import Passage, Run, RunKind, cited, cut_to, mentioned
from chalicelib.edge.dependencies import Edge
from chalicelib.edge.reach import readable_among
from chalicelib.errors import NotFound


def visible_run(edge: Edge, principal: Principal, run_id: str) -> Run:
    """
    Give a run of the caller's own, or any with `RUNS_READ`, cut to what the caller may read. Raises `NotFound`.

    Passages of unreadable documents are dropped; where one of them was cited, so are answer, citations and claims.
    """
    run = edge.runs.get(principal.tenant, RunId(run_id))
    own = run.created_by == principal.subject
    if not (own or allows(principal, Permission.RUNS_READ)) or not may_use_index(principal, run.index):
        raise NotFound(f"There is no run {run_id}.")
    cut = cut_to(run, readable_among(edge, principal, mentioned(run)))
    return replace(cut, passages=_with_texts(edge, principal, cut.passages)) if run.kind is RunKind.RETRIEVE else cut


def visible_summaries(edge: Edge, principal: Principal, runs: Sequence[Run]) -> list[Run]:
    """Give those *runs* that are on indexes within reach, without the answers that cite what may not be read."""
    reached = [run for run in runs if may_use_index(principal, run.index)]
    readable = readable_among(edge, principal, {document_id for run in reached for document_id in cited(run)})
    return [cut_to(run, readable) for run in reached]


def _with_texts(edge: Edge, principal: Principal, passages: Sequence[Passage]) -> list[Passage]:
    """Fill in the texts, which such a run does not keep; that of a version since replaced may be gone."""
    wanted = {passage.chunk_id: passage.document_id for passage in passages}
    chunks = edge.chunks.as_read(principal.tenant, wanted)
    return [_filled(passage, chunks.get(passage.chunk_id)) for passage in passages]


def _filled(passage: Passage, chunk: Chunk | None) -> Passage:
    if chunk is None:
        return passage
    return replace(passage, text=chunk.text, heading_path=chunk.heading_path, context=chunk.context)
