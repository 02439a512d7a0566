"""Questions, passages, answers and the runs that record them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from chalicelib.contracts.common import Filter, Identifier, IndexName, Metadata, RequestModel, ResponseModel, Timestamp
from chalicelib.contracts.release_settings import MAX_TOP_K, AnswerModel, ReleaseName, RetrievalModel
from chalicelib.domain.identifiers import ChunkId, DocumentId
from chalicelib.domain.releases import Strategy
from chalicelib.domain.runs import Ending, Passage, Reasons, RunKind, Verdict, Wording

MAX_QUESTION_CHARACTERS = 8_000
MAX_CONVERSATION_TURNS = 50

Question = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_QUESTION_CHARACTERS, pattern=r"\S"),
    Field(examples=["Can I stop a DB instance that has a read replica?"]),
]


class Turn(RequestModel):
    """One message of the conversation so far."""

    role: Literal["user", "assistant"]
    content: str = Field(max_length=MAX_QUESTION_CHARACTERS)


Conversation = Annotated[
    list[Turn],
    Field(
        max_length=MAX_CONVERSATION_TURNS,
        description="The turns before this question, oldest first; a follow-up is searched so that it stands alone",
    ),
]


class AskFields(RequestModel):
    """What `/retrieve` and `/query` share; a setting left out is the release's."""

    question: Question
    index: IndexName | None = None
    release: ReleaseName | None = None
    filter: Filter | None = None
    top_k: int | None = Field(None, ge=1, le=MAX_TOP_K)
    strategy: Strategy | None = Field(None, strict=False)
    rerank: bool | None = None


class RetrieveRequest(AskFields):
    """A question whose passages are wanted, not an answer."""

    conversation: Conversation = Field(default_factory=list)
    explain: bool = False
    retrieval: RetrievalModel | None = Field(
        None,
        description="Settings to try out; needs `releases:write`. The response names the release they come to, under "
        "which anybody may ask",
    )


class SearchRequest(RequestModel):
    """What one service asks another for: passages under a release that is already settled."""

    question: Question
    conversation: Conversation = Field(default_factory=list)
    release: Identifier
    top_k: int = Field(ge=1, le=MAX_TOP_K)
    filter: Filter | None = None


class QueryRequest(AskFields):
    """A question to be answered."""

    conversation: Conversation = Field(default_factory=list)
    answer: AnswerModel | None = Field(
        None,
        description="Settings to try out; needs `releases:write`. The answer names the release they come to, under "
        "which anybody may ask",
    )
    user: str | None = Field(None, max_length=128, description="Your user's id, for usage and feedback")


class ReasonsView(ResponseModel):
    """Why a passage stands where it stands; ranks count from 1."""

    dense_rank: int | None
    dense_score: float | None
    lexical_rank: int | None
    lexical_score: float | None
    fused_score: float | None
    matched_terms: list[str]
    dense_weight: float | None = Field(None, description="Share of the dense leg in the fused score")
    weight_reason: str | None = Field(None, description="Why the dense leg counts so much")
    fused_rank: int | None = Field(None, description="Its place before reranking and diversity")
    found_by: list[int] = Field(default_factory=list, description="Which of several wordings of the question found it")
    rerank_score: float | None = None
    rerank_features: dict[str, float] = Field(default_factory=dict, description="What the rerank score was made of")
    redundancy: float | None = Field(None, description="Highest cosine with a passage before it")

    def entity(self) -> Reasons:
        """Give the domain's form of it."""
        return Reasons(**self.model_dump())


class WordingView(ResponseModel):
    """What was searched: a text by its words, and by its meaning together with imagined answers."""

    text: str
    imagined: list[str] = Field(default_factory=list)

    def entity(self) -> Wording:
        """Give the domain's form of it."""
        return Wording(self.text, tuple(self.imagined))


class PassageView(ResponseModel):
    """A passage; *start* and *end* are its place in the document's text, in characters."""

    chunk_id: str
    document_id: str
    external_id: str | None
    name: str
    version: int
    page: int | None
    heading_path: list[str]
    text: str
    start: int
    end: int
    context: str = Field("", description="The header of the table that the text goes on with; not part of the text")
    score: float
    metadata: Metadata
    explain: ReasonsView | None = None

    def entity(self) -> Passage:
        """Give the domain's form of it."""
        fields = dict(self) | {
            "chunk_id": ChunkId(self.chunk_id),
            "document_id": DocumentId(self.document_id),
            "reasons": self.explain.entity() if self.explain else Reasons(),
        }
        del fields["explain"]
        return Passage(**fields)


class RetrieveResponse(ResponseModel):
    """
    Passages, best first. Their order is what counts: with a reranker, a score is the one that put it there.
    """

    run_id: Identifier
    release: Identifier
    passages: list[PassageView]
    timings_ms: dict[str, float]
    searched: list[WordingView] = Field(default_factory=list, description="What the question was searched as")
    degraded: list[str] = Field(default_factory=list, description="What the release asks for and was left out, and why")
    narrowed_by: Filter | None = Field(None, description="The filters of question and release; permissions come on top")


class SearchResponse(ResponseModel):
    """Passages, best first, each with its reasons."""

    passages: list[PassageView]
    timings_ms: dict[str, float]
    searched: list[WordingView] = Field(default_factory=list)
    degraded: list[str] = Field(default_factory=list)
    narrowed_by: Filter | None = None


class CitationView(ResponseModel):
    """An exact quote: it stands from *start* to *end* of the document's text, in characters."""

    marker: int
    chunk_id: str
    document_id: str
    name: str
    page: int | None
    heading_path: list[str]
    quote: str
    start: int
    end: int


class EvidenceView(ResponseModel):
    """The place where a claim was found, or should have been."""

    marker: int | None = Field(description="The citation it was looked for under; null where another passage says it")
    chunk_id: str
    document_id: str
    quote: str
    start: int
    end: int


class ClaimView(ResponseModel):
    """One statement of the answer; *citations* are markers."""

    text: str
    verdict: Verdict
    citations: list[int]
    evidence: list[EvidenceView] = Field(default_factory=list)
    reason: str = Field(
        "", description="Why the verdict is what it is, for programs", examples=["number_not_in_source"]
    )


class UsageView(ResponseModel):
    """What the answer used."""

    input_tokens: int
    output_tokens: int
    cost_usd_micros: int
    unpriced: bool


class Answer(ResponseModel):
    """An answer with its evidence, or an abstention."""

    run_id: Identifier
    answer: str
    abstained: bool
    citations: list[CitationView]
    claims: list[ClaimView]
    release: Identifier
    model: str
    usage: UsageView
    timings_ms: dict[str, float]
    repeats: Identifier | None = Field(None, description="The run whose answer was given again, at no cost")
    feedback_token: str | None = Field(None, description="Opens feedback on this run")
    nearest: list[CitationView] = Field(
        default_factory=list, description="Where it abstained: the passages that came nearest, by their best places"
    )
    ended: Ending = Field(
        Ending.STOP, description="`length`: the model was cut off at a limit; `content_filter`: for what it said"
    )


class RunEvent(ResponseModel):
    """The first event of a stream."""

    event: Literal["run"] = "run"
    run_id: Identifier
    release: Identifier


class PassagesEvent(ResponseModel):
    """The passages the answer is made from."""

    event: Literal["passages"] = "passages"
    passages: list[PassageView]


class TokenEvent(ResponseModel):
    """The next piece of the answer's text."""

    event: Literal["token"] = "token"
    text: str


class CitationsEvent(ResponseModel):
    """All citations."""

    event: Literal["citations"] = "citations"
    citations: list[CitationView]


class ClaimsEvent(ResponseModel):
    """All claims."""

    event: Literal["claims"] = "claims"
    claims: list[ClaimView]


class DoneEvent(ResponseModel):
    """The end of a stream that went well: the whole answer again, with cost and timings."""

    event: Literal["done"] = "done"
    answer: Answer


class ErrorEvent(ResponseModel):
    """The end of a stream that failed: the problem it would have been answered with."""

    event: Literal["error"] = "error"
    problem: dict[str, Any]


AnswerEvent = RunEvent | PassagesEvent | TokenEvent | CitationsEvent | ClaimsEvent | DoneEvent | ErrorEvent


class RunSummary(ResponseModel):
    """A run in a list."""

    run_id: Identifier
    kind: RunKind
    index: str
    question: str
    answer: str | None
    abstained: bool | None
    release: Identifier
    model: str | None
    user: str | None
    created_by: str
    created_at: Timestamp


class SentView(ResponseModel):
    """What a model was sent; `GET /runs/{run_id}/messages` puts it together again."""

    prompt: str | None = Field(description="The prompt's version, or null for the built-in one")
    given: dict[int, int] = Field(description="How many characters of each passage, by its number")
    sha256: str = Field(description="Of the messages")


class RunView(RunSummary):
    """Everything a run recorded that its reader may read."""

    passages: list[PassageView]
    citations: list[CitationView]
    claims: list[ClaimView]
    usage: UsageView
    timings_ms: dict[str, float]
    request: dict[str, Any]
    trace_id: str
    error: str | None
    searched: list[WordingView]
    degraded: list[str]
    narrowed_by: Filter | None
    repeats: Identifier | None
    nearest: list[CitationView] = Field(default_factory=list)
    sent: SentView | None = Field(None, description="What a model was sent; null where none was asked")
    ended: Ending = Field(Ending.STOP, description="Why the answer ends there, as in the answer itself")
