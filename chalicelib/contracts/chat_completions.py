"""Answers as OpenAI's API has chats: a release is the model, its citations are the message's annotations."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue

from chalicelib.contracts.asking import CitationView, ClaimView, QueryRequest
from chalicelib.contracts.common import Identifier, RequestModel, ResponseModel
from chalicelib.contracts.gateway import MAX_MESSAGES, AnswerMessage, Delta, StreamOptions, TextPart, Usage
from chalicelib.domain.runs import Ending

COMPLETION_ID = "chatcmpl-"
"""What the id of an answer begins with, before the id of its run."""
DOCUMENT_URN = "urn:ragstone:document:"
"""What the name of a document begins with, before its id, where a URL is wanted."""

WithoutEffect = Annotated[JsonValue, Field(description="Taken, and without effect: the release decides")]


class Message(RequestModel):
    """One message; clients send back what they were given, so that of the rest nothing is read."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[TextPart] | None = None

    @property
    def text(self) -> str:
        """Its text, of several parts one below the other."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""


class TextFormat(RequestModel):
    """The only format that answers have."""

    type: Literal["text"]


class SettingsOfModels(RequestModel):
    """What clients set that a release has settled."""

    temperature: WithoutEffect = None
    top_p: WithoutEffect = None
    top_k: WithoutEffect = None
    min_p: WithoutEffect = None
    max_tokens: WithoutEffect = None
    max_completion_tokens: WithoutEffect = None
    stop: WithoutEffect = None
    seed: WithoutEffect = None
    presence_penalty: WithoutEffect = None
    frequency_penalty: WithoutEffect = None
    repetition_penalty: WithoutEffect = None
    logit_bias: WithoutEffect = None
    reasoning_effort: WithoutEffect = None
    verbosity: WithoutEffect = None
    parallel_tool_calls: WithoutEffect = None
    metadata: WithoutEffect = None
    store: WithoutEffect = None
    service_tier: WithoutEffect = None
    safety_identifier: WithoutEffect = None
    prompt_cache_key: WithoutEffect = None


class ChatCompletionRequest(SettingsOfModels):
    """
    A chat whose last message is a question, the others being the conversation before it.

    The prompt is the release's: messages of the system, and of tools, are left out. Other fields are refused.
    """

    model: str = Field(
        min_length=1,
        max_length=256,
        description="A release's id, or an alias such as live; GET /models lists the aliases",
        examples=["live"],
    )
    messages: list[Message] = Field(min_length=1, max_length=MAX_MESSAGES)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = Field(None, max_length=128, description="Your user's id, for usage and feedback")
    n: Literal[1] | None = None
    logprobs: Literal[False] | None = None
    response_format: TextFormat | None = None
    modalities: list[Literal["text"]] | None = None
    tool_choice: Literal["none", "auto"] | None = None

    @property
    def wants_usage(self) -> bool:
        """Whether a stream is to end with what it came to."""
        return self.stream_options is not None and self.stream_options.include_usage


class ChatQuestion(QueryRequest):
    """A question as a chat asks it; *ignored* stays with the run."""

    ignored: list[str] = Field(default_factory=list)


class UrlCitation(ResponseModel):
    """Which document a marker in the text names; *start_index* and *end_index* are the marker's place in the text."""

    start_index: int
    end_index: int
    title: str
    url: str = Field(description="A name, not an address: nobody can fetch it", examples=[f"{DOCUMENT_URN}doc_…"])


class FileCitation(ResponseModel):
    """What a marker refers to: a quote that stands from *start* to *end* of the document's text."""

    file_id: Identifier
    filename: str
    index: int = Field(description="The number in the marker, such as 1 in [1]")
    quote: str
    page: int | None
    heading_path: list[str]
    chunk_id: str
    start: int
    end: int


class Annotation(ResponseModel):
    """
    A note on a marker in the message's content; offsets count characters (Unicode code points).

    *url_citation* is the only kind that clients of OpenAI's API know, and some refuse every other; *file_citation* is
    ours.
    """

    type: Literal["url_citation"] = "url_citation"
    url_citation: UrlCitation
    file_citation: FileCitation


class CitedMessage(AnswerMessage):
    """What was answered."""

    annotations: list[Annotation]


class CitedChoice(ResponseModel):
    """An answer, whole."""

    index: int = 0
    message: CitedMessage
    finish_reason: Ending = Ending.STOP
    logprobs: None = None


class Grounds(ResponseModel):
    """What OpenAI's API has no place for; the same as in the answers of `POST /query`."""

    run_id: Identifier
    release: Identifier
    model: str
    abstained: bool
    claims: list[ClaimView]
    nearest: list[CitationView]
    feedback_token: str | None
    ignored: list[str] = Field(description="What of the request had no effect", examples=[["temperature"]])


class ChatCompletion(ResponseModel):
    """A whole answer; *model* is the release that gave it, *ragstone* is ours."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: Identifier
    choices: list[CitedChoice]
    usage: Usage
    ragstone: Grounds


def _is_none(value: object) -> bool:
    return value is None


class CitedDelta(Delta):
    """What a chunk adds to the message; the annotations come with the last."""

    annotations: list[Annotation] | None = Field(None, exclude_if=_is_none)


class CitedChunkChoice(ResponseModel):
    """What a chunk adds to an answer."""

    index: int = 0
    delta: CitedDelta
    finish_reason: Ending | None = None


class ChatCompletionChunk(ResponseModel):
    """
    A piece of an answer. The one with a *finish_reason* says the rest, *ragstone* included; where
    `stream_options.include_usage` asks for it, one more follows with the *usage* and without choices.
    """

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: Identifier
    choices: list[CitedChunkChoice]
    usage: Usage | None = Field(None, exclude_if=_is_none)
    ragstone: Grounds | None = Field(None, exclude_if=_is_none)


class ChatModelRelease(ResponseModel):
    """What an alias points to."""

    release: Identifier | None = Field(description="Null where nothing was promoted to live yet")


class ChatModel(ResponseModel):
    """An alias, as a model that can be asked; *ragstone* is ours."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: Literal["ragstone"] = "ragstone"
    ragstone: ChatModelRelease


class ChatModels(ResponseModel):
    """The aliases that the caller can ask, `live` first."""

    object: Literal["list"] = "list"
    data: list[ChatModel]
