"""Between our contracts and the JSON that providers take and give; what they give is checked here."""

from __future__ import annotations

import base64
import binascii
import contextlib
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from chalicelib.contracts.embeddings import EmbeddingItem, EmbeddingsRequest
from chalicelib.contracts.gateway import (
    CachedTokens,
    ChatChunk,
    ChatRequest,
    ChatResponse,
    EmbedResponse,
    EmbedUsage,
    ReasoningTokens,
    RerankItem,
    RerankRequest,
    RerankResponse,
    RerankUsage,
    Usage,
)
from chalicelib.domain.prices import Tokens
from chalicelib.domain.routes import Deployment
from chalicelib.ports.model_providers import FailureKind, ProviderFailure

BYTES_PER_TOKEN = 4
"""About what English comes to; only used where a provider does not say."""
MAX_TOKENS = 100_000_000
"""More than any model reads or writes: such a number was made up."""

ValueT = TypeVar("ValueT")


@dataclass(frozen=True, slots=True)
class Charge:
    """What a call costs; *unpriced* where nobody knows."""

    cost_usd_micros: int
    unpriced: bool


Charging = Callable[[Tokens], Charge]


@dataclass(frozen=True, slots=True)
class Stamp:
    """What we write on an answer instead of what the provider wrote."""

    call_id: str
    created: int
    model: str


@dataclass(frozen=True, slots=True)
class Read(Generic[ValueT]):
    """An answer, and what it came to."""

    value: ValueT
    tokens: Tokens


def chat_body(request: ChatRequest, deployment: Deployment) -> dict[str, Any]:
    """Give what the provider is asked; the deployment's parameters stand behind the request's own."""
    own = {"model", "stream", "stream_options", "user", "prompt_cache_key", "metadata", "n"}
    return {**deployment.params, **request.model_dump(exclude=own, exclude_none=True, by_alias=True)}


def embedding_body(request: EmbeddingsRequest, deployment: Deployment) -> dict[str, Any]:
    """Give what the provider is asked; what the texts are for says *input_type*, to those that want to know."""
    body: dict[str, Any] = {**deployment.params, "input": request.input, "encoding_format": request.encoding_format}
    if request.dimensions is not None:
        body["dimensions"] = request.dimensions
    return {**body, "input_type": request.input_type}


def rerank_body(request: RerankRequest, deployment: Deployment) -> dict[str, Any]:
    """Give what the provider is asked."""
    top_n = min(request.top_n or len(request.documents), len(request.documents))
    return {**deployment.params, "query": request.query, "documents": request.documents, "top_n": top_n}


def read_chat(raw: Mapping[str, Any], stamp: Stamp, input_bytes: int, charging: Charging) -> Read[ChatResponse]:
    """Give the answer in *raw*. Raises `ProviderFailure` where there is none."""
    stamped = {**raw, "id": stamp.call_id, "created": stamp.created, "model": stamp.model, "usage": {}}
    stamped["object"] = "chat.completion"
    answer = _valid(ChatResponse, stamped)
    if not answer.choices:
        raise ProviderFailure(FailureKind.BAD_ANSWER)
    said = sum(len(_said(choice.message).encode()) for choice in answer.choices)
    tokens = tokens_of(raw.get("usage")) or estimated(input_bytes, said)
    return Read(answer.model_copy(update={"usage": usage_of(tokens, charging(tokens))}), tokens)


def read_chunk(raw: Mapping[str, Any], stamp: Stamp) -> ChatChunk:
    """Give the chunk in *raw*, without its usage. Raises `ProviderFailure` for anything else."""
    choices = raw.get("choices")
    if not isinstance(choices, list):
        raise ProviderFailure(FailureKind.BAD_ANSWER)
    fields = {"id": stamp.call_id, "created": stamp.created, "model": stamp.model, "choices": choices}
    return _valid(ChatChunk, fields)


def usage_chunk(stamp: Stamp, usage: Usage) -> ChatChunk:
    """Give the last chunk of a stream."""
    return ChatChunk(id=stamp.call_id, created=stamp.created, model=stamp.model, choices=[], usage=usage)


def read_embeddings(
    raw: Mapping[str, Any], request: EmbeddingsRequest, stamp: Stamp, charging: Charging
) -> Read[EmbedResponse]:
    """Give the vectors in *raw*, one for each text and in their order. Raises `ProviderFailure` for anything else."""
    data = raw.get("data")
    items = sorted(map(_item, data), key=lambda item: item.index) if isinstance(data, list) else []
    if [item.index for item in items] != list(range(len(request.input))):
        raise ProviderFailure(FailureKind.BAD_ANSWER)
    write = _packed if request.encoding_format == "base64" else _numbers
    encoded = [item.model_copy(update={"embedding": write(item.embedding)}) for item in items]
    tokens = tokens_of(raw.get("usage")) or estimated(sum(len(text.encode()) for text in request.input), 0)
    charge = charging(tokens)
    usage = EmbedUsage(
        prompt_tokens=tokens.input,
        total_tokens=tokens.input,
        cost_usd_micros=charge.cost_usd_micros,
        unpriced=charge.unpriced,
    )
    return Read(EmbedResponse(data=encoded, model=stamp.model, usage=usage), tokens)


def read_ranks(
    raw: Mapping[str, Any], request: RerankRequest, stamp: Stamp, charging: Charging
) -> Read[RerankResponse]:
    """Give the ranks in *raw*, best first, ties by place. Raises `ProviderFailure` for anything else."""
    results = raw.get("results")
    items = [_valid(RerankItem, result) for result in results] if isinstance(results, list) else []
    places = {item.index for item in items}
    if not items or len(places) != len(items) or not places <= set(range(len(request.documents))):
        raise ProviderFailure(FailureKind.BAD_ANSWER)
    ranked = sorted(items, key=lambda item: (-item.relevance_score, item.index))[: request.top_n]
    tokens = _ranking_tokens(raw)
    charge = charging(tokens)
    usage = RerankUsage(
        search_units=tokens.searches,
        total_tokens=tokens.input,
        cost_usd_micros=charge.cost_usd_micros,
        unpriced=charge.unpriced,
    )
    return Read(RerankResponse(id=stamp.call_id, model=stamp.model, results=ranked, usage=usage), tokens)


def tokens_of(usage: object) -> Tokens | None:
    """Give what *usage* says, or None where it says nothing that can be."""
    if not isinstance(usage, Mapping):
        return None
    read, written = usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)
    cached = _detail(usage, "prompt_tokens_details", "cached_tokens")
    reasoning = _detail(usage, "completion_tokens_details", "reasoning_tokens")
    if not (_is_count(read) and _is_count(written)) or not (read or written):
        return None
    return Tokens(read, written, cached=min(cached, read), reasoning=min(reasoning, written))


def estimated(input_bytes: int, output_bytes: int) -> Tokens:
    """Give about what texts of these sizes come to."""
    return Tokens(-(-input_bytes // BYTES_PER_TOKEN), -(-output_bytes // BYTES_PER_TOKEN), estimated=True)


def usage_of(tokens: Tokens, charge: Charge) -> Usage:
    """Give the usage that says *tokens* and what they cost."""
    return Usage(
        prompt_tokens=tokens.input,
        completion_tokens=tokens.output,
        total_tokens=tokens.input + tokens.output,
        prompt_tokens_details=CachedTokens(cached_tokens=tokens.cached) if tokens.cached else None,
        completion_tokens_details=ReasoningTokens(reasoning_tokens=tokens.reasoning) if tokens.reasoning else None,
        cost_usd_micros=charge.cost_usd_micros,
        unpriced=charge.unpriced,
    )


ModelT = TypeVar("ModelT", ChatResponse, ChatChunk, EmbeddingItem, RerankItem)


def _valid(model: type[ModelT], raw: object) -> ModelT:
    with contextlib.suppress(ValidationError):
        return model.model_validate(raw)
    # Out here, so that the failure does not carry the error along: it quotes what the provider said.
    raise ProviderFailure(FailureKind.BAD_ANSWER)


def _said(message: Any) -> str:
    calls = message.tool_calls or ()
    return (message.content or "") + "".join(call.function.arguments or "" for call in calls)


def _item(raw: object) -> EmbeddingItem:
    return _valid(EmbeddingItem, raw)


def _numbers(vector: Sequence[float] | str) -> list[float]:
    if not isinstance(vector, str):
        return list(vector)
    try:
        packed = base64.b64decode(vector, validate=True)
        return list(struct.unpack(f"<{len(packed) // 4}f", packed))
    except (binascii.Error, struct.error):
        raise ProviderFailure(FailureKind.BAD_ANSWER) from None


def _packed(vector: Sequence[float] | str) -> str:
    if isinstance(vector, str):
        return vector
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _ranking_tokens(raw: Mapping[str, Any]) -> Tokens:
    meta = raw.get("meta")
    billed = meta.get("billed_units") if isinstance(meta, Mapping) else None
    units = billed.get("search_units") if isinstance(billed, Mapping) else None
    read = _detail(raw, "usage", "total_tokens")
    if isinstance(units, float) and units.is_integer():
        units = int(units)
    return Tokens(read, searches=units if _is_count(units) and units else 1)


def _detail(usage: Mapping[str, Any], group: str, name: str) -> int:
    details = usage.get(group)
    number = details.get(name) if isinstance(details, Mapping) else None
    return number if isinstance(number, int) and _is_count(number) else 0


def _is_count(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= MAX_TOKENS
