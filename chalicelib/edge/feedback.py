"""Feedback: sent by pages and servers, read and dealt with by those who look after the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from chalicelib.contracts.common import ListOf
from chalicelib.contracts.feedback import (
    FeedbackCreate,
    FeedbackDetail,
    FeedbackQuery,
    FeedbackReceipt,
    FeedbackTokenCreate,
    FeedbackTokenView,
    FeedbackView,
    PublicFeedback,
    TriagePatch,
)
from chalicelib.contracts.feedback_rendering import feedback_detail, feedback_view
from chalicelib.contracts.queries import NoQuery
from chalicelib.domain.access import Permission, Tenant, may_use_index
from chalicelib.domain.feedback import (
    MAX_PUBLIC_BODY_BYTES,
    Feedback,
    Opinion,
    Revision,
    Source,
    Triage,
    feedback_id,
    foreign_chunks,
    giver,
    kept_of,
)
from chalicelib.domain.identifiers import FeedbackId, RunId
from chalicelib.domain.runs import Run
from chalicelib.edge.dependencies import Edge
from chalicelib.edge.feedback_access import ANY_ORIGIN, reachable, withheld_among
from chalicelib.edge.operations import Call, Method, PageCall, Repeat, Resource
from chalicelib.edge.run_access import visible_run
from chalicelib.errors import InvalidRequest, NotFound

feedback = Resource("feedback", "What people think of answers")


@feedback.post(
    "/feedback-tokens",
    permission=Permission.FEEDBACK_WRITE,
    body=FeedbackTokenCreate,
    returns=FeedbackTokenView,
    status=201,
    repeat=Repeat(keep=lambda _made: {}, again=lambda call, _kept: _token(call)),
    raises=(NotFound,),
    summary="Make a feedback token",
)
def create_feedback_token(call: Call[FeedbackTokenCreate]) -> FeedbackTokenView:
    """
    For a run of the caller's own, or with the permission `runs:read` any, as its answer had one.

    Nothing is stored: sent again with the same `Idempotency-Key`, this makes another token that opens the same.
    """
    return _token(call)


@feedback.for_pages(
    Method.PUT,
    "/public/feedback",
    takes=PublicFeedback,
    returns=FeedbackReceipt,
    max_body_bytes=MAX_PUBLIC_BODY_BYTES,
    raises=(NotFound,),
    summary="Say what you think of an answer",
)
def put_public_feedback(call: PageCall[PublicFeedback]) -> FeedbackReceipt:
    """
    For pages of other origins, with an answer's `feedback_token`. What is sent takes the place of what was sent before.

    A token is good for 20 writes, and a tenant takes so many from pages in a day.
    """
    edge, scope = call.edge, call.scope
    run = edge.runs.get(scope.tenant, scope.run_id)
    opinion = _checked(run, call.input.opinion())
    _charge(call)
    given = _give(edge, scope.tenant, run, scope.subject, Source.BROWSER, opinion)
    _count(edge, Source.BROWSER, opinion)
    return _receipt(given)


@feedback.for_pages(
    Method.DELETE,
    "/public/feedback",
    takes=NoQuery,
    returns=FeedbackReceipt,
    max_body_bytes=MAX_PUBLIC_BODY_BYTES,
    raises=(NotFound,),
    summary="Take back what you think of an answer",
)
def delete_public_feedback(call: PageCall[NoQuery]) -> FeedbackReceipt:
    """Doing it again changes nothing more. What was said before stays in the history."""
    edge, scope = call.edge, call.scope
    _charge(call)
    wanted = feedback_id(scope.tenant, scope.run_id, scope.subject)
    standing = edge.feedback.retract(scope.tenant, wanted, edge.clock.now(), Source.BROWSER)
    _count(edge, Source.BROWSER, None)
    if standing is None:
        return FeedbackReceipt(
            feedback_id=wanted, run_id=scope.run_id, rating=None, revision=0, retracted=True, updated_at=None
        )
    return _receipt(standing)


@feedback.post(
    "/feedback",
    permission=Permission.FEEDBACK_WRITE,
    body=FeedbackCreate,
    returns=FeedbackView,
    status=201,
    repeat=Repeat(
        keep=lambda view: {"feedback_id": view.feedback_id},
        again=lambda call, kept: _shown(call, reachable(call.edge, call.principal, kept["feedback_id"])),
    ),
    raises=(NotFound,),
    summary="Send feedback from a server",
)
def create_feedback(call: Call[FeedbackCreate]) -> FeedbackView:
    """
    On a run of the caller's own, or with the permission `runs:read` on any.

    There is one feedback of each person on a run: what is sent takes the place of what was sent before.
    """
    edge, tenant = call.edge, call.principal.tenant
    visible_run(edge, call.principal, call.input.run_id)
    run = edge.runs.get(tenant, RunId(call.input.run_id))
    opinion = _checked(run, call.input.opinion())
    subject = giver(tenant, run, call.input.user)
    given = _give(edge, tenant, run, subject, Source.SERVER, opinion)
    _count(edge, Source.SERVER, opinion)
    return feedback_view(given)


@feedback.get(
    "/feedback",
    permission=Permission.FEEDBACK_READ,
    query=FeedbackQuery,
    returns=ListOf[FeedbackView],
    summary="List feedback",
)
def list_feedback(call: Call[FeedbackQuery]) -> ListOf[FeedbackView]:
    """
    Newest first; a page may hold fewer than asked for.

    Texts are withheld from those who may not read every document that the answer was made from.
    """
    asked = call.input
    found, cursor = call.edge.feedback.list(
        call.principal.tenant, asked.wanted(), limit=asked.limit, cursor=asked.cursor
    )
    reached = [one for one in found if may_use_index(call.principal, one.index)]
    withheld = withheld_among(call.edge, call.principal, reached)
    views = [feedback_view(one, withheld=one.feedback_id in withheld) for one in reached]
    return ListOf[FeedbackView](items=views, next_cursor=cursor)


@feedback.get(
    "/feedback/{feedback_id}",
    permission=Permission.FEEDBACK_READ,
    query=NoQuery,
    returns=FeedbackDetail,
    revision=lambda view: view.version,
    summary="Read feedback",
)
def get_feedback(call: Call[NoQuery]) -> FeedbackDetail:
    """With everything that was said before."""
    found = reachable(call.edge, call.principal, call.path["feedback_id"])
    history = call.edge.feedback.history(call.principal.tenant, found.feedback_id)
    return feedback_detail(found, history, withheld=bool(withheld_among(call.edge, call.principal, [found])))


@feedback.patch(
    "/feedback/{feedback_id}",
    permission=Permission.FEEDBACK_TRIAGE,
    body=TriagePatch,
    returns=FeedbackView,
    revision=lambda view: view.version,
    summary="Deal with feedback",
)
def triage_feedback(call: Call[TriagePatch]) -> FeedbackView:
    """What the person said stays as it is; if something else is said later, the status goes back to `new`."""
    wanted = reachable(call.edge, call.principal, call.path["feedback_id"]).feedback_id
    now = call.edge.clock.now()

    def change(standing: Feedback) -> Triage:
        call.check_version(f"Feedback {wanted}", standing.version)
        changed: Any = call.input.changed()
        return replace(standing.triage, **changed, updated_at=now, updated_by=call.principal.subject)

    return _shown(call, call.edge.feedback.triage(call.principal.tenant, FeedbackId(wanted), change))


def _token(call: Call[FeedbackTokenCreate]) -> FeedbackTokenView:
    asked, tenant = call.input, call.principal.tenant
    run = visible_run(call.edge, call.principal, asked.run_id)
    origins = _narrowed(call.edge.tenants.get(tenant).feedback_origins, asked.origins)
    token, expires_at = call.edge.feedback_tokens.issue(
        tenant, run.run_id, giver(tenant, run, asked.user), origins, timedelta(seconds=asked.lifetime_s)
    )
    return FeedbackTokenView(token=token, run_id=run.run_id, origins=list(origins), expires_at=expires_at)


def _narrowed(allowed: Sequence[str], asked: Sequence[str] | None) -> Sequence[str]:
    if asked is None:
        return allowed
    beyond = [] if ANY_ORIGIN in allowed else sorted(set(asked) - set(allowed))
    if beyond:
        raise InvalidRequest(
            f"{', '.join(beyond)}: not among the tenant's feedback_origins; PATCH /v1/tenants adds it."
        )
    return asked


def _checked(run: Run, opinion: Opinion) -> Opinion:
    """Give what is kept of *opinion*. Raises `InvalidRequest` where it rates what is no part of *run*."""
    foreign = foreign_chunks(run, opinion)
    if foreign:
        faults = [{"loc": ["citations", chunk], "msg": "No chunk of this run"} for chunk in foreign[:20]]
        raise InvalidRequest("Only chunks of the run itself can be rated.", faults)
    return kept_of(run, opinion)


def _charge(call: PageCall[Any]) -> None:
    cap = call.edge.tenants.get(call.scope.tenant).feedback_daily_cap
    call.edge.feedback_limits.charge(call.scope, cap, call.edge.clock.now())


def _give(edge: Edge, tenant: Tenant, run: Run, subject: str, source: Source, opinion: Opinion) -> Feedback:
    said = Revision(1, edge.clock.now(), source, opinion)
    return edge.feedback.give(tenant, run, subject, said, days=edge.tenants.get(tenant).feedback_retention_days)


def _count(edge: Edge, source: Source, opinion: Opinion | None) -> None:
    said = "retracted" if opinion is None else opinion.rating or "none"
    edge.metrics.count("Feedback", Source=source, Rating=said)
    edge.metrics.flush()


def _receipt(given: Feedback) -> FeedbackReceipt:
    return FeedbackReceipt(
        feedback_id=given.feedback_id,
        run_id=given.run_id,
        rating=given.opinion.rating if given.opinion else None,
        revision=given.revision,
        retracted=given.opinion is None,
        updated_at=given.updated_at,
    )


def _shown(call: Call[Any], one: Feedback) -> FeedbackView:
    return feedback_view(one, withheld=bool(withheld_among(call.edge, call.principal, [one])))
