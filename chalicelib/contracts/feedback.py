"""Feedback on answers: from pages, from servers, and as those see it who look after the answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from chalicelib.contracts.common import Identifier, IndexName, RequestModel, ResponseModel, Timestamp
from chalicelib.contracts.queries import PageQuery
from chalicelib.contracts.tenants import Origin
from chalicelib.domain.feedback import (
    MAX_COMMENT_CHARACTERS,
    MAX_CORRECTION_CHARACTERS,
    MAX_SELECTION_CHARACTERS,
    TOKEN_LIFETIME,
    FeedbackFilter,
    Opinion,
    Rating,
    Reason,
    Source,
    TriageStatus,
)

MAX_RATED_CHUNKS = 100
MAX_LABELS = 20

ChunkRating = Literal[-1, 0, 1]
Comment = Annotated[str, StringConstraints(min_length=1, max_length=MAX_COMMENT_CHARACTERS)]
Correction = Annotated[str, StringConstraints(min_length=1, max_length=MAX_CORRECTION_CHARACTERS)]
Selection = Annotated[str, StringConstraints(min_length=1, max_length=MAX_SELECTION_CHARACTERS)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^\S(.*\S)?$")]
User = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Reasons = Annotated[list[Annotated[Reason, Field(strict=False)]], Field(max_length=len(Reason))]


class _Said(RequestModel):
    """What both ways of sending feedback share."""

    reasons: Reasons = Field(default_factory=list)
    comment: Comment | None = None
    corrected_answer: Correction | None = Field(None, description="What the answer should have been")
    selection: Selection | None = Field(None, description="The part of the answer that is meant")

    def _opinion(self, rating: Rating | None, score: float | None, citations: dict[str, int]) -> Opinion:
        return Opinion(
            rating=rating,
            score=score,
            reasons=tuple(sorted(set(self.reasons))),
            comment=self.comment,
            corrected_answer=self.corrected_answer,
            citations=citations,
            selection=self.selection,
        )


class PublicFeedback(_Said):
    """What a page's reader thinks; it takes the place of what the same reader sent before."""

    rating: Rating = Field(strict=False)
    citations: dict[Identifier, ChunkRating] = Field(
        default_factory=dict, max_length=MAX_RATED_CHUNKS, description="By `chunk_id`; chunks of this run only"
    )

    def opinion(self) -> Opinion:
        """Give the domain's form of it."""
        return self._opinion(self.rating, None, dict(self.citations))


class FeedbackReceipt(ResponseModel):
    """What is kept of a reader's feedback."""

    feedback_id: Identifier
    run_id: Identifier
    rating: Rating | None
    revision: int = Field(description="Counts what was said; 0 where nothing ever was")
    retracted: bool
    updated_at: Timestamp | None


class RatedChunk(RequestModel):
    """A chunk of the run, and how good it is as a source."""

    chunk_id: Identifier
    rating: ChunkRating


class FeedbackCreate(_Said):
    """What somebody thinks, sent by your server; it takes the place of what the same person sent before."""

    run_id: Identifier
    rating: Rating | None = Field(None, strict=False)
    score: float | None = Field(None, ge=0, le=1, description="In place of thumbs, or beside them")
    citations: list[RatedChunk] = Field(default_factory=list, max_length=MAX_RATED_CHUNKS)
    user: User | None = Field(None, description="Whose it is; otherwise the `user` of the question, or who asked it")

    @model_validator(mode="after")
    def _something_said(self) -> FeedbackCreate:
        if self.opinion() == Opinion():
            raise ValueError("say something: a rating, a score, a comment, …")
        return self

    def opinion(self) -> Opinion:
        """Give the domain's form of it."""
        return self._opinion(self.rating, self.score, {one.chunk_id: one.rating for one in self.citations})


class FeedbackTokenCreate(RequestModel):
    """A token for one run; less can be asked for than the tenant allows, never more."""

    run_id: Identifier
    user: User | None = Field(
        None, description="Who will use it; otherwise the `user` of the question, or who asked it"
    )
    origins: list[Origin] | None = Field(None, max_length=50, description="Some of the tenant's `feedback_origins`")
    lifetime_s: int = Field(int(TOKEN_LIFETIME.total_seconds()), ge=60, le=int(TOKEN_LIFETIME.total_seconds()))


class FeedbackTokenView(ResponseModel):
    """A token that opens one person's feedback on one run, from pages of *origins*, and nothing else."""

    token: str
    run_id: Identifier
    origins: list[str]
    expires_at: Timestamp


class FeedbackQuery(PageQuery):
    """Which feedback."""

    rating: Rating | None = None
    status: TriageStatus | None = None
    reason: Reason | None = None
    release: Identifier | None = None
    index: IndexName | None = None
    run: Identifier | None = None
    retracted: bool = Field(False, description="What was taken back, in place of what stands")
    from_: AwareDatetime | None = Field(None, alias="from", description="First given no earlier")
    to: AwareDatetime | None = Field(None, description="First given earlier")

    def wanted(self) -> FeedbackFilter:
        """Give the repository's form of it."""
        return FeedbackFilter(
            rating=self.rating,
            status=self.status,
            reason=self.reason,
            release=self.release,
            index=self.index,
            run=self.run,
            first=self.from_,
            last=self.to,
            retracted=self.retracted,
        )


class FeedbackView(ResponseModel):
    """
    One person's feedback on one run. *withheld* says that its texts repeat what the caller may not read, *redacted*
    that they went with a document that was deleted.
    """

    feedback_id: Identifier
    run_id: Identifier
    index: str
    release: Identifier
    source: Source
    rating: Rating | None
    score: float | None
    reasons: list[Reason]
    comment: str | None
    corrected_answer: str | None
    citations: list[RatedChunk]
    selection: str | None
    retracted: bool
    withheld: bool
    redacted: bool
    status: TriageStatus
    assignee: str | None
    note: str | None
    labels: list[str]
    triaged_at: Timestamp | None
    triaged_by: str | None
    revision: int = Field(description="Counts what was said")
    version: int = Field(description="Counts every change; the `ETag`")
    created_at: Timestamp
    updated_at: Timestamp = Field(description="When something was last said")


class RevisionView(ResponseModel):
    """What was said at one time; everything is null where it was taken back."""

    revision: int
    at: Timestamp
    source: Source
    retracted: bool
    rating: Rating | None
    score: float | None
    reasons: list[Reason]
    comment: str | None
    corrected_answer: str | None
    citations: list[RatedChunk]
    selection: str | None


class FeedbackDetail(FeedbackView):
    """Feedback with everything that was said, oldest first."""

    history: list[RevisionView]


class TriagePatch(RequestModel):
    """What is to change; what is left out stays, and null empties what may be empty."""

    status: TriageStatus | None = Field(None, strict=False)
    assignee: User | None = None
    note: Comment | None = None
    labels: list[Label] | None = Field(None, max_length=MAX_LABELS)

    def changed(self) -> dict[str, object]:
        """Give the fields that were given."""
        given: dict[str, object] = {
            name: getattr(self, name)
            for name in self.model_fields_set
            if getattr(self, name) is not None or name in {"assignee", "note"}
        }
        if self.labels is not None:
            given["labels"] = tuple(dict.fromkeys(self.labels))
        return given
