"""Questions: passages for them, answers to them, and answers as they are made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.contracts.asking import (
    Answer,
    CitationsEvent,
    ClaimsEvent,
    DoneEvent,
    ErrorEvent,
    PassagesEvent,
    QueryRequest,
    RetrieveRequest,
    RetrieveResponse,
    RunEvent,
    TokenEvent,
)
from chalicelib.contracts.rendering import passage_views, run_view
from chalicelib.domain.access import Permission
from chalicelib.edge.operations import Call, Repeat, Resource
from chalicelib.edge.run_access import visible_run
from chalicelib.errors import BudgetExceeded, Conflict, NotFound, Unavailable
from chalicelib.repositories.feedback_tokens import token_with_answer

asking = Resource("asking", "Passages and answers for questions")

STREAM_EVENTS = (RunEvent, PassagesEvent, TokenEvent, CitationsEvent, ClaimsEvent, DoneEvent, ErrorEvent)


def _run_of(answered: Answer | RetrieveResponse) -> Mapping[str, Any]:
    """Remember the run alone: its texts must not outlive their documents in the memory of repeats."""
    return {"run_id": answered.run_id}


def _passages_again(call: Call[RetrieveRequest], kept: Mapping[str, Any]) -> RetrieveResponse:
    run = visible_run(call.edge, call.principal, kept["run_id"])
    return RetrieveResponse.model_validate(
        {**dict(run_view(run)), "passages": passage_views(run.passages, explain=call.input.explain)}
    )


def _answer_again(call: Call[QueryRequest], kept: Mapping[str, Any]) -> Answer:
    run = visible_run(call.edge, call.principal, kept["run_id"])
    if run.answer is None:
        raise Conflict("What was answered to this request may no longer be read; ask under a new Idempotency-Key.")
    edge, tenant = call.edge, call.principal.tenant
    token = token_with_answer(edge.feedback_tokens, edge.tenants, tenant, run)
    return Answer.model_validate({**dict(run_view(run)), "feedback_token": token})


@asking.post(
    "/retrieve",
    permission=Permission.ASK,
    body=RetrieveRequest,
    returns=RetrieveResponse,
    repeat=Repeat(keep=_run_of, again=_passages_again),
    raises=(NotFound, BudgetExceeded),
    summary="Find passages",
)
def retrieve(call: Call[RetrieveRequest]) -> RetrieveResponse:
    """Best first, and only what the caller may read. Settings that are left out are the release's."""
    return call.edge.wait(call.edge.retriever.retrieve(call.principal, call.input))


@asking.post(
    "/query",
    permission=Permission.ASK,
    body=QueryRequest,
    returns=Answer,
    repeat=Repeat(keep=_run_of, again=_answer_again),
    raises=(NotFound, BudgetExceeded),
    summary="Answer a question",
)
def query(call: Call[QueryRequest]) -> Answer:
    """With citations, exact to the character; or an abstention, when nothing that the caller may read supports one."""
    return call.edge.wait(call.edge.generator.answer(call.principal, call.input))


@asking.post(
    "/query/stream",
    permission=Permission.ASK,
    body=QueryRequest,
    returns=Answer,
    raises=(NotFound, BudgetExceeded),
    events=STREAM_EVENTS,
    summary="Answer a question as a stream",
)
def query_stream(_call: Call[QueryRequest]) -> Answer:
    """
    Server-sent events: `run`, `passages`, `token` any number of times, `citations`, `claims`, then exactly one `done`
    or `error`. A comment is sent every 15 seconds to keep the connection open.
    """
    # The gateway leads this route past the Lambda to the generation service, after asking the authorizer.
    raise Unavailable("The generation service serves streams, but this gateway does not lead to it; use POST /query.")
