"""Chat, embeddings and reranking through the gateway: shaped like OpenAI's and Cohere's APIs, with the cost beside."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, ConfigDict, Field, JsonValue, StringConstraints, model_validator

from chalicelib.contracts.common import Identifier, RequestModel, ResponseModel
from chalicelib.contracts.embeddings import EmbeddingsResponse, EmbeddingsUsage
from chalicelib.domain.routes import NAME_PATTERN, RouteKind

MAX_MESSAGES = 2_000
MAX_TOOLS = 128
MAX_DOCUMENTS = 1_000


def _is_none(value: object) -> bool:
    return value is None


def _is_false(value: object) -> bool:
    return value is False


RouteName = Annotated[
    str,
    StringConstraints(pattern=NAME_PATTERN),
    Field(description="The public name of a model: up to 64 of a-z, 0-9, dot, hyphen, underscore", examples=["chat"]),
]
FunctionName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class CallLabels(RequestModel):
    """What the ledger is to remember of a call, beside who made it."""

    run_id: Identifier | None = None
    release: Identifier | None = None
    purpose: Literal["answer", "judge", "rewrite", "evaluation", "test"] | None = None


class TextPart(RequestModel):
    """Text within a message of several parts."""

    type: Literal["text"]
    text: str


class ImageUrl(RequestModel):
    """A picture, in the request itself: an address would be fetched, by the provider or on its behalf."""

    url: Annotated[str, StringConstraints(pattern=r"^data:image/[a-z+.-]{1,32};base64,")]
    detail: Literal["auto", "low", "high"] | None = None


class ImagePart(RequestModel):
    """A picture within a message of several parts."""

    type: Literal["image_url"]
    image_url: ImageUrl


ContentPart = Annotated[TextPart | ImagePart, Field(discriminator="type")]


class FunctionCall(RequestModel):
    """A function that the model wants called, with its arguments as JSON text."""

    name: FunctionName
    arguments: str


class ToolCall(RequestModel):
    """One call of a tool, as the model asked for it before."""

    id: str = Field(max_length=256)
    type: Literal["function"] = "function"
    function: FunctionCall


class ChatMessage(RequestModel):
    """One turn of the conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[ContentPart] | None = None
    name: FunctionName | None = None
    tool_calls: list[ToolCall] | None = Field(None, min_length=1, max_length=MAX_TOOLS)
    tool_call_id: str | None = Field(None, max_length=256)
    refusal: str | None = None


class FunctionTool(RequestModel):
    """A function the model may ask for; *parameters* is a JSON Schema."""

    name: FunctionName
    description: str | None = None
    parameters: dict[str, JsonValue] | None = None
    strict: bool | None = None


class Tool(RequestModel):
    """Something the model may use."""

    type: Literal["function"] = "function"
    function: FunctionTool


class NamedFunction(RequestModel):
    """The name of a function among the tools."""

    name: FunctionName


class ToolChoice(RequestModel):
    """The one tool that must be used."""

    type: Literal["function"] = "function"
    function: NamedFunction


class JsonSchemaFormat(RequestModel):
    """The JSON Schema that an answer must fit."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, serialize_by_alias=True)

    name: FunctionName
    description: str | None = None
    schema_: dict[str, JsonValue] | None = Field(None, alias="schema")
    strict: bool | None = None


class ResponseFormat(RequestModel):
    """Text, any JSON object, or JSON of a given schema."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: JsonSchemaFormat | None = None


class StreamOptions(RequestModel):
    """Whether the last chunk of a stream says what the answer came to."""

    include_usage: bool = False


class ChatRequest(RequestModel):
    """
    A conversation to go on with, by the models of a route; unknown fields are refused.

    *metadata* is what the ledger remembers; it does not go to the provider, and neither do *user* and
    *prompt_cache_key*, by which a sticky route keeps calls together.
    """

    model: RouteName
    messages: list[ChatMessage] = Field(min_length=1, max_length=MAX_MESSAGES)
    stream: bool = False
    stream_options: StreamOptions | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    max_tokens: int | None = Field(None, ge=1, le=1_000_000)
    max_completion_tokens: int | None = Field(None, ge=1, le=1_000_000)
    n: Literal[1] | None = None
    stop: str | list[str] | None = Field(None, max_length=64)
    seed: int | None = None
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high"] | None = None
    tools: list[Tool] | None = Field(None, min_length=1, max_length=MAX_TOOLS)
    tool_choice: Literal["none", "auto", "required"] | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    user: str | None = Field(None, max_length=256)
    prompt_cache_key: str | None = Field(None, max_length=256)
    metadata: CallLabels | None = None

    @model_validator(mode="after")
    def _one_limit(self) -> ChatRequest:
        if self.max_tokens is not None and self.max_completion_tokens is not None:
            raise ValueError("max_tokens is the older name of max_completion_tokens; give one of them")
        return self

    @property
    def output_limit(self) -> int | None:
        """How many tokens the answer may have, by either name."""
        return self.max_completion_tokens or self.max_tokens


class CachedTokens(ResponseModel):
    """How much of the prompt the provider had in its cache."""

    cached_tokens: int = 0


class ReasoningTokens(ResponseModel):
    """How much of the answer was reasoning that is not shown."""

    reasoning_tokens: int = 0


class Usage(ResponseModel):
    """
    What a call came to. The last three fields are not OpenAI's: *unpriced* says that no price is known for the model,
    so that *cost_usd_micros* is no more than 0 for want of better; *repeated* that the answer was given before.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    prompt_tokens_details: CachedTokens | None = Field(None, exclude_if=_is_none)
    completion_tokens_details: ReasoningTokens | None = Field(None, exclude_if=_is_none)
    cost_usd_micros: int = 0
    unpriced: bool = False
    repeated: bool = Field(False, exclude_if=_is_false)


class CalledFunction(ResponseModel):
    """A function the model wants called; in a stream, a piece of that."""

    name: str | None = Field(None, exclude_if=_is_none)
    arguments: str | None = Field(None, exclude_if=_is_none)


class CalledTool(ResponseModel):
    """A tool the model wants used; *index* stands in streams only, where it says which call a piece belongs to."""

    index: int | None = Field(None, exclude_if=_is_none)
    id: str | None = Field(None, exclude_if=_is_none)
    type: str | None = Field(None, exclude_if=_is_none)
    function: CalledFunction


class AnswerMessage(ResponseModel):
    """What the model said."""

    role: str = "assistant"
    content: str | None = None
    refusal: str | None = Field(None, exclude_if=_is_none)
    tool_calls: list[CalledTool] | None = Field(None, exclude_if=_is_none)


class Choice(ResponseModel):
    """An answer, and why it ended there."""

    index: int = 0
    message: AnswerMessage
    finish_reason: str | None = None
    logprobs: dict[str, Any] | None = Field(None, exclude_if=_is_none)


class ChatResponse(ResponseModel):
    """A whole answer; *model* is the deployment that gave it, such as `openai/gpt-5-mini`."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage

    @property
    def text(self) -> str:
        """The text of the answer, empty where the model only asks for tools."""
        return self.choices[0].message.content or "" if self.choices else ""


class Delta(ResponseModel):
    """What a chunk adds to the message."""

    role: str | None = Field(None, exclude_if=_is_none)
    content: str | None = Field(None, exclude_if=_is_none)
    refusal: str | None = Field(None, exclude_if=_is_none)
    tool_calls: list[CalledTool] | None = Field(None, exclude_if=_is_none)


class ChunkChoice(ResponseModel):
    """What a chunk adds to an answer."""

    index: int = 0
    delta: Delta
    finish_reason: str | None = None
    logprobs: dict[str, Any] | None = Field(None, exclude_if=_is_none)


class ChatChunk(ResponseModel):
    """
    A piece of an answer. The one with *usage* is the last; its *choices* are empty.

    In the object's stream it always comes; over HTTP to those who asked for it by `stream_options.include_usage`.
    """

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: Usage | None = Field(None, exclude_if=_is_none)

    @property
    def text(self) -> str:
        """The text it adds, empty where it adds none."""
        return self.choices[0].delta.content or "" if self.choices else ""


class EmbedUsage(EmbeddingsUsage):
    """What was read and what it cost; see `Usage`."""

    cost_usd_micros: int = 0
    unpriced: bool = False
    repeated: bool = Field(False, exclude_if=_is_false)


class EmbedResponse(EmbeddingsResponse):
    """A vector for each text, in the order of the texts; *model* is the deployment that made them."""

    usage: EmbedUsage


class RerankRequest(RequestModel):
    """A question and the documents to order by it, as Cohere's API has them."""

    model: RouteName
    query: str = Field(min_length=1)
    documents: list[str] = Field(min_length=1, max_length=MAX_DOCUMENTS)
    top_n: int | None = Field(None, ge=1)
    metadata: CallLabels | None = None


class RerankItem(ResponseModel):
    """One of the documents by its place in the request; *relevance_score* high is good."""

    index: int
    relevance_score: float


class RerankUsage(ResponseModel):
    """What a reranking came to; see `Usage`."""

    search_units: int = 0
    total_tokens: int = 0
    cost_usd_micros: int = 0
    unpriced: bool = False
    repeated: bool = Field(False, exclude_if=_is_false)


class RerankResponse(ResponseModel):
    """The documents, best first; *model* and *usage* are not Cohere's."""

    id: str
    model: str
    results: list[RerankItem]
    usage: RerankUsage


class GatewayModel(ResponseModel):
    """A route that can be named as the model of a call; the last two fields are not OpenAI's."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "ragstone"
    kind: RouteKind
    deployments: list[str]


class GatewayModels(ResponseModel):
    """The routes of the caller's tenant."""

    object: Literal["list"] = "list"
    data: list[GatewayModel]


class ProviderView(ResponseModel):
    """A provider that deployments may name; its key is never shown."""

    name: str
    kind: str
    base_url: str | None
    key_present: bool = Field(description="Whether a key is configured; some providers need none")
    ready: bool = Field(description="Whether deployments of it can be called as it is configured")


class ProviderViews(ResponseModel):
    """Every provider that is configured."""

    items: list[ProviderView]


class DeploymentHealth(ResponseModel):
    """How one deployment of a route did when it was tried, and what the gateway thinks of it."""

    model: str
    status: Literal["ok", "failing"]
    latency_ms: float
    error: str | None = Field(None, description="The kind of failure, such as `rate_limited`")
    resting_until: AwareDatetime | None = Field(None, description="Until when the gateway leaves it alone")


class DeploymentState(ResponseModel):
    """How one deployment did lately, as the task of the gateway saw it that answers; each counts for itself."""

    model: str
    configured: bool = Field(description="Whether its provider is configured and has the key it needs")
    circuit: Literal["closed", "limited", "open", "half_open"] = Field(
        description="limited: left alone until its limit lets it go on; open: for failing; half_open: on trial"
    )
    resting_until: AwareDatetime | None
    calls: int = Field(description="Of the last 100")
    failed_calls: int
    p50_ms: float | None = Field(description="Median of those that were answered")


class RouteState(ResponseModel):
    """How the deployments of a route are, without trying any."""

    route: str
    deployments: list[DeploymentState]


class RouteTest(ResponseModel):
    """Every deployment of a route, tried once."""

    route: str
    deployments: list[DeploymentHealth]
