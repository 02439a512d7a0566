"""One question on its way to an answer: what is known so far, and the run it leaves behind however it ends."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from itertools import accumulate
from typing import TypeVar

from pydantic import JsonValue

from chalicelib.contracts.asking import Answer, CitationView, ClaimView, QueryRequest, UsageView
from chalicelib.contracts.rendering import recorded
from chalicelib.domain.access import Principal
from chalicelib.domain.identifiers import RunId
from chalicelib.domain.prompts import PromptVersion
from chalicelib.domain.releases import Release
from chalicelib.domain.runs import Citation, Claim, Ending, Passage, Run, RunKind, Wording
from chalicelib.errors import BadUpstream
from chalicelib.observability.stages import Stages
from chalicelib.ports.guardrails import Ruling
from fargate.generation.drafts import Draft
from fargate.generation.link_guard import guarded
from fargate.generation.redaction import redacted
from fargate.generation.reuse import fingerprint

# A run is one row of at most 400 KB; what question, conversation, answer and claims leave of it is the passages'.
MAX_PASSAGE_BYTES = 200_000
MAX_RUN_BYTES = 380_000
MAX_CLAIM_BYTES = 80_000

FoundT = TypeVar("FoundT", Claim, Citation)


@dataclass(slots=True)
class Answering:
    """What is known of one question; the draft is None until the model is through, *said* is what it gave till then."""

    run_id: RunId
    principal: Principal
    request: QueryRequest
    release: Release
    created_at: datetime
    trace_id: str
    span_id: str | None
    stages: Stages
    link_hosts: Collection[str] = ()
    passages: Sequence[Passage] = ()
    searched: Sequence[Wording] = ()
    degraded: Sequence[str] = ()
    narrowed_by: Mapping[str, JsonValue] | None = None
    said: list[str] = field(default_factory=list)
    draft: Draft | None = None
    claims: Sequence[Claim] = ()
    prompt: PromptVersion | None = None
    repeats: RunId | None = None
    remembered_s: int = 0
    """For how long its answer may be given again."""
    feedback_token: str | None = None

    def fingerprint(self) -> str:
        """See `reuse.fingerprint`."""
        return fingerprint(self.principal, self.request, self.release.release_id, self.passages, self.link_hosts)

    def redact(self) -> None:
        """Take out of the text and the claims what the release says, and note how much it was."""
        draft, settings = self.written(), self.release.config.answer.redact
        if not settings.kinds:
            return
        text = redacted(draft.text, settings)
        self.draft = replace(draft, text=text.text)
        self.claims = [replace(claim, text=redacted(claim.text, settings).text) for claim in self.claims]
        if text.count:
            self.degraded = [*self.degraded, f"Personal data was taken out of the answer in {text.count} places."]

    def guard_links(self) -> None:
        """Take every link out of the text and the claims that leads to a host which the tenant does not allow."""
        draft, allowed = self.written(), self.link_hosts
        self.draft = replace(draft, text=guarded(draft.text, allowed))
        self.claims = [replace(claim, text=guarded(claim.text, allowed)) for claim in self.claims]

    def rule(self, ruling: Ruling) -> None:
        """Say what the guardrail lets be said. Claims about other words than those go; a blocked answer is none."""
        draft = self.written()
        if ruling.blocked:
            bare = replace(draft, citations=(), statements=(), nearest=(), abstained=True)
            self.draft = replace(bare, text=ruling.text, ended=Ending.CONTENT_FILTER)
        else:
            self.draft = replace(draft, text=ruling.text)
        if ruling.text != draft.text:
            self.claims = ()
            self.degraded = [
                *self.degraded,
                f"The guardrail changed the answer: {', '.join(ruling.reasons) or 'no reason'}.",
            ]

    def repeat(self, run: Run) -> None:
        """Take over the answer of *run*, which cost nothing this time."""
        self.draft = Draft(
            run.answer or "",
            run.citations,
            abstained=bool(run.abstained),
            nearest=run.nearest,
            model=run.model,
            ended=run.ended,
        )
        self.claims = run.claims
        self.repeats = run.run_id

    def written(self) -> Draft:
        """Give the draft. Raises `BadUpstream` where the model ended without one."""
        if self.draft is None:
            raise BadUpstream(f"The model {self.release.config.answer.model!r} ended without an answer; ask again.")
        return self.draft

    def answer(self) -> Answer:
        """Give the finished answer."""
        draft = self.written()
        return Answer(
            run_id=self.run_id,
            answer=draft.text,
            abstained=draft.abstained,
            ended=draft.ended,
            citations=[CitationView.model_validate(citation) for citation in draft.citations],
            claims=[ClaimView.model_validate(claim) for claim in self.claims],
            release=self.release.release_id,
            model=draft.model or self.release.config.answer.model,
            usage=UsageView.model_validate(draft.usage),
            timings_ms=self.stages.timings_ms(),
            repeats=self.repeats,
            feedback_token=self.feedback_token,
            nearest=[CitationView.model_validate(citation) for citation in draft.nearest],
        )

    def run(self, error: str | None = None) -> Run:
        """Give the run: the whole answer, or with *error* what of it there was."""
        run = Run(
            run_id=self.run_id,
            kind=RunKind.QUERY,
            created_at=self.created_at,
            created_by=self.principal.subject,
            index=self.release.config.index,
            release_id=self.release.release_id,
            question=self.request.question,
            passages=(),
            request=recorded(self.request),
            timings_ms=self.stages.timings_ms(),
            trace_id=self.trace_id,
            span_id=self.span_id,
            user=self.request.user,
            answer="".join(self.said) or None,
            model=self.release.config.answer.model,
            error=error,
            searched=self.searched,
            degraded=self.degraded,
            narrowed_by=self.narrowed_by,
            repeats=self.repeats,
        )
        if self.draft is not None:
            run = self._with_draft(run, self.draft)
        room = min(MAX_PASSAGE_BYTES, MAX_RUN_BYTES - _bytes(asdict(run)))
        return replace(run, passages=_kept(self.passages, room))

    def _with_draft(self, run: Run, draft: Draft) -> Run:
        return replace(
            run,
            answer=draft.text,
            model=draft.model or run.model,
            abstained=draft.abstained,
            claims=(claims := _fitting(self.claims, MAX_CLAIM_BYTES)),
            citations=_fitting(draft.citations, MAX_CLAIM_BYTES),
            degraded=[*self.degraded, *_not_kept(len(self.claims) - len(claims))],
            usage=draft.usage,
            nearest=draft.nearest,
            sent=draft.sent,
            ended=draft.ended,
        )


def _fitting(found: Sequence[FoundT], room: int) -> list[FoundT]:
    """Give as many, from the first, as *room* bytes hold."""
    sizes = accumulate(_bytes(asdict(one)) for one in found)
    return [one for one, size in zip(found, sizes, strict=True) if size <= room]


def _not_kept(claims: int) -> list[str]:
    return [f"The last {claims} claims were more than a run keeps."] if claims else []


def _kept(passages: Sequence[Passage], room: int) -> list[Passage]:
    """Give *passages*, from where they come to over *room* bytes without text and metadata, which can be read again."""
    kept: list[Passage] = []
    size = 0
    for passage in passages:
        size += _bytes(asdict(passage))
        kept.append(passage if size <= room else replace(passage, text="", metadata={}))
    return kept


def _bytes(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False, default=str).encode(errors="replace"))
