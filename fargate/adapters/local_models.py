"""The platform's own models as a provider: the embedders of this process, or of the embedding service."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

from chalicelib.errors import DependencyError, RequestError
from chalicelib.observability.logs import get_logger
from chalicelib.ports.model_providers import FailureKind, ProviderCall, ProviderFailure
from chalicelib.ports.models import Embedder, Purpose

log = get_logger(__name__)


class LocalProvider:
    """See `ModelProvider`. It embeds; *embedders* gives them by the names recipes use, such as `local/minilm`."""

    def __init__(self, embedders: Callable[[], Mapping[str, Embedder]]) -> None:
        self._embedders = embedders

    async def prepare(self) -> None:
        """See `ModelProvider.prepare`; the models are loaded by their first user."""

    async def embed(self, call: ProviderCall) -> Mapping[str, Any]:
        """See `ModelProvider.embed`."""
        embedder = self._embedders().get(f"local/{call.model}")
        if embedder is None:
            raise _no_such_model(call)
        if call.body.get("dimensions") not in {None, embedder.info.dimension}:
            raise ProviderFailure(FailureKind.INVALID_REQUEST)
        try:
            embedded = await embedder.embed(call.body["input"], Purpose(call.body.get("input_type", "document")))
        except RequestError:
            raise ProviderFailure(FailureKind.INVALID_REQUEST) from None
        except DependencyError:
            raise ProviderFailure(FailureKind.UNAVAILABLE) from None
        vectors = [base64.b64encode(vector).decode() for vector in embedded.vectors]
        return {
            "data": [{"index": index, "embedding": vector} for index, vector in enumerate(vectors)],
            "usage": {"prompt_tokens": sum(embedded.tokens)},
        }

    async def chat(self, call: ProviderCall) -> Mapping[str, Any]:
        """See `ModelProvider.chat`; there is none."""
        raise _no_such_model(call)

    async def chat_stream(self, call: ProviderCall) -> AsyncGenerator[Mapping[str, Any], None]:
        """See `ModelProvider.chat_stream`; there is none."""
        yield await self.chat(call)

    async def rerank(self, call: ProviderCall) -> Mapping[str, Any]:
        """See `ModelProvider.rerank`; there is none."""
        raise _no_such_model(call)


def _no_such_model(call: ProviderCall) -> ProviderFailure:
    log.warning("local_model_missing", model=call.model)
    return ProviderFailure(FailureKind.UNKNOWN_MODEL)
