"""Who may embed, with which model."""

from __future__ import annotations

import asyncio

import pytest

from chalicelib.contracts.embeddings import EmbeddingsRequest
from chalicelib.domain.access import Role
from chalicelib.errors import Forbidden, InvalidRequest, NotFound
from fargate.embedding.service import EmbeddingService
from tests.fakes.embedder import DIMENSION, BagOfWords, vector
from tests.fakes.identities import principal

SERVICE = principal(role=Role.SERVICE)


@pytest.fixture
def service() -> EmbeddingService:
    return EmbeddingService({"local/minilm": BagOfWords()})


def request(model: str = "local/minilm", dimensions: int | None = None) -> EmbeddingsRequest:
    """Ask for two vectors."""
    return EmbeddingsRequest(input=["a cat", "a dog"], model=model, dimensions=dimensions)


@pytest.mark.parametrize("dimensions", [None, DIMENSION])
def test_texts_are_embedded_in_order(service: EmbeddingService, dimensions: int | None) -> None:
    """By the model that is named, with its own dimensions."""
    embedded = asyncio.run(service.embed(SERVICE, request(dimensions=dimensions)))
    assert embedded.vectors == [vector("a cat"), vector("a dog")]


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.SERVICE])
def test_people_cannot_use_it_directly(service: EmbeddingService, role: Role) -> None:
    """Their requests reach a model through what the platform does for them, where budgets hold."""
    with pytest.raises(Forbidden):
        asyncio.run(service.embed(principal(role=role), request()))
    with pytest.raises(Forbidden):
        service.models(principal(role=role))


def test_an_unknown_model_is_not_found(service: EmbeddingService) -> None:
    """The message says which there are."""
    with pytest.raises(NotFound, match="local/minilm"):
        asyncio.run(service.embed(SERVICE, request("text-embedding-3-small")))


def test_other_dimensions_are_refused(service: EmbeddingService) -> None:
    """The model's vectors cannot be shortened, and a stored index would not take others."""
    with pytest.raises(InvalidRequest, match=f"{DIMENSION} dimensions, not 10"):
        asyncio.run(service.embed(SERVICE, request(dimensions=10)))


def test_models_are_listed_with_what_a_recipe_needs(service: EmbeddingService) -> None:
    """Size, length and languages stand beside OpenAI's fields."""
    [model] = service.models(SERVICE).data
    assert (model.id, model.object, model.dimension, model.max_tokens) == ("local/minilm", "model", DIMENSION, 256)
