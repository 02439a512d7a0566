"""What a model would be told, and what one was: no model is asked for either."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date

from chalicelib.contracts.asking import AskFields, SearchRequest, SearchResponse, Turn
from chalicelib.contracts.gateway import ChatMessage
from chalicelib.contracts.prompts import (
    PromptMessage,
    PromptPreview,
    PromptPreviewRequest,
    SentMessages,
    SentRequest,
)
from chalicelib.contracts.rendering import passage_views
from chalicelib.domain.access import Principal
from chalicelib.domain.identifiers import Entropy, ReleaseId, RunId, new_id
from chalicelib.domain.prompts import PromptVersion
from chalicelib.domain.releases import Release
from chalicelib.ports.clock import Clock
from chalicelib.ports.services import Retriever
from chalicelib.repositories.effective_release import EffectiveRelease
from fargate.generation.packing import Packed, estimated_tokens, pack, recent, text_of
from fargate.generation.prompting import Asked, digest, messages


class Previewing:
    """Puts messages together as they are sent."""

    def __init__(self, releases: EffectiveRelease, retriever: Retriever, clock: Clock, entropy: Entropy) -> None:
        self._releases = releases
        self._retriever = retriever
        self._clock = clock
        self._entropy = entropy

    async def preview(self, principal: Principal, request: PromptPreviewRequest) -> PromptPreview:
        """See `Generator.preview`."""
        release, prompt = await asyncio.to_thread(self._settled, principal, request)
        found = await self._found(principal, request, release)
        passages = [view.entity() for view in found.passages]
        packed = pack(passages, release.config.answer.context_tokens)
        now = self._clock.now()
        run_id = RunId(new_id("run", now, self._entropy))
        told = _put_together(request.question, request.conversation, packed, release, prompt, run_id, now.date())
        return PromptPreview(
            release=release.release_id,
            prompt=prompt.reference if prompt and prompt.number else None,
            messages=_shown(told),
            tokens=sum(estimated_tokens(str(message.content)) for message in told),
            left_out=list(packed.left_out),
            passages=passage_views(passages, explain=False),
        )

    async def messages(self, principal: Principal, request: SentRequest) -> SentMessages:
        """See `Generator.messages`."""
        release = await asyncio.to_thread(self._releases.get, principal, ReleaseId(request.release))
        prompt = await asyncio.to_thread(self._releases.prompt, principal, release)
        texts = [text_of(view.entity()) for view in request.passages]
        packed = Packed({number: texts[number - 1][:size] for number, size in request.given.items()})
        run_id, day = RunId(request.run_id), request.asked_at.date()
        told = _put_together(request.question, request.conversation, packed, release, prompt, run_id, day)
        return SentMessages(
            run_id=request.run_id,
            prompt=release.config.answer.prompt,
            messages=_shown(told),
            exact=digest(told) == request.sha256,
        )

    def _settled(self, principal: Principal, request: PromptPreviewRequest) -> tuple[Release, PromptVersion | None]:
        asked = AskFields(question=request.question, index=request.index, release=request.release)
        release = self._releases.settle(principal, asked)
        if request.system is not None and request.user is not None:
            now = self._clock.now()
            return release, PromptVersion("preview", 0, request.system, request.user, now, principal.subject)
        if request.prompt is not None:
            return release, self._releases.prompt_called(principal, request.prompt)
        return release, self._releases.prompt(principal, release)

    async def _found(self, principal: Principal, request: PromptPreviewRequest, release: Release) -> SearchResponse:
        search = SearchRequest(
            question=request.question,
            conversation=request.conversation,
            release=release.release_id,
            top_k=release.config.answer.passages,
            filter=request.filter,
        )
        return await self._retriever.search(principal, search)


def _put_together(
    question: str,
    conversation: Sequence[Turn],
    packed: Packed,
    release: Release,
    prompt: PromptVersion | None,
    run_id: RunId,
    day: date,
) -> list[ChatMessage]:
    turns = recent(conversation, release.config.answer.history_tokens)
    return messages(Asked(question, turns, packed.texts, release.config.index, day), run_id, prompt)


def _shown(told: Sequence[ChatMessage]) -> list[PromptMessage]:
    return [PromptMessage.model_validate({"role": one.role, "content": one.content}) for one in told]
