"""Feedback in the shape of the wire."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.contracts.feedback import FeedbackDetail, FeedbackView, RatedChunk, RevisionView
from chalicelib.domain.feedback import Feedback, Opinion, Revision


def feedback_view(one: Feedback, *, withheld: bool = False) -> FeedbackView:
    """Give *one* as it may be seen: without texts where they are *withheld*."""
    return FeedbackView.model_validate(_fields(one, withheld=withheld))


def feedback_detail(one: Feedback, history: Sequence[Revision], *, withheld: bool) -> FeedbackDetail:
    """Give *one* with its *history*, likewise."""
    revisions = [_revision(each, withheld=withheld) for each in history]
    return FeedbackDetail.model_validate({**_fields(one, withheld=withheld), "history": revisions})


def _fields(one: Feedback, *, withheld: bool) -> dict[str, object]:
    return {
        **_said(one.opinion, withheld=withheld),
        "feedback_id": one.feedback_id,
        "run_id": one.run_id,
        "index": one.index,
        "release": one.release_id,
        "source": one.source,
        "withheld": withheld,
        "redacted": one.redacted,
        "status": one.triage.status,
        "assignee": one.triage.assignee,
        "note": None if withheld else one.triage.note,
        "labels": list(one.triage.labels),
        "triaged_at": one.triage.updated_at,
        "triaged_by": one.triage.updated_by,
        "revision": one.revision,
        "version": one.version,
        "created_at": one.created_at,
        "updated_at": one.updated_at,
    }


def _revision(one: Revision, *, withheld: bool) -> RevisionView:
    said = _said(one.opinion, withheld=withheld)
    return RevisionView.model_validate({**said, "revision": one.number, "at": one.at, "source": one.source})


def _said(opinion: Opinion | None, *, withheld: bool) -> dict[str, object]:
    said = opinion or Opinion()
    shown = said.without_texts() if withheld else said
    rated = [RatedChunk.model_validate({"chunk_id": chunk, "rating": how}) for chunk, how in shown.citations.items()]
    return {
        "retracted": opinion is None,
        "rating": shown.rating,
        "score": shown.score,
        "reasons": list(shown.reasons),
        "comment": shown.comment,
        "corrected_answer": shown.corrected_answer,
        "citations": rated,
        "selection": shown.selection,
    }
