"""Why a chunk or a document was, or was not, among the passages of a run."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field, model_validator

from chalicelib.contracts.asking import Question, ReasonsView, WordingView
from chalicelib.contracts.common import Filter, Identifier, RequestModel, ResponseModel, Timestamp
from chalicelib.contracts.release_settings import MAX_TOP_K


class Subject(RequestModel):
    """A document, or one chunk of it."""

    document_id: Identifier | None = None
    chunk_id: Identifier | None = None

    @model_validator(mode="after")
    def _one(self) -> Subject:
        if (self.document_id is None) == (self.chunk_id is None):
            raise ValueError("name either document_id or chunk_id")
        return self


class ReturnedPassage(RequestModel):
    """A passage of the run, with its place in its document."""

    chunk_id: Identifier
    document_id: Identifier
    start: int
    end: int


class ExplanationRequest(RequestModel):
    """What one service asks another: the subject, and what is known of the run."""

    run_id: Identifier
    subject: Subject
    release: Identifier
    question: Question
    searched: list[WordingView] = Field(default_factory=list)
    filter: Filter | None = None
    top_k: int = Field(ge=1, le=MAX_TOP_K)
    returned: list[ReturnedPassage]
    asked_at: Timestamp = Field(strict=False)


class Outcome(StrEnum):
    """What became of the subject; the first that holds."""

    RETURNED = "returned"
    NOT_READY = "not_ready"
    OTHER_INDEX = "other_index"
    OTHER_GENERATION = "other_generation"
    SUPERSEDED = "superseded"
    ADDED_LATER = "added_later"
    FILTERED_OUT = "filtered_out"
    NO_MATCH = "no_match"
    NOT_A_CANDIDATE = "not_a_candidate"
    RANKED_BELOW = "ranked_below"
    RETURNED_NOW = "returned_now"


class Explanation(ResponseModel):
    """
    What became of the subject, as things stand now: the search is done again, for the caller.

    For a document, *chunk_id* is its best chunk. *rank* is its place in the end, and *explain* says what it came to in
    each leg; both are null where it did not come so far.
    """

    run_id: Identifier
    document_id: Identifier
    chunk_id: Identifier | None
    outcome: Outcome
    reason: str
    rank: int | None = None
    top_k: int
    candidates: int
    explain: ReasonsView | None = None
