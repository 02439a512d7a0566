"""The parameters that chunkers share, as recipes and forms give them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

MAX_TOKENS = 8192


class Parameters(BaseModel):
    """Parameters of a chunker: nothing is coerced, and none is taken that it does not have."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Budget(Parameters):
    """How large chunks may grow, in tokens of the embedder; special tokens are not counted."""

    max_tokens: int = Field(256, ge=16, le=MAX_TOKENS, description="No chunk is larger")
    overlap_tokens: int = Field(32, ge=0, le=MAX_TOKENS // 2, description="What a piece repeats of the one before")

    @model_validator(mode="after")
    def _overlap_is_smaller(self) -> Budget:
        if self.overlap_tokens > self.max_tokens // 2:
            raise ValueError("overlap_tokens must not be more than half of max_tokens")
        return self
