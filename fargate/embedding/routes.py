"""The embedding service over HTTP, as OpenAI's API has it; health and errors are every service's (`fargate.http`)."""

from __future__ import annotations

import asyncio
import base64
import struct
from collections.abc import Callable, Mapping

from fastapi import APIRouter, Depends, Response

from chalicelib.contracts.embeddings import (
    EmbeddingItem,
    EmbeddingModels,
    EmbeddingsRequest,
    EmbeddingsResponse,
    EmbeddingsUsage,
)
from chalicelib.domain.access import Principal
from chalicelib.ports.models import Embedder, Embeddings
from fargate.embedding.service import EmbeddingService


def router(embedders: Mapping[str, Embedder], authenticate: Callable[..., Principal]) -> APIRouter:
    """Give the routes under ``/embedding/v1`` over *embedders*, by name; *authenticate* is a FastAPI dependency."""
    service = EmbeddingService(embedders)
    routes = APIRouter(prefix="/embedding/v1", tags=["embedding"])
    caller = Depends(authenticate)

    @routes.post("/embeddings", response_model=EmbeddingsResponse)
    async def embeddings(request: EmbeddingsRequest, principal: Principal = caller) -> Response:
        """Embed up to 2,048 texts; texts over the model's length are cut."""
        embedded = await service.embed(principal, request)
        body = await asyncio.to_thread(_render, request, embedded)
        return Response(body, media_type="application/json")

    @routes.get("/models")
    async def models(principal: Principal = caller) -> EmbeddingModels:
        """List the models."""
        return service.models(principal)

    return routes


def _render(request: EmbeddingsRequest, embedded: Embeddings) -> bytes:
    # Item by item: in one piece, the largest response would hold the interpreter for a fifth of a second.
    write = _base64 if request.encoding_format == "base64" else _numbers
    items = [
        EmbeddingItem(index=index, embedding=write(vector)).model_dump_json()
        for index, vector in enumerate(embedded.vectors)
    ]
    total = sum(embedded.tokens)
    usage = EmbeddingsUsage(prompt_tokens=total, total_tokens=total)
    frame = EmbeddingsResponse(data=[], model=request.model, usage=usage).model_dump_json()
    return frame.replace('"data":[]', f'"data":[{",".join(items)}]', 1).encode()


def _base64(vector: bytes) -> str:
    return base64.b64encode(vector).decode()


def _numbers(vector: bytes) -> list[float]:
    return list(struct.unpack(f"<{len(vector) // 4}f", vector))
