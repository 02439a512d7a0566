"""The generation service: a question in, an answer with checked citations out, whole or as a stream."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import aclosing
from contextvars import copy_context
from dataclasses import replace

from chalicelib.contracts.asking import (
    Answer,
    AnswerEvent,
    CitationsEvent,
    CitationView,
    ClaimsEvent,
    ClaimView,
    DoneEvent,
    ErrorEvent,
    PassagesEvent,
    QueryRequest,
    RunEvent,
    SearchRequest,
    TokenEvent,
)
from chalicelib.contracts.components import ComponentKind, Components, ComponentView
from chalicelib.contracts.prompts import PromptPreview, PromptPreviewRequest, SentMessages, SentRequest
from chalicelib.contracts.rendering import passage_views
from chalicelib.domain.access import Principal, Tenant
from chalicelib.domain.filters import parse_filter
from chalicelib.domain.identifiers import Entropy, RunId, new_id
from chalicelib.domain.releases import EXTRACTIVE, ClaimPolicy, GenerationSettings, GuardrailSettings, Release
from chalicelib.domain.runs import Run
from chalicelib.errors import InvalidRequest, RagError
from chalicelib.observability.logs import get_logger
from chalicelib.observability.metrics import Metrics
from chalicelib.observability.spans import current_span_id, current_trace_id
from chalicelib.observability.stages import Stages
from chalicelib.ports.clock import Clock
from chalicelib.ports.guardrails import Guardrail, Ruling
from chalicelib.ports.models import Embedder
from chalicelib.ports.services import ModelGateway, Retriever
from chalicelib.repositories.effective_release import EffectiveRelease
from chalicelib.repositories.remembered_answers import RememberedAnswers
from chalicelib.repositories.runs import Runs
from fargate.generation.answering import Answering
from fargate.generation.claim_check import ClaimCheck
from fargate.generation.claim_policy import apply_policy
from fargate.generation.claim_split import split
from fargate.generation.drafts import Answerer, Draft
from fargate.generation.extractive import ExtractiveAnswerer
from fargate.generation.link_guard import LinkGuard
from fargate.generation.model_answerer import ModelAnswerer
from fargate.generation.previewing import Previewing
from fargate.generation.redaction import Redactor


class NoGuardrail:
    """See `Guardrail`: there is none here."""

    async def judge(self, text: str, settings: GuardrailSettings) -> Ruling:  # noqa: ARG002 - the port's signature
        """Refuse, so that no release is answered without the guardrail it names."""
        raise InvalidRequest(f"Guardrail {settings.id!r} cannot be asked here; name a release without one.")


CLIENT_DISCONNECTED = "client_disconnected"

_WORD = re.compile(r"\s*\S+")

LinkHosts = Callable[[Tenant], Collection[str]]
"""Gives the hosts that a tenant lets its answers lead to."""
FeedbackToken = Callable[[Tenant, Run], str | None]
"""Gives the token that opens feedback on a run."""

log = get_logger(__name__)


class GenerationService:
    """See `ports.services.Generator`. *answerers* are models beside the extractive one, by the name releases give."""

    def __init__(
        self,
        *,
        releases: EffectiveRelease,
        retriever: Retriever,
        runs: Runs,
        remembered: RememberedAnswers,
        embedders: Mapping[str, Embedder],
        clock: Clock,
        entropy: Entropy = secrets.token_bytes,
        answerers: Mapping[str, Answerer] | None = None,
        gateway: ModelGateway | None = None,
        link_hosts: LinkHosts = lambda _: (),
        feedback_token: FeedbackToken = lambda _tenant, _run: None,
        metrics: Metrics | None = None,
        guardrails: Callable[[], Guardrail] = NoGuardrail,
    ) -> None:
        self._releases = releases
        self._retriever = retriever
        self._runs = runs
        self._remembered = remembered
        self._extractive = ExtractiveAnswerer(embedders)
        self._answerers = {EXTRACTIVE: self._extractive, **(answerers or {})}
        self._gateway = gateway
        self._claim_check = ClaimCheck(embedders, gateway)
        self._link_hosts = link_hosts
        self._feedback_token = feedback_token
        self._guardrails = guardrails
        self._metrics = metrics or Metrics("Ragstone", None)
        self._previewing = Previewing(releases, retriever, clock, entropy)
        self._clock = clock
        self._entropy = entropy

    async def answer(self, principal: Principal, request: QueryRequest) -> Answer:
        """See `Generator.answer`. A question that fails on the way leaves a run as well, then raises."""
        answering = await self._begin(principal, request)
        try:
            async with aclosing(self._events(answering)) as events:
                async for _ in events:
                    pass
            await self._store(answering)
        except asyncio.CancelledError:
            await self._leave(answering, CLIENT_DISCONNECTED)
            raise
        except Exception as error:
            await self._leave(answering, _known(error).code)
            raise
        return answering.answer()

    async def stream(self, principal: Principal, request: QueryRequest) -> AsyncGenerator[AnswerEvent, None]:
        """See `Generator.stream`. A consumer that goes away leaves a run with what was said so far."""
        answering = await self._begin(principal, request)
        last: AnswerEvent
        try:
            yield RunEvent(run_id=answering.run_id, release=answering.release.release_id)
            async with aclosing(self._events(answering)) as events:
                async for event in events:
                    yield event
            await self._store(answering)
            last = DoneEvent(answer=answering.answer())
        except (GeneratorExit, asyncio.CancelledError):
            await self._leave(answering, CLIENT_DISCONNECTED)
            raise
        except Exception as error:  # noqa: BLE001  a rim: whatever failed, the stream ends with its one last event
            known = _known(error)
            await self._leave(answering, known.code)
            last = ErrorEvent(problem=known.problem(answering.trace_id or None))
        yield last

    async def preview(self, principal: Principal, request: PromptPreviewRequest) -> PromptPreview:
        """See `Generator.preview`."""
        return await self._previewing.preview(principal, request)

    async def messages(self, principal: Principal, request: SentRequest) -> SentMessages:
        """See `Generator.messages`."""
        return await self._previewing.messages(principal, request)

    async def components(self) -> Components:
        """See `Generator.components`."""
        default = GenerationSettings().model
        return Components(
            items=[
                ComponentView(
                    kind=ComponentKind.MODEL, name=name, description=answerer.description, default=name == default
                )
                for name, answerer in self._answerers.items()
            ]
        )

    async def _begin(self, principal: Principal, request: QueryRequest) -> Answering:
        if request.filter is not None:
            parse_filter(request.filter)  # a question that cannot be asked leaves neither release nor run behind
        stages = Stages("generation", self._clock.monotonic)
        with stages.stage("settle"):
            release = await asyncio.to_thread(self._releases.settle, principal, request)
            prompt = await asyncio.to_thread(self._releases.prompt, principal, release)
            link_hosts = await asyncio.to_thread(self._link_hosts, principal.tenant)
        self._check_model(release)
        now = self._clock.now()
        return Answering(
            run_id=RunId(new_id("run", now, self._entropy)),
            principal=principal,
            request=request,
            release=release,
            created_at=now,
            trace_id=current_trace_id() or "",
            span_id=current_span_id(),
            stages=stages,
            link_hosts=link_hosts,
            prompt=prompt,
        )

    def _check_model(self, release: Release) -> None:
        """Raise `InvalidRequest` for a model that cannot be there; whether a route is, the gateway says."""
        name = release.config.answer.model
        if name not in self._answerers and self._gateway is None:
            known = ", ".join(self._answerers)
            raise InvalidRequest(f"There is no model {name!r}; name a release that answers with one of {known}.")

    def _answerer(self, answering: Answering) -> Answerer:
        answerer = self._answerers.get(answering.release.config.answer.model)
        if answerer is None and self._gateway is not None:
            return ModelAnswerer(
                self._gateway,
                answering.principal,
                answering.request,
                answering.run_id,
                answering.created_at.date(),
                answering.prompt,
            )
        assert answerer is not None  # it was checked when the question came
        return answerer

    async def _events(self, answering: Answering) -> AsyncGenerator[AnswerEvent, None]:
        """Do the work and give the events between the first and the last; what comes of it is noted in *answering*."""
        await self._retrieve(answering)
        yield PassagesEvent(passages=passage_views(answering.passages, explain=False))
        async with aclosing(self._said(answering)) as pieces:
            async for piece in pieces:
                yield TokenEvent(text=piece)
        draft = answering.written()
        yield CitationsEvent(citations=[CitationView.model_validate(citation) for citation in draft.citations])
        yield ClaimsEvent(claims=[ClaimView.model_validate(claim) for claim in answering.claims])

    async def _retrieve(self, answering: Answering) -> None:
        request, release = answering.request, answering.release
        search = SearchRequest(
            question=request.question,
            conversation=request.conversation,
            release=release.release_id,
            top_k=release.config.answer.passages,
            filter=request.filter,
        )
        with answering.stages.stage("retrieve", top_k=search.top_k):
            found = await self._retriever.search(answering.principal, search)
        answering.passages = [view.entity() for view in found.passages]
        answering.searched = [view.entity() for view in found.searched]
        answering.degraded = found.degraded
        answering.narrowed_by = found.narrowed_by

    async def _said(self, answering: Answering) -> AsyncGenerator[str, None]:
        """Give the text of an answer that was given before, or write one and check its claims."""
        if ttl_s := answering.release.config.answer.cache_ttl_s:
            await self._recall(answering)
        if answering.repeats is not None:
            yield answering.written().text
            return
        # Under a policy that may leave something out, nothing is said before it was checked.
        settings = answering.release.config.answer
        holds = settings.claims.policy is not ClaimPolicy.MARK or settings.guardrail is not None
        guard, whole = LinkGuard(answering.link_hosts), not answering.degraded
        redactor = Redactor(settings.redact)
        async with aclosing(self._written(answering)) as pieces:
            async for piece in pieces:
                if not holds and (said := guard.feed(redactor.feed(piece))):
                    answering.said.append(said)
                    yield said
        if not holds and (said := guard.feed(redactor.end()) + guard.end()):
            answering.said.append(said)
            yield said
        whole = await self._check(answering) and whole
        answering.redact()
        answering.guard_links()
        await self._pass_guardrail(answering)
        for word in _WORD.findall(answering.written().text) if holds else ():
            answering.said.append(word)
            yield word
        answering.remembered_s = ttl_s if whole else 0

    async def _pass_guardrail(self, answering: Answering) -> None:
        """Let the release's guardrail judge the whole answer; what cannot be judged is not said."""
        settings = answering.release.config.answer.guardrail
        if settings is None:
            return
        with answering.stages.stage("guardrail"):
            answering.rule(await self._guardrails().judge(answering.written().text, settings))

    async def _recall(self, answering: Answering) -> None:
        tenant = answering.principal.tenant
        with answering.stages.stage("recall"):
            run = await asyncio.to_thread(self._remembered.find, tenant, answering.fingerprint())
        if run is not None:
            answering.repeat(run)

    async def _written(self, answering: Answering) -> AsyncGenerator[str, None]:
        config = answering.release.config
        await self._decline_first(answering)
        if answering.draft is not None:
            yield answering.draft.text
            return
        writing = self._answerer(answering).write(answering.request.question, answering.passages, config)
        with answering.stages.stage("write", model=config.answer.model):
            async with aclosing(writing) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Draft):
                        answering.draft = piece
                    else:
                        yield piece

    async def _decline_first(self, answering: Answering) -> None:
        """Decline before a model is asked, where its release says so and no passage is good enough."""
        config = answering.release.config
        if config.answer.decline_first and config.answer.model != EXTRACTIVE:
            with answering.stages.stage("weigh"):
                answering.draft = await self._extractive.decline(answering.request.question, answering.passages, config)

    async def _check(self, answering: Answering) -> bool:
        """Check the claims of the draft, do with it what its release's policy says, and say whether all was checked."""
        config, question = answering.release.config, answering.request.question
        draft, passages = answering.written(), answering.passages
        if not (draft.statements or draft.abstained):
            draft = replace(draft, statements=split(draft.text))
        with answering.stages.stage("check"):
            checked = await self._claim_check.check(draft, passages, config, answering.principal)
        outcome = apply_policy(config.answer.claims.policy, draft, checked.claims, question, passages)
        answering.draft, answering.claims = outcome.draft, outcome.claims
        told = [*draft.told, *([outcome.told] if outcome.told else [])]
        answering.degraded = [*answering.degraded, *checked.degraded, *told]
        return not checked.degraded

    async def _store(self, answering: Answering, error: str | None = None) -> None:
        """Store the run, even if whoever waits for it is cancelled meanwhile."""
        keep, run = self._keep, answering.run(error)
        storing = asyncio.get_running_loop().run_in_executor(None, copy_context().run, keep, answering, run)
        await asyncio.shield(storing)

    def _keep(self, answering: Answering, run: Run) -> None:
        tenant = answering.principal.tenant
        self._runs.add(tenant, run)
        self._count(run)
        if run.error is not None:
            return
        # From here on the answer is good and stored, whatever fails.
        try:
            answering.feedback_token = self._feedback_token(tenant, run)
        except RagError:
            log.exception("feedback_token_not_made", run_id=run.run_id)
        try:
            if answering.remembered_s:
                self._remembered.remember(tenant, answering.fingerprint(), run, answering.remembered_s)
        except RagError:
            log.exception("answer_not_remembered", run_id=run.run_id)

    def _count(self, run: Run) -> None:
        outcome = run.error or ("abstained" if run.abstained else "repeated" if run.repeats else "answered")
        self._metrics.count("Answers", 1, Model=run.model or "", Outcome=outcome)
        for verdict, number in Counter(claim.verdict for claim in run.claims).items():
            self._metrics.count("Claims", number, Verdict=verdict)

    async def _leave(self, answering: Answering, error: str) -> None:
        """Store the run of a question that was not answered; what failed is told on, whether this succeeds or not."""
        try:
            await self._store(answering, error)
        except Exception:
            log.exception("run_not_stored", run_id=answering.run_id)


def _known(error: Exception) -> RagError:
    """Give *error* as the caller may see it: one that nobody foresaw says nothing of the inside."""
    if isinstance(error, RagError):
        return error
    log.exception("answer_failed")  # noqa: LOG004  it is being handled by the caller
    return RagError("The answer could not be finished; ask again, and report the trace if it fails again.")
