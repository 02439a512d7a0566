"""Model providers: one try of one call at one of them, without retries."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from pydantic import SecretStr

from chalicelib.domain.prices import Price
from chalicelib.errors import RagError


class FailureKind(StrEnum):
    """Why a try failed; the value is what callers and logs see of it."""

    INVALID_REQUEST = "invalid_request"
    CONTENT_POLICY = "content_policy"
    CONTEXT_LENGTH = "context_length"
    CREDENTIALS = "provider_credentials"
    QUOTA = "provider_quota"
    UNKNOWN_MODEL = "unknown_model"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    BAD_ANSWER = "bad_answer"
    BROKEN_OFF = "broken_off"


class ProviderFailure(RagError):
    """
    A try failed. It never leaves the gateway, which tries again or says it as another error.

    Nothing the provider said is in it: its words may repeat the key or the prompt.
    """

    status, code, title = 502, "bad_upstream", "A model provider failed"

    def __init__(self, kind: FailureKind, *, upstream_status: int | None = None, retry_after_s: float | None = None):
        super().__init__(f"The provider failed: {kind.value}.")
        self.kind = kind
        self.upstream_status = upstream_status
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Access:
    """How a provider is reached: *kind* is the protocol it speaks, *options* what that needs beside address and key."""

    kind: str
    base_url: str | None = None
    api_key: SecretStr | None = None
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProviderCall:
    """One call: *model* is the provider's own name of it, *body* what OpenAI's (or Cohere's) API has beside that."""

    access: Access
    model: str
    body: Mapping[str, Any]
    timeout_s: float


class ModelProvider(Protocol):
    """
    Speaks to providers. What it gives is JSON shaped as OpenAI's and Cohere's APIs have it, otherwise unchecked.

    Every method makes at most one request, raises `ProviderFailure` and nothing else, and lets the connection go when
    it is cancelled. The caller holds it to *timeout_s*.
    """

    async def prepare(self) -> None:
        """Make ready what takes long the first time, so that it counts towards no call's deadline."""
        ...

    async def chat(self, call: ProviderCall) -> Mapping[str, Any]:
        """Give a chat completion."""
        ...

    def chat_stream(self, call: ProviderCall) -> AsyncGenerator[Mapping[str, Any], None]:
        """
        Give the chunks of a chat completion, usage asked for.

        Raises `ProviderFailure` with `BROKEN_OFF` where the stream ends before the answer did.
        """
        ...

    async def embed(self, call: ProviderCall) -> Mapping[str, Any]:
        """Give embeddings."""
        ...

    async def rerank(self, call: ProviderCall) -> Mapping[str, Any]:
        """Give the ranks of documents."""
        ...


class PriceList(Protocol):
    """What models cost."""

    def price(self, namespace: str, model: str) -> Price | None:
        """Give the price of *model* as the provider *namespace* sells it, or None where nobody knows."""
        ...
