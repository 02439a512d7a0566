"""Who may embed, with which model."""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.contracts.embeddings import EmbeddingModel, EmbeddingModels, EmbeddingsRequest
from chalicelib.domain.access import Permission, Principal, allows
from chalicelib.errors import Forbidden, InvalidRequest, NotFound
from chalicelib.ports.models import Embedder, Embeddings, Purpose


class EmbeddingService:
    """The embedders of this process, each under its name; only principals that may use models reach them."""

    def __init__(self, embedders: Mapping[str, Embedder]) -> None:
        self._embedders = dict(embedders)

    async def embed(self, principal: Principal, request: EmbeddingsRequest) -> Embeddings:
        """Embed the texts of *request*; `NotFound` for an unknown model, `InvalidRequest` for other dimensions."""
        _check_permission(principal)
        embedder = self._embedders.get(request.model)
        if embedder is None:
            raise NotFound(f"There is no embedding model {request.model!r}; there are: {', '.join(self._embedders)}.")
        own = embedder.info.dimension
        if request.dimensions not in {None, own}:
            raise InvalidRequest(f"{request.model} has {own} dimensions, not {request.dimensions}; leave it out.")
        return await embedder.embed(request.input, Purpose(request.input_type))

    def models(self, principal: Principal) -> EmbeddingModels:
        """Say which models there are."""
        _check_permission(principal)
        infos = [(name, embedder.info) for name, embedder in self._embedders.items()]
        return EmbeddingModels(
            data=[
                EmbeddingModel(
                    id=name,
                    dimension=info.dimension,
                    max_tokens=info.max_tokens,
                    languages=list(info.languages),
                    revision=info.revision,
                )
                for name, info in infos
            ]
        )


def _check_permission(principal: Principal) -> None:
    if not allows(principal, Permission.MODELS_USE):
        raise Forbidden("Embedding needs the permission models:use, which the platform's own services have.")
