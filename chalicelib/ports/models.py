"""Models behind one door each: embedding, reranking, chat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Purpose(StrEnum):
    """What a text is embedded for; some models treat a question and a document differently."""

    QUERY = "query"
    DOCUMENT = "document"


@dataclass(frozen=True, slots=True)
class EmbedderInfo:
    """
    What a recipe may need to know of an embedder; texts over *max_tokens* are cut there.

    *unrelated* is the cosine that texts which have nothing to do with each other have on average: near 0, as a rule.
    """

    name: str
    dimension: int
    max_tokens: int
    languages: Sequence[str]
    revision: str
    unrelated: float = 0.0


@dataclass(frozen=True, slots=True)
class Embeddings:
    """
    One vector a text, in the order of the texts: packed little-endian float32, of length 1.

    *tokens* is what each text came to, special tokens left out.
    """

    vectors: Sequence[bytes]
    tokens: Sequence[int]


@dataclass(frozen=True, slots=True)
class TokenSpans:
    """Where each token of a text begins and ends, in characters; special tokens left out."""

    starts: Sequence[int]
    ends: Sequence[int]


class Embedder(Protocol):
    """Texts to vectors. Calls from many tasks at once are welcome: they share batches."""

    @property
    def info(self) -> EmbedderInfo:
        """Say what it is."""
        ...

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> Embeddings:
        """
        Embed any number of non-empty texts.

        The vector of a text does not depend on the texts beside it (but for rounding, cosine ≥ 0.999).
        Raises `Unavailable` or `DeadlineExceeded` when the model does not answer.
        """
        ...

    def token_spans(self, text: str) -> TokenSpans:
        """Say how the model's own tokenizer cuts *text*, however long it is; cheap, and safe from any thread."""
        ...
