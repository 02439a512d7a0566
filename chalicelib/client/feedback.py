"""What people think of answers, and how it is dealt with."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.client.calling import Caller, quoted
from chalicelib.contracts.feedback import (
    FeedbackCreate,
    FeedbackDetail,
    FeedbackQuery,
    FeedbackTokenCreate,
    FeedbackTokenView,
    FeedbackView,
    TriagePatch,
)


class Feedback(Caller):
    """Feedback from a server, in the name of its users; pages send theirs by token (`docs/feedback.md`)."""

    def send_feedback(self, request: FeedbackCreate, *, idempotency_key: str | None = None) -> FeedbackView:
        """Say what somebody thinks of a run; it takes the place of what the same person said before."""
        return self._create("/feedback", request, FeedbackView, idempotency_key)

    def feedback(self, query: FeedbackQuery | None = None) -> Iterator[FeedbackView]:
        """List what people think, newest first."""
        return self._items("/feedback", FeedbackView, query)

    def feedback_detail(self, feedback_id: str) -> FeedbackDetail:
        """Give one person's feedback on one run, with everything said before."""
        return self._get(f"/feedback/{quoted(feedback_id)}", FeedbackDetail)

    def triage_feedback(self, feedback_id: str, request: TriagePatch, *, if_version: int | None = None) -> FeedbackView:
        """Set status, assignee, note or labels; with *if_version*, only if it still has that one."""
        return self._change(f"/feedback/{quoted(feedback_id)}", request, FeedbackView, if_version)

    def create_feedback_token(
        self, request: FeedbackTokenCreate, *, idempotency_key: str | None = None
    ) -> FeedbackTokenView:
        """Make a token that lets a page give feedback on a run."""
        return self._create("/feedback-tokens", request, FeedbackTokenView, idempotency_key)
