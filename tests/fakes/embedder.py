"""An embedder that a test can predict: texts are near when they share words."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cache

import numpy as np

from chalicelib.ports.models import EmbedderInfo, Embeddings, Purpose, TokenSpans

DIMENSION = 64
_WORD = re.compile(r"\w+")


class BagOfWords:
    """See `Embedder`. Each word points in a fixed direction of its own; a text is the sum of its words'."""

    info = EmbedderInfo("local/minilm", DIMENSION, 256, ("en",), "1")

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.embedded: list[str] = []

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> Embeddings:
        """See `Embedder.embed`; raises `failure` where a test has set one."""
        if self.failure is not None:
            raise self.failure
        self.embedded += texts
        return Embeddings([vector(text) for text in texts], [len(_WORD.findall(text)) for text in texts])

    def token_spans(self, text: str) -> TokenSpans:
        """See `Embedder.token_spans`; a token is a word."""
        found = [word.span() for word in _WORD.finditer(text)]
        return TokenSpans([start for start, _ in found], [end for _, end in found])


def vector(text: str) -> bytes:
    """Give the vector of *text*."""
    total = np.sum([_direction(word) for word in _WORD.findall(text.casefold()) or [text]], axis=0)
    return bytes((total / np.linalg.norm(total)).astype("<f4").tobytes())


@cache
def _direction(word: str) -> np.ndarray:
    seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")
    return np.random.default_rng(seed).standard_normal(DIMENSION)
