"""Embeddings, as OpenAI's API has them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from chalicelib.contracts.common import RequestModel, ResponseModel

MAX_INPUTS = 2_048
MAX_BODY_BYTES = 8 * 1024 * 1024


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Text = Annotated[str, StringConstraints(min_length=1)]
Texts = Annotated[list[Text], BeforeValidator(_listed, json_schema_input_type=Text | list[Text])]


class EmbeddingsRequest(RequestModel):
    """
    Texts to embed, and by which model.

    *input_type* is not OpenAI's: a question goes before the documents that wait. *dimensions* can only be the model's
    own; *user* is taken and not used.
    """

    input: Texts = Field(min_length=1, max_length=MAX_INPUTS, examples=["How many days of leave do I have?"])
    model: str = Field(examples=["local/minilm"])
    encoding_format: Literal["float", "base64"] = "float"
    input_type: Literal["query", "document"] = "document"
    dimensions: int | None = None
    user: str | None = None


class EmbeddingItem(ResponseModel):
    """One vector: numbers, or packed little-endian float32 in base 64."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingsUsage(ResponseModel):
    """What was read, in tokens."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsResponse(ResponseModel):
    """A vector for each text, in the order of the texts."""

    object: Literal["list"] = "list"
    data: list[EmbeddingItem]
    model: str
    usage: EmbeddingsUsage


class EmbeddingModel(ResponseModel):
    """A model that can be asked for; the last four fields are not OpenAI's."""

    id: str
    object: Literal["model"] = "model"
    created: int = Field(0, description="Always 0: when the model was made is not recorded")
    owned_by: str = "ragstone"
    dimension: int
    max_tokens: int
    languages: list[str]
    revision: str


class EmbeddingModels(ResponseModel):
    """The models of this service."""

    object: Literal["list"] = "list"
    data: list[EmbeddingModel]
