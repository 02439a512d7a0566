"""Answers in the words of OpenAI's API: a chat becomes a question, and its answer, whole or in pieces, a completion."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal

from chalicelib.contracts.asking import (
    MAX_CONVERSATION_TURNS,
    MAX_QUESTION_CHARACTERS,
    Answer,
    AnswerEvent,
    CitationView,
    DoneEvent,
    ErrorEvent,
    RunEvent,
    TokenEvent,
    Turn,
)
from chalicelib.contracts.chat_completions import (
    COMPLETION_ID,
    DOCUMENT_URN,
    Annotation,
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionRequest,
    ChatQuestion,
    CitedChoice,
    CitedChunkChoice,
    CitedDelta,
    CitedMessage,
    FileCitation,
    Grounds,
    Message,
    SettingsOfModels,
    UrlCitation,
)
from chalicelib.contracts.gateway import Usage
from chalicelib.contracts.gateway_events import ChatEnd
from chalicelib.domain.identifiers import is_id
from chalicelib.errors import InvalidRequest, NotFound, from_problem

SYSTEM_MESSAGES, TOOL_MESSAGES, OLDER_MESSAGES, LONG_MESSAGES = (
    "system_messages",
    "tool_messages",
    "older_messages",
    "long_messages",
)

_LEFT_OUT = {
    "system": SYSTEM_MESSAGES,
    "developer": SYSTEM_MESSAGES,
    "tool": TOOL_MESSAGES,
    "function": TOOL_MESSAGES,
}
_MARKER = re.compile(r"`[^`\n]*`|\[(\d{1,3})\]")


def question_of(request: ChatCompletionRequest) -> ChatQuestion:
    """
    Give the last message as a question, those of user and assistant before it as its conversation.

    Of these the last 50 are kept, of each as much as a turn may have. Raises `InvalidRequest` where no question comes
    last, and `NotFound` for a model that no release can be.
    """
    if not is_id(request.model):
        raise NotFound(f"There is no release {request.model[:64]!r}; GET /v1/models lists the aliases.")
    said = [(place, one) for place, one in enumerate(request.messages) if one.role not in _LEFT_OUT]
    question = _question(said)
    turns = [turn for _, one in said[:-1] if (turn := _turn(one)) is not None]
    return ChatQuestion(
        question=question,
        conversation=turns[-MAX_CONVERSATION_TURNS:],
        release=request.model,
        user=request.user,
        ignored=_ignored(request, [one for _, one in said[:-1]], len(turns)),
    )


def completion(answer: Answer, ignored: Sequence[str], created: int) -> ChatCompletion:
    """Give *answer* as a whole completion."""
    message = CitedMessage(content=answer.answer, annotations=notes(answer.answer, answer.citations))
    return ChatCompletion(
        id=COMPLETION_ID + answer.run_id,
        created=created,
        model=answer.release,
        choices=[CitedChoice(message=message, finish_reason=answer.ended)],
        usage=_usage(answer),
        ragstone=_grounds(answer, ignored),
    )


async def chunks(
    events: AsyncGenerator[AnswerEvent, None], ignored: Sequence[str], created: int, *, with_usage: bool
) -> AsyncGenerator[ChatCompletionChunk | ChatEnd, None]:
    """
    Give the chunks of an answer, then its one end.

    An answer that fails before its first word raises, so that it can still be answered with a status; one that fails
    later ends with the problem, after which OpenAI's clients look for nothing more.
    """
    chunk = _Chunks("", "", created)
    async with aclosing(events):
        async for event in events:
            match event:
                case RunEvent():
                    chunk = _Chunks(event.run_id, event.release, created)
                case TokenEvent():
                    yield chunk.of_text(event.text)
                case DoneEvent():
                    yield chunk.of_the_end(event.answer, ignored)
                    if with_usage:
                        yield chunk.of_usage(event.answer)
                    yield ChatEnd()
                case ErrorEvent() if chunk.begun:
                    yield ChatEnd(event.problem)
                case ErrorEvent():
                    raise from_problem(event.problem, event.problem["status"])


def notes(text: str, citations: Sequence[CitationView]) -> list[Annotation]:
    """Give an annotation for each marker in *text*, in order, code aside."""
    by_marker = {citation.marker: citation for citation in citations}
    found = [(one, by_marker[int(one[1])]) for one in _MARKER.finditer(text) if one[1] and int(one[1]) in by_marker]
    return [_annotation(*one.span(), citation) for one, citation in found]


@dataclass(slots=True)
class _Chunks:
    """Makes the chunks of one answer."""

    run_id: str
    release: str
    created: int
    begun: bool = False

    def of_text(self, text: str) -> ChatCompletionChunk:
        return self._chunk([CitedChunkChoice(delta=CitedDelta(role=self._role(), content=text))])

    def of_the_end(self, answer: Answer, ignored: Sequence[str]) -> ChatCompletionChunk:
        delta = CitedDelta(role=self._role(), annotations=notes(answer.answer, answer.citations))
        choice = CitedChunkChoice(delta=delta, finish_reason=answer.ended)
        return self._chunk([choice], ragstone=_grounds(answer, ignored))

    def of_usage(self, answer: Answer) -> ChatCompletionChunk:
        return self._chunk([], usage=_usage(answer))

    def _role(self) -> str | None:
        """Give the role, with the first chunk alone."""
        begun, self.begun = self.begun, True
        return None if begun else "assistant"

    def _chunk(self, choices: list[CitedChunkChoice], **more: Any) -> ChatCompletionChunk:
        run_id, release = COMPLETION_ID + self.run_id, self.release
        return ChatCompletionChunk(id=run_id, created=self.created, model=release, choices=choices, **more)


def _question(said: Sequence[tuple[int, Message]]) -> str:
    place, last = said[-1] if said else (0, None)
    if last is None or last.role != "user":
        raise _fault("The last message must be the user's question", "messages", place)
    if not last.text.strip():
        raise _fault("The last message is the question, and says nothing", "messages", place, "content")
    if len(last.text) > MAX_QUESTION_CHARACTERS:
        raise _fault(f"A question may have {MAX_QUESTION_CHARACTERS} characters", "messages", place, "content")
    return last.text


def _fault(message: str, *place: str | int) -> InvalidRequest:
    return InvalidRequest(f"{message}.", [{"loc": list(place), "msg": message}])


def _turn(message: Message) -> Turn | None:
    """Give *message* as far as a turn goes; None for one that only asks for tools."""
    if not message.text.strip():
        return None
    role: Literal["user", "assistant"] = "user" if message.role == "user" else "assistant"
    return Turn(role=role, content=message.text[:MAX_QUESTION_CHARACTERS])


def _ignored(request: ChatCompletionRequest, earlier: Sequence[Message], turns: int) -> list[str]:
    settings = [name for name in SettingsOfModels.model_fields if getattr(request, name) is not None]
    left_out = [_LEFT_OUT[one.role] for one in request.messages if one.role in _LEFT_OUT]
    older = [OLDER_MESSAGES] if turns > MAX_CONVERSATION_TURNS else []
    long = [LONG_MESSAGES] if any(len(one.text) > MAX_QUESTION_CHARACTERS for one in earlier) else []
    return list(dict.fromkeys([*settings, *left_out, *older, *long]))


def _annotation(start: int, end: int, citation: CitationView) -> Annotation:
    place = UrlCitation(start_index=start, end_index=end, title=citation.name, url=DOCUMENT_URN + citation.document_id)
    quoted = FileCitation(
        file_id=citation.document_id,
        filename=citation.name,
        index=citation.marker,
        quote=citation.quote,
        page=citation.page,
        heading_path=citation.heading_path,
        chunk_id=citation.chunk_id,
        start=citation.start,
        end=citation.end,
    )
    return Annotation(url_citation=place, file_citation=quoted)


def _usage(answer: Answer) -> Usage:
    used = answer.usage
    return Usage(
        prompt_tokens=used.input_tokens,
        completion_tokens=used.output_tokens,
        total_tokens=used.input_tokens + used.output_tokens,
        cost_usd_micros=used.cost_usd_micros,
        unpriced=used.unpriced,
        repeated=answer.repeats is not None,
    )


def _grounds(answer: Answer, ignored: Sequence[str]) -> Grounds:
    return Grounds(
        **{name: getattr(answer, name) for name in Grounds.model_fields if name != "ignored"}, ignored=ignored
    )
