"""Feedback: what a person thinks of one answer, in versions, and what became of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from chalicelib.domain.access import Tenant
from chalicelib.domain.identifiers import ChunkId, DocumentId, FeedbackId, ReleaseId, RunId, derived_id
from chalicelib.domain.runs import Run, RunKind, mentioned

MAX_COMMENT_CHARACTERS = 4_000
MAX_CORRECTION_CHARACTERS = 8_000
MAX_SELECTION_CHARACTERS = 4_000
MAX_PUBLIC_BODY_BYTES = 16 * 1024
MAX_WRITES_PER_TOKEN = 20
TOKEN_LIFETIME = timedelta(hours=24)


class Rating(StrEnum):
    """Thumbs."""

    UP = "up"
    DOWN = "down"


class Reason(StrEnum):
    """What is wrong with an answer."""

    WRONG = "wrong"
    OUTDATED = "outdated"
    MISSING = "missing"
    NOT_IN_SOURCES = "not_in_sources"
    BAD_CITATION = "bad_citation"
    UNCLEAR = "unclear"
    TOO_LONG = "too_long"
    UNSAFE = "unsafe"
    OTHER = "other"


class Source(StrEnum):
    """Who sent it: a page with a token, or a server with a credential."""

    BROWSER = "browser"
    SERVER = "server"


class TriageStatus(StrEnum):
    """How far somebody has dealt with it."""

    NEW = "new"
    TRIAGED = "triaged"
    RESOLVED = "resolved"
    DISMISSED = "dismissed"


@dataclass(frozen=True, slots=True)
class Opinion:
    """
    What a person said. *score* is from 0 to 1, high is good; *citations* rates chunks of the run by -1, 0 or 1;
    *selection* is the part of the answer that is meant.
    """

    rating: Rating | None = None
    score: float | None = None
    reasons: tuple[Reason, ...] = ()
    comment: str | None = None
    corrected_answer: str | None = None
    citations: Mapping[str, int] = field(default_factory=dict)
    selection: str | None = None

    def without_texts(self) -> Opinion:
        """Give it with nothing that may repeat what stands in a document."""
        return replace(self, comment=None, corrected_answer=None, citations={}, selection=None)


@dataclass(frozen=True, slots=True)
class Revision:
    """What was said at one time; *opinion* is None where everything was taken back."""

    number: int
    at: datetime
    source: Source
    opinion: Opinion | None


@dataclass(frozen=True, slots=True)
class Triage:
    """What those who look after the answers made of it."""

    status: TriageStatus = TriageStatus.NEW
    assignee: str | None = None
    note: str | None = None
    labels: tuple[str, ...] = ()
    updated_at: datetime | None = None
    updated_by: str | None = None


@dataclass(frozen=True, slots=True)
class Feedback:
    """
    One person's feedback on one run as it stands; *opinion* is None once it was taken back.

    *subject* is the person, hashed. *documents* are those whose text the person may have seen and repeated; *revision*
    counts what the person said, *version* every change, *redacted* says that a document's deletion took the texts.
    """

    feedback_id: FeedbackId
    run_id: RunId
    subject: str
    source: Source
    index: str
    release_id: ReleaseId
    documents: tuple[DocumentId, ...]
    created_at: datetime
    updated_at: datetime
    opinion: Opinion | None
    triage: Triage = field(default_factory=Triage)
    revision: int = 1
    redacted: bool = False
    version: int = 0

    def latest(self) -> Revision:
        """Give what was said last."""
        return Revision(self.revision, self.updated_at, self.source, self.opinion)


@dataclass(frozen=True, slots=True)
class FeedbackFilter:
    """Which feedback; None for any. *first* and *last* are when it was first given, *last* not included."""

    rating: Rating | None = None
    status: TriageStatus | None = None
    reason: Reason | None = None
    release: str | None = None
    index: str | None = None
    run: str | None = None
    first: datetime | None = None
    last: datetime | None = None
    retracted: bool = False

    def admits(self, one: Feedback) -> bool:
        """Say whether it is asked for."""
        if one.opinion is None:
            return self.retracted and self._is_of(one)
        return (
            not self.retracted
            and self._is_of(one)
            and self.rating in {None, one.opinion.rating}
            and (self.reason is None or self.reason in one.opinion.reasons)
        )

    def _is_of(self, one: Feedback) -> bool:
        return (
            self.status in {None, one.triage.status}
            and self.release in {None, one.release_id}
            and self.index in {None, one.index}
            and (self.first is None or one.created_at >= self.first)
            and (self.last is None or one.created_at < self.last)
        )


@dataclass(frozen=True, slots=True)
class FeedbackScope:
    """All that a feedback token opens: one person's feedback on one run, from pages of *origins*, for a while."""

    tenant: Tenant
    run_id: RunId
    subject: str
    origins: Sequence[str]
    token_id: str
    expires_at: datetime


def hashed_subject(tenant: Tenant, who: str) -> str:
    """Give what stands for a person of *tenant*, the same for all runs."""
    return hashlib.sha256(f"{tenant.tenant_id}\0{who}".encode()).hexdigest()[:32]


def giver(tenant: Tenant, run: Run, user: str | None = None) -> str:
    """Give the hashed subject whose feedback on *run* it is: *user*, or whom the question was asked for, or by."""
    return hashed_subject(tenant, user or run.user or run.created_by)


def feedback_id(tenant: Tenant, run_id: RunId, subject: str) -> FeedbackId:
    """Name the feedback of a hashed *subject* on a run: there is one, however often it is sent."""
    return FeedbackId(derived_id("fbk", run_id, tenant.tenant_id, subject))


def first_feedback(tenant: Tenant, run: Run, subject: str, said: Revision) -> Feedback:
    """Give the feedback that begins with what was *said*."""
    return Feedback(
        feedback_id=feedback_id(tenant, run.run_id, subject),
        run_id=run.run_id,
        subject=subject,
        source=said.source,
        index=run.index,
        release_id=run.release_id,
        documents=tuple(sorted(mentioned(run))),
        created_at=said.at,
        updated_at=said.at,
        opinion=said.opinion,
    )


def changed(feedback: Feedback, at: datetime, source: Source, opinion: Opinion | None) -> Feedback:
    """Give *feedback* with what was said now; the very same again changes nothing. What is new is to be looked at."""
    if opinion == feedback.opinion:
        return feedback
    return replace(
        feedback,
        source=source,
        updated_at=at,
        opinion=opinion,
        revision=feedback.revision + 1,
        triage=replace(feedback.triage, status=TriageStatus.NEW),
    )


def kept_of(run: Run, opinion: Opinion) -> Opinion:
    """Give what is kept of an opinion: no texts, once a document was deleted that the answer had quoted."""
    is_cut = run.kind is RunKind.QUERY and run.answer is None and run.error is None
    return opinion.without_texts() if is_cut else opinion


def foreign_chunks(run: Run, opinion: Opinion) -> list[str]:
    """Give the rated chunks that are none of *run*'s."""
    citations = {citation.chunk_id for citation in (*run.citations, *run.nearest)}
    evidence = {one.chunk_id for claim in run.claims for one in claim.evidence}
    known: set[ChunkId] = {passage.chunk_id for passage in run.passages} | citations | evidence
    return [chunk for chunk in opinion.citations if chunk not in known]
