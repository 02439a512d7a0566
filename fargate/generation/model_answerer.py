"""Answers by a model behind a route of the gateway."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import date

from chalicelib.contracts.asking import QueryRequest
from chalicelib.contracts.gateway import CallLabels, ChatChunk, ChatRequest
from chalicelib.contracts.gateway import Usage as ChatUsage
from chalicelib.domain.access import Principal
from chalicelib.domain.identifiers import RunId
from chalicelib.domain.prompts import PromptVersion
from chalicelib.domain.releases import ReleaseConfig
from chalicelib.domain.runs import Citation, Ending, Passage, Sent, Usage
from chalicelib.errors import BadUpstream, InvalidRequest
from chalicelib.ports.services import ModelGateway
from fargate.generation.abstention import abstention
from fargate.generation.claim_split import split
from fargate.generation.drafts import Draft, Statement
from fargate.generation.echoes import Echoes
from fargate.generation.evidence import cite
from fargate.generation.marking import Marking
from fargate.generation.packing import Packed, pack, recent
from fargate.generation.prompting import NOT_SAID, Asked, digest, mark_of, messages

MAX_ANSWER_BYTES = 48_000
"""A run keeps question, conversation, passages, answer and claims in one row of 400 KB."""

_DRESS = r"[\s\"'*_`>]*"
"""However a model dresses up what it says."""
# Without its mark the sign counts only where the answer begins with it: further on, a document may have said it.
_BARE = re.compile(rf"{_DRESS}{NOT_SAID}(?!_?[a-z0-9])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ModelAnswerer:
    """See `Answerer`. For the one question *request*, whose run will be *run_id*."""

    gateway: ModelGateway
    principal: Principal
    request: QueryRequest
    run_id: RunId
    day: date
    prompt: PromptVersion | None = None
    description: str = "Answers in words of its own, with citations"

    async def write(
        self, question: str, passages: Sequence[Passage], config: ReleaseConfig
    ) -> AsyncGenerator[str | Draft, None]:
        """
        See `Answerer.write`. Raises what `ModelGateway.chat_stream` raises, and `BadUpstream` for no answer.

        Raises `InvalidRequest` where the release's model is given too little to read anything.
        """
        packed = pack(passages, config.answer.context_tokens)
        if passages and not packed.texts:
            raise InvalidRequest(
                f"Not a sentence of the best passage fits into {config.answer.context_tokens} context_tokens; "
                "ask under a release that gives its model more."
            )
        if not passages:
            draft = abstention(question, passages, Usage())
            yield draft.text
            yield draft
            return
        asked = self._asked(question, packed, config)
        answer = _Answer(packed, _sent(asked, packed, config), mark_of(self.run_id))
        chunks = self.gateway.chat_stream(self.principal, asked)
        async with aclosing(chunks):
            async for chunk in chunks:
                if said := answer.hear(chunk):
                    yield said
                if answer.is_full:
                    break
        if rest := answer.end(question, passages):
            yield rest
        yield answer.draft(passages)

    def _asked(self, question: str, packed: Packed, config: ReleaseConfig) -> ChatRequest:
        settings = config.answer
        turns = recent(self.request.conversation, settings.history_tokens)
        asked = Asked(question, turns, packed.texts, config.index, self.day)
        return ChatRequest(
            model=settings.model,
            messages=messages(asked, self.run_id, self.prompt),
            temperature=settings.temperature,
            max_completion_tokens=settings.max_output_tokens,
            user=self.request.user,
            metadata=CallLabels(run_id=self.run_id, release=config.release_id, purpose="answer"),
        )


class _Answer:
    """What a model has said so far."""

    def __init__(self, packed: Packed, sent: Sent, mark: str) -> None:
        self._packed = packed
        self._sent = sent
        self._echoes = Echoes(mark)
        sign = f"{NOT_SAID}_{mark}"
        beginnings = "|".join(sign[:size] for size in range(len(sign), 0, -1))
        self._sign = re.compile(_DRESS + sign, re.IGNORECASE)
        self._perhaps_sign = re.compile(rf"{_DRESS}(?:{beginnings})?\Z", re.IGNORECASE)
        self._begun = False
        self._marking = Marking(packed.texts)
        self._held = ""
        self._heard_bytes = 0
        self._said: list[str] = []
        self._usage = Usage()
        self._model: str | None = None
        self._ended: str | None = None
        self._declined = False
        self._abstention: Draft | None = None

    def hear(self, chunk: ChatChunk) -> str:
        """Give what *chunk* adds to the answer."""
        self._model = chunk.model
        self._heard_bytes += len(chunk.text.encode(errors="replace"))
        if chunk.usage is not None:
            self._usage = _usage(chunk.usage)
        if chunk.choices and chunk.choices[0].finish_reason:
            self._ended = chunk.choices[0].finish_reason
        return self._say(self._marking.feed(self._heard(self._echoes.feed(chunk.text))))

    @property
    def is_full(self) -> bool:
        """Whether the model said more than is ever kept of an answer, whatever it was asked for."""
        return self._heard_bytes > MAX_ANSWER_BYTES

    def end(self, question: str, passages: Sequence[Passage]) -> str:
        """Give the rest; of a model that declined, the words for that."""
        rest = self._marking.feed(self._heard(self._echoes.end(), last=True)) + self._marking.end()
        if self._declined:
            self._abstention = abstention(question, passages, self._usage)
            rest += self._abstention.text
        return self._say(rest)

    def draft(self, passages: Sequence[Passage]) -> Draft:
        """Give the whole answer, each citation with the place in its passage that bears it out best."""
        text = "".join(self._said)
        if self._abstention is not None:
            return replace(self._abstention, text=text, model=self._model, sent=self._sent)
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
            sent=self._sent,
            ended=self._ending(),
        )

    def _heard(self, piece: str, *, last: bool = False) -> str:
        """Give *piece* on, but for what may become the sign that the model declines, and what follows that."""
        if self._declined:
            return ""
        text = self._held + piece
        if not self._begun:
            text = text.lstrip()
        beginning = self._perhaps_sign.search(text)
        end = len(text) if last or beginning is None else beginning.start()
        bare = None if self._begun else _BARE.match(text)
        # What ends with the bare sign may go on with the mark.
        if declined := self._sign.search(text) or (bare if bare and (last or bare.end() < len(text)) else None):
            self._declined, self._held = True, ""
            return text[: declined.start()]
        self._held = text[end:]
        self._begun = self._begun or end > 0
        return text[:end]

    def _say(self, text: str) -> str:
        if text:
            self._said.append(text)
        return text

    def _citations(self, statements: Sequence[Statement], passages: Sequence[Passage]) -> list[Citation]:
        return [
            cite(marker, next((one.text for one in statements if marker in one.citations), ""), passages[number - 1])
            for marker, number in enumerate(self._marking.cited, 1)
        ]

    def _ending(self) -> Ending:
        if self._ended == "content_filter":
            return Ending.CONTENT_FILTER
        return Ending.LENGTH if self.is_full or self._ended == "length" else Ending.STOP

    def _told(self) -> list[str]:
        told = list(self._packed.left_out)
        if self._marking.unknown:
            told.append(f"{self._marking.unknown} citations of passages that are not there were taken out.")
        if self._echoes.count:
            told.append(f"The model repeated {self._echoes.count} lines that mark passages; they were taken out.")
        if self.is_full:
            told.append(f"The model's answer was cut off after {MAX_ANSWER_BYTES:,} bytes.")
        if self._ended == "length":
            told.append("The model's answer was cut off at its limit of tokens.")
        elif self._ended == "content_filter":
            told.append("The provider's content policy cut the model's answer off.")
        return told


def _usage(usage: ChatUsage) -> Usage:
    return Usage(usage.prompt_tokens, usage.completion_tokens, usage.cost_usd_micros, usage.unpriced)


def _sent(asked: ChatRequest, packed: Packed, config: ReleaseConfig) -> Sent:
    return Sent(
        prompt=config.answer.prompt,
        given={number: len(text) for number, text in packed.texts.items()},
        sha256=digest(asked.messages),
    )
