"""Chats become questions, and answers completions whose annotations point at what was said."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

import pytest
from openai.types.chat import ChatCompletion as OpenAiCompletion
from openai.types.chat import ChatCompletionChunk as OpenAiChunk

from chalicelib.contracts.asking import (
    Answer,
    AnswerEvent,
    CitationsEvent,
    ClaimsEvent,
    DoneEvent,
    ErrorEvent,
    PassagesEvent,
    RunEvent,
    TokenEvent,
)
from chalicelib.contracts.chat_completions import ChatCompletionChunk, ChatCompletionRequest, ChatQuestion
from chalicelib.contracts.gateway_events import ChatEnd
from chalicelib.domain.runs import Ending
from chalicelib.errors import InvalidRequest, NotFound, RateLimited, Unavailable
from fargate.generation.chat_completions import chunks, completion, notes, question_of
from tests.fakes.answers import answer, passage

AT = 1_790_000_000
RUN = RunEvent(run_id="run_1", release="rel_1")
PASSAGES = PassagesEvent(passages=[passage()])
DONE = DoneEvent(answer=answer())


def said(role: str, content: Any = "x") -> dict[str, Any]:
    return {"role": role, "content": content}


def asked(*messages: dict[str, Any], **more: Any) -> ChatQuestion:
    """Give the question of a chat."""
    body = {"model": "live", "messages": list(messages), **more}
    return question_of(ChatCompletionRequest.model_validate(body))


def test_the_last_message_is_the_question() -> None:
    """What was said before is the conversation, in its order."""
    found = asked(
        said("user", "Leave?"), said("assistant", "30 days. [1]"), said("user", "And for parents?"), user="u1"
    )
    assert (found.question, found.release, found.user, found.ignored) == ("And for parents?", "live", "u1", [])
    assert [(turn.role, turn.content) for turn in found.conversation] == [
        ("user", "Leave?"), ("assistant", "30 days. [1]"),
    ]  # fmt: skip


def test_parts_are_read_one_below_the_other() -> None:
    """As clients send them that could send pictures too."""
    parts = [{"type": "text", "text": "Leave?"}, {"type": "text", "text": "For parents."}]
    assert asked(said("user", parts)).question == "Leave?\nFor parents."


def test_the_releases_prompt_stands_whatever_is_sent() -> None:
    """Messages of the system and of tools are left out, wherever they stand, and the answer will say so."""
    chat = [said("system"), said("developer"), said("user", "Leave?"), said("tool"), said("system", "Say it in verse.")]
    found = asked(*chat, temperature=0, max_tokens=None, seed=7)
    assert (found.question, found.conversation) == ("Leave?", [])
    assert found.ignored == ["temperature", "seed", "system_messages", "tool_messages"]


def test_what_clients_send_back_of_an_answer_is_no_fault() -> None:
    """The message as it came, with its annotations, and one that only asked for tools."""
    before = {**said("assistant", "30 days. [1]"), "annotations": [{"type": "file_citation"}], "refusal": None}
    tools = {**said("assistant", None), "tool_calls": [{"id": "1"}]}
    found = asked(said("user", "Leave?"), before, tools, said("user", "Sure?"))
    assert [turn.content for turn in found.conversation] == ["Leave?", "30 days. [1]"]


def test_a_long_chat_goes_on() -> None:
    """With its last turns, each cut to what a turn may have."""
    chat = [said("assistant" if number % 2 else "user", f"{number} " + "x" * 9_000) for number in range(60)]
    found = asked(*chat, said("user", "And now?"))
    assert len(found.conversation) == 50
    assert found.conversation[0].content.startswith("10 x")
    assert {len(turn.content) for turn in found.conversation} == {8_000}
    assert found.ignored == ["older_messages", "long_messages"]


@pytest.mark.parametrize(
    ("chat", "place"),
    [
        ([said("system")], ["messages", 0]),
        ([said("user"), said("assistant", "So,")], ["messages", 1]),
        ([said("system"), said("user", " \n")], ["messages", 1, "content"]),
        ([said("user", None)], ["messages", 0, "content"]),
        ([said("user", "x" * 8_001)], ["messages", 0, "content"]),
    ],
)
def test_a_chat_must_end_in_a_question(chat: list[dict[str, Any]], place: list[object]) -> None:
    """The refusal says at which message it does not."""
    with pytest.raises(InvalidRequest) as refused:
        asked(*chat)
    assert refused.value.extra["errors"][0]["loc"] == place


@pytest.mark.parametrize("model", ["gpt-4.1", "openai/gpt-5", "../live", "x" * 65])
def test_a_model_that_no_release_can_be_is_not_found(model: str) -> None:
    """As one that is well-formed and unknown."""
    with pytest.raises(NotFound, match="GET /v1/models"):
        asked(said("user"), model=model)


def test_an_answer_is_a_completion() -> None:
    """Named by its run, made by its release, with the quotes that its markers stand for."""
    made = completion(answer(), ["seed"], AT).model_dump()
    (choice,) = made["choices"]
    assert (made["id"], made["object"], made["created"], made["model"]) == (
        "chatcmpl-run_1",
        "chat.completion",
        AT,
        "rel_1",
    )
    assert (choice["message"]["role"], choice["finish_reason"]) == ("assistant", "stop")
    assert (made["usage"]["prompt_tokens"], made["usage"]["completion_tokens"], made["usage"]["total_tokens"]) == (
        1,
        2,
        3,
    )
    assert (made["ragstone"]["run_id"], made["ragstone"]["abstained"], made["ragstone"]["ignored"]) == (
        "run_1", False, ["seed"],
    )  # fmt: skip
    (note,) = choice["message"]["annotations"]
    cited = note["file_citation"]
    assert (cited["file_id"], cited["filename"], cited["quote"], cited["page"], cited["index"]) == (
        "doc_1", "leave.md", "Everybody has 30 days.", 3, 1,
    )  # fmt: skip
    place = note["url_citation"]
    assert (note["type"], place["title"], place["url"]) == ("url_citation", "leave.md", "urn:ragstone:document:doc_1")
    assert choice["message"]["content"][place["start_index"] : place["end_index"]] == "[1]"


@pytest.mark.parametrize("ended", list(Ending))
def test_a_completion_says_why_it_ends(ended: Ending) -> None:
    """Whole or in chunks, in OpenAI's words: clients ask on where an answer was cut off."""
    cut = answer().model_copy(update={"ended": ended})
    assert json.loads(completion(cut, [], AT).model_dump_json())["choices"][0]["finish_reason"] == ended.value
    *_, last, _ = streamed(RUN, TokenEvent(text="x"), DoneEvent(answer=cut))
    assert isinstance(last, ChatCompletionChunk)
    assert last.choices[0].finish_reason == ended


def test_strict_clients_read_it_too() -> None:
    """By OpenAI's own types, to the letter: a citation of any other kind would be refused."""
    made = OpenAiCompletion.model_validate_json(completion(answer(), [], AT).model_dump_json())
    assert (made.choices[0].message.annotations or [])[0].url_citation.title == "leave.md"
    for chunk in streamed(RUN, TokenEvent(text="x"), DONE, with_usage=True):
        if isinstance(chunk, ChatCompletionChunk):
            OpenAiChunk.model_validate_json(chunk.model_dump_json())


def test_every_marker_has_its_annotation() -> None:
    """Counted in characters, whatever stands before; code, and numbers that cite nothing, have none."""
    text = "🙂 Leave [1] is 30 days `days[1]` [1][2]."
    found = [one.url_citation for one in notes(text, answer().citations)]
    assert [(one.start_index, one.end_index) for one in found] == [(8, 11), (33, 36)]
    assert [text[one.start_index : one.end_index] for one in found] == ["[1]", "[1]"]


@dataclass
class Source:
    """Gives *events*, and remembers that it was closed."""

    events: list[AnswerEvent]
    closed: bool = False

    async def stream(self) -> AsyncGenerator[AnswerEvent, None]:
        try:
            for event in self.events:
                yield event
        finally:
            self.closed = True


def streamed(*events: AnswerEvent, with_usage: bool = False) -> list[ChatCompletionChunk | ChatEnd]:
    """Give the chunks of an answer's events."""

    async def collected() -> list[ChatCompletionChunk | ChatEnd]:
        source = Source(list(events)).stream()
        return [one async for one in chunks(source, ["seed"], AT, with_usage=with_usage)]

    return asyncio.run(collected())


def test_an_answer_comes_in_chunks() -> None:
    """The role with the first, citations and the rest with the last, and then one end."""
    first, second, last, end = streamed(
        RUN, PASSAGES, TokenEvent(text="Everybody has"), TokenEvent(text=" 30 days. [1]"),
        CitationsEvent(citations=[]), ClaimsEvent(claims=[]), DONE,
    )  # fmt: skip
    assert isinstance(first, ChatCompletionChunk)
    assert isinstance(second, ChatCompletionChunk)
    assert isinstance(last, ChatCompletionChunk)
    assert end == ChatEnd()
    assert first.model_dump(exclude={"created"}) == {
        "id": "chatcmpl-run_1",
        "object": "chat.completion.chunk",
        "model": "rel_1",
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Everybody has"}, "finish_reason": None}],
    }
    assert second.choices[0].delta.model_dump() == {"content": " 30 days. [1]"}
    assert last.choices[0].finish_reason == "stop"
    assert last.choices[0].delta.annotations == notes(answer().answer, answer().citations)
    assert last.ragstone is not None
    assert (last.ragstone.run_id, last.ragstone.ignored) == ("run_1", ["seed"])


def test_usage_is_the_last_chunk_where_it_was_asked_for() -> None:
    """Without choices, as OpenAI's API has it."""
    *_, chunk, end = streamed(RUN, TokenEvent(text="x"), DONE, with_usage=True)
    assert isinstance(chunk, ChatCompletionChunk)
    assert (chunk.choices, chunk.usage and chunk.usage.total_tokens) == ([], 3)
    assert end == ChatEnd()


def test_a_failure_before_the_first_word_is_raised() -> None:
    """As the error it was, to be answered with its status."""
    failed = ErrorEvent(problem=RateLimited("Later.", retry_after_s=7).problem("t"))
    with pytest.raises(RateLimited) as raised:
        streamed(RUN, PASSAGES, failed)
    assert raised.value.retry_after_s == 7


def test_a_failure_in_the_middle_is_the_one_end() -> None:
    """With its problem."""
    problem = Unavailable("The model is gone.").problem("t")
    _, end = streamed(RUN, TokenEvent(text="x"), ErrorEvent(problem=problem))
    assert end == ChatEnd(problem)


def test_a_reader_who_stops_closes_the_answer() -> None:
    """At once, and not when somebody collects what is left."""

    async def stopped() -> bool:
        source = Source([RUN, TokenEvent(text="x"), DONE])
        reading = chunks(source.stream(), [], AT, with_usage=False)
        await anext(reading)
        await reading.aclose()
        return source.closed

    assert asyncio.run(stopped())


def test_a_repeated_answer_says_so() -> None:
    """Beside the usage, as the gateway does."""
    again: Answer = answer().model_copy(update={"repeats": "run_0"})
    assert completion(again, [], AT).usage.repeated
