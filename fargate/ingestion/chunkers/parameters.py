"""The parameters of chunkers, as recipes and forms give them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Budget(BaseModel):
    """How large chunks may grow, in tokens of the embedder; special tokens are not counted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    max_tokens: int = Field(256, ge=16, le=8192, description="No chunk is larger")
    overlap_tokens: int = Field(32, ge=0, le=4096, description="What a piece repeats of the one before")

    @model_validator(mode="after")
    def _overlap_is_smaller(self) -> Budget:
        if self.overlap_tokens > self.max_tokens // 2:
            raise ValueError("overlap_tokens must not be more than half of max_tokens")
        return self
