"""What can be chosen in recipes and releases, with the parameters each choice takes."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import Field

from chalicelib.contracts.common import ResponseModel


class ComponentKind(StrEnum):
    """Where a component fits."""

    PARSER = "parser"
    CHUNKER = "chunker"
    EMBEDDER = "embedder"
    STRATEGY = "strategy"
    TRANSFORM = "transform"
    FUSION = "fusion"
    RERANKER = "reranker"
    DIVERSITY = "diversity"
    EXPANSION = "expansion"
    MODEL = "model"


class ComponentView(ResponseModel):
    """A component: forms are built from *parameters*, a JSON Schema."""

    kind: ComponentKind
    name: str
    description: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    default: bool = False


class Components(ResponseModel):
    """Every component there is, by kind and name."""

    items: list[ComponentView]
