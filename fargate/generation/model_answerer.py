"""Answers by a model behind a route of the gateway."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from chalicelib.contracts.asking import QueryRequest
from chalicelib.contracts.gateway import CallLabels, ChatChunk, ChatRequest
from chalicelib.contracts.gateway import Usage as ChatUsage
from chalicelib.domain.access import Principal
from chalicelib.domain.identifiers import RunId
from chalicelib.domain.releases import ReleaseConfig
from chalicelib.domain.runs import Citation, Passage, Usage
from chalicelib.errors import BadUpstream
from chalicelib.ports.services import ModelGateway
from fargate.generation.abstention import abstention
from fargate.generation.claim_split import split
from fargate.generation.drafts import Draft, Statement
from fargate.generation.evidence import cite
from fargate.generation.marking import Marking
from fargate.generation.packing import Packed, pack, recent
from fargate.generation.prompting import NOT_SAID, messages


@dataclass(frozen=True, slots=True)
class ModelAnswerer:
    """See `Answerer`. For the one question *request*, whose run will be *run_id*."""

    gateway: ModelGateway
    principal: Principal
    request: QueryRequest
    run_id: RunId
    description: str = "Answers in words of its own, with citations"

    async def write(
        self, question: str, passages: Sequence[Passage], config: ReleaseConfig
    ) -> AsyncGenerator[str | Draft, None]:
        """See `Answerer.write`. Raises what `ModelGateway.chat_stream` raises, and `BadUpstream` for no answer."""
        packed = pack(passages, config.answer.context_tokens)
        if not packed.texts:
            yield abstention(question, passages, Usage())
            return
        answer = _Answer(packed)
        chunks = self.gateway.chat_stream(self.principal, self._asked(question, packed, config))
        async with aclosing(chunks):
            async for chunk in chunks:
                if said := answer.hear(chunk):
                    yield said
        if rest := answer.end():
            yield rest
        yield answer.draft(question, passages)

    def _asked(self, question: str, packed: Packed, config: ReleaseConfig) -> ChatRequest:
        settings = config.answer
        turns = recent(self.request.conversation, settings.history_tokens)
        return ChatRequest(
            model=settings.model,
            messages=messages(question, turns, packed.texts, self.run_id),
            temperature=settings.temperature,
            max_completion_tokens=settings.max_output_tokens,
            user=self.request.user,
            metadata=CallLabels(run_id=self.run_id, release=config.release_id, purpose="answer"),
        )


class _Answer:
    """What a model has said so far."""

    def __init__(self, packed: Packed) -> None:
        self._packed = packed
        self._marking = Marking(packed.texts)
        self._beginning: str | None = ""
        self._said: list[str] = []
        self._usage = Usage()
        self._model: str | None = None
        self._cut_off = False
        self._declined = False

    def hear(self, chunk: ChatChunk) -> str:
        """Give what *chunk* adds to the answer."""
        self._model = chunk.model
        if chunk.usage is not None:
            self._usage = _usage(chunk.usage)
        if chunk.choices and chunk.choices[0].finish_reason == "length":
            self._cut_off = True
        return self._say(self._marking.feed(self._begun(chunk.text)))

    def end(self) -> str:
        """Give the rest."""
        beginning, self._beginning = self._beginning or "", None
        return self._say(self._marking.feed(beginning) + self._marking.end())

    def draft(self, question: str, passages: Sequence[Passage]) -> Draft:
        """Give the whole answer, each citation with the place in its passage that bears it out best."""
        if self._declined:
            return abstention(question, passages, self._usage)
        text = "".join(self._said)
        if not text.strip():
            raise BadUpstream("The model said nothing; ask again.")
        statements = split(text)
        return Draft(
            text=text,
            citations=self._citations(statements, passages),
            statements=statements,
            usage=self._usage,
            model=self._model,
            told=self._told(),
        )

    def _begun(self, piece: str) -> str:
        """Hold the beginning for as long as it may be that the model declines."""
        if self._declined or self._beginning is None:
            return "" if self._declined else piece
        self._beginning = (self._beginning + piece).lstrip()
        if self._beginning.startswith(NOT_SAID):
            self._declined, self._beginning = True, None
            return ""
        if NOT_SAID.startswith(self._beginning):
            return ""
        beginning, self._beginning = self._beginning, None
        return beginning

    def _say(self, text: str) -> str:
        self._said.append(text)
        return text

    def _citations(self, statements: Sequence[Statement], passages: Sequence[Passage]) -> list[Citation]:
        return [
            cite(marker, next((one.text for one in statements if marker in one.citations), ""), passages[number - 1])
            for marker, number in enumerate(self._marking.cited, 1)
        ]

    def _told(self) -> list[str]:
        told = list(self._packed.left_out)
        if self._marking.unknown:
            told.append(f"{self._marking.unknown} citations of passages that are not there were taken out.")
        if self._cut_off:
            told.append("The model's answer was cut off at its limit of tokens.")
        return told


def _usage(usage: ChatUsage) -> Usage:
    return Usage(usage.prompt_tokens, usage.completion_tokens, usage.cost_usd_micros, usage.unpriced)
