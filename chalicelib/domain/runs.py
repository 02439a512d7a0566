"""A run: one answered question with everything needed to explain or repeat it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import JsonValue

from chalicelib.domain.documents import Metadata
from chalicelib.domain.identifiers import ChunkId, DocumentId, ReleaseId, RunId
from chalicelib.domain.releases import EXTRACTIVE


class RunKind(StrEnum):
    """`retrieve` found passages only; `query` answered."""

    RETRIEVE = "retrieve"
    QUERY = "query"


class Verdict(StrEnum):
    """What checking a claim against the passages it cites came to."""

    SUPPORTED = "supported"
    MISATTRIBUTED = "misattributed"
    UNSUPPORTED = "unsupported"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class Reasons:
    """
    Why a passage stands where it stands; ranks count from 1, None where the leg did not bring it.

    *dense_score* is a cosine, *lexical_score* a BM25; both high is good. *dense_weight* is the share of the dense
    leg in the fusion and *weight_reason* says why so much; None where only one leg searched. *fused_rank* is its place
    before reranking and diversity. Where the question was searched in several wordings, *found_by* says in which of
    them (counted from 1), and ranks, scores and weight are those of the first.
    """

    dense_rank: int | None = None
    dense_score: float | None = None
    lexical_rank: int | None = None
    lexical_score: float | None = None
    fused_score: float | None = None
    matched_terms: Sequence[str] = ()
    dense_weight: float | None = None
    weight_reason: str | None = None
    fused_rank: int | None = None
    found_by: Sequence[int] = ()
    rerank_score: float | None = None
    rerank_features: Mapping[str, float] = field(default_factory=dict)
    """What the reranker's score was made of, by name."""
    redundancy: float | None = None
    """Highest cosine with a passage before it, where diversity was asked for."""


@dataclass(frozen=True, slots=True)
class Wording:
    """
    What was searched for a question: *text* by its words, and by its meaning together with *imagined* answers.

    The vector searched is the mean of those of *text* and *imagined*.
    """

    text: str
    imagined: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Passage:
    """
    A retrieved chunk, permitted to its reader, with its score and origin; *start*, *end* and *context* as in `Chunk`.

    Where the chunk has a parent, *text* and place are the parent's.
    """

    chunk_id: ChunkId
    document_id: DocumentId
    external_id: str | None
    name: str
    version: int
    page: int | None
    heading_path: Sequence[str]
    text: str
    start: int
    end: int
    score: float
    metadata: Metadata = field(default_factory=dict)
    reasons: Reasons = field(default_factory=Reasons)
    context: str = ""


@dataclass(frozen=True, slots=True)
class Citation:
    """
    An exact quote from a passage: ``quote == document_text[start:end]``.

    *marker* counts from 1 in order of appearance in the answer, where it stands as ``[1]``.
    """

    marker: int
    chunk_id: ChunkId
    document_id: DocumentId
    name: str
    page: int | None
    heading_path: Sequence[str]
    quote: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """
    Where a claim was found, or where it should have been: ``quote == document_text[start:end]``.

    *marker* is that of the citation it was looked for under; None where another passage says it.
    """

    marker: int | None
    chunk_id: ChunkId
    document_id: DocumentId
    quote: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement of an answer, what checking it came to, and in a word why; *citations* are markers."""

    text: str
    verdict: Verdict
    citations: Sequence[int] = ()
    evidence: Sequence[Evidence] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer used; money in millionths of a US dollar, *unpriced* when some call had no known price."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd_micros: int = 0
    unpriced: bool = False


class Ending(StrEnum):
    """Why an answer goes no further: it was said, or cut off at a limit, or for what it said."""

    STOP = "stop"
    LENGTH = "length"
    CONTENT_FILTER = "content_filter"


@dataclass(frozen=True, slots=True)
class Sent:
    """
    What a model was sent. With the run's passages, conversation and id it can be put together again.

    *prompt* is the version, None for the built-in one; *given* says how many characters of each passage, by number,
    it was given; *sha256* is that of its messages.
    """

    prompt: str | None
    given: Mapping[int, int]
    sha256: str


@dataclass(frozen=True, slots=True)
class Run:
    """One question, the release that answered it, and everything it said."""

    run_id: RunId
    kind: RunKind
    created_at: datetime
    created_by: str
    index: str
    release_id: ReleaseId
    question: str
    passages: Sequence[Passage]
    request: Mapping[str, Any]
    timings_ms: Mapping[str, float]
    trace_id: str
    user: str | None = None
    answer: str | None = None
    abstained: bool | None = None
    citations: Sequence[Citation] = ()
    claims: Sequence[Claim] = ()
    model: str | None = None
    usage: Usage = field(default_factory=Usage)
    error: str | None = None
    searched: Sequence[Wording] = ()
    """The wordings searched; where the run is an old one, unknown."""
    degraded: Sequence[str] = ()
    """What the release asks for and was left out, with the reason."""
    narrowed_by: Mapping[str, JsonValue] | None = None
    """The filters of question and release together; permissions come on top."""
    repeats: RunId | None = None
    """The run whose answer this one gave again."""
    nearest: Sequence[Citation] = ()
    """Where it abstained: the passages that came nearest, each by its best place."""
    sent: Sent | None = None
    """What a model was sent; None where none was asked."""
    span_id: str | None = None
    """A stage of the trace that is the run's own; others may use the same trace."""
    ended: Ending = Ending.STOP


def mentioned(run: Run) -> set[DocumentId]:
    """Give the documents of which *run* holds a text or a quote."""
    return {passage.document_id for passage in run.passages} | cited(run)


def cited(run: Run) -> set[DocumentId]:
    """Give the documents that the answer of *run* quotes, or was checked against."""
    quoted = {citation.document_id for citation in (*run.citations, *run.nearest)}
    return quoted | {evidence.document_id for claim in run.claims for evidence in claim.evidence}


def cut_to(run: Run, kept: Collection[DocumentId]) -> Run:
    """
    Give *run* with nothing of other documents than those *kept*.

    Where the answer cites one of the others, or a model was given it, the answer goes, with citations and claims.
    """
    rest = replace(run, passages=[passage for passage in run.passages if passage.document_id in kept])
    # A model of its own words may have used what it did not cite.
    used = cited(run) if run.model in {None, EXTRACTIVE} else mentioned(run)
    if all(document_id in kept for document_id in used):
        return rest
    return replace(rest, answer=None, citations=(), claims=(), nearest=())
