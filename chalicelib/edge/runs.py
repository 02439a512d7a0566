"""Runs: every question that was asked, with what was found and answered."""

from __future__ import annotations

from chalicelib.contracts.asking import RunSummary, RunView, Turn, WordingView
from chalicelib.contracts.common import ListOf
from chalicelib.contracts.explanations import Explanation, ExplanationRequest, ReturnedPassage, Subject
from chalicelib.contracts.prompts import SentMessages, SentRequest
from chalicelib.contracts.queries import NoQuery, PageQuery
from chalicelib.contracts.rendering import passage_views, run_summary, run_view
from chalicelib.contracts.traces import TraceView, span_view
from chalicelib.domain.access import Permission
from chalicelib.domain.runs import Run
from chalicelib.edge.operations import Call, Resource
from chalicelib.edge.run_access import visible_run, visible_summaries
from chalicelib.errors import NotFound
from chalicelib.observability.spans import tree_around

runs = Resource("runs", "Every question that was asked, with what was found and answered")


@runs.get(
    "/runs", permission=Permission.RUNS_READ, query=PageQuery, returns=ListOf[RunSummary], summary="List the runs"
)
def list_runs(call: Call[PageQuery]) -> ListOf[RunSummary]:
    """Newest first. An answer that cites what the caller may not read is null."""
    found, cursor = call.edge.runs.list(call.principal.tenant, limit=call.input.limit, cursor=call.input.cursor)
    visible = visible_summaries(call.edge, call.principal, found)
    return ListOf[RunSummary](items=[run_summary(run) for run in visible], next_cursor=cursor)


@runs.get("/runs/{run_id}", permission=Permission.ASK, query=NoQuery, returns=RunView, summary="Read a run")
def get_run(call: Call[NoQuery]) -> RunView:
    """
    One of the caller's own, or with the permission `runs:read` any.

    Passages of documents that were deleted since, or that the caller may not read, are left out; where one of them
    was cited, the answer is null and citations and claims are empty.
    """
    return run_view(visible_run(call.edge, call.principal, call.path["run_id"]))


@runs.get(
    "/runs/{run_id}/trace", permission=Permission.ASK, query=NoQuery, returns=TraceView, summary="Read a run's trace"
)
def get_run_trace(call: Call[NoQuery]) -> TraceView:
    """
    The stages that one of the caller's own runs went through, or with the permission `runs:read` any: how long each
    took, and where something failed.
    """
    run = visible_run(call.edge, call.principal, call.path["run_id"])
    found = tree_around(call.edge.traces.trace(run.trace_id), run.span_id)
    return TraceView(trace_id=run.trace_id, spans=[span_view(one) for one in found])


@runs.post(
    "/runs/{run_id}/explain",
    permission=Permission.ASK,
    body=Subject,
    returns=Explanation,
    summary="Explain what was not found",
)
def explain_run(call: Call[Subject]) -> Explanation:
    """
    Say why a document or chunk is, or is not, among the passages of one of the caller's own runs, or with the
    permission `runs:read` of any.

    The search is done again for the caller, as the index stands now. What the caller may not read is not found.
    """
    run = visible_run(call.edge, call.principal, call.path["run_id"])
    return call.edge.wait(call.edge.retriever.explain(call.principal, _explanation_request(run, call.input)))


@runs.get(
    "/runs/{run_id}/messages",
    permission=Permission.RUNS_READ,
    query=NoQuery,
    returns=SentMessages,
    summary="See what a run's model was sent",
)
def get_run_messages(call: Call[NoQuery]) -> SentMessages:
    """
    Put together again from what the run recorded: the rules, the prompt's version, the conversation, the passages.

    Not found where no model was asked, or where a document was deleted since, or is not the caller's to read.
    """
    run = visible_run(call.edge, call.principal, call.path["run_id"])
    whole = call.edge.runs.get(call.principal.tenant, run.run_id)
    if run.sent is None or len(run.passages) < len(whole.passages):
        raise NotFound(f"There are no messages of run {run.run_id}.")
    request = SentRequest(
        run_id=run.run_id,
        release=run.release_id,
        question=run.question,
        conversation=[Turn.model_validate(turn) for turn in run.request.get("conversation", [])],
        passages=passage_views(run.passages, explain=False),
        given=dict(run.sent.given),
        sha256=run.sent.sha256,
        asked_at=run.created_at,
    )
    return call.edge.wait(call.edge.generator.messages(call.principal, request))


def _explanation_request(run: Run, subject: Subject) -> ExplanationRequest:
    asked_for = run.request.get("top_k")
    return ExplanationRequest(
        run_id=run.run_id,
        subject=subject,
        release=run.release_id,
        question=run.question,
        searched=[WordingView.model_validate(wording) for wording in run.searched],
        filter=run.request.get("filter"),
        top_k=asked_for if isinstance(asked_for, int) else max(len(run.passages), 1),
        returned=[ReturnedPassage.model_validate(passage, from_attributes=True) for passage in run.passages],
        asked_at=run.created_at,
    )
