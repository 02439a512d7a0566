"""An embedder that is loaded when it is first used."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from chalicelib.errors import Unavailable
from chalicelib.ports.models import Embedder, EmbedderInfo, Embeddings, Purpose, TokenSpans


class Closable(Embedder, Protocol):
    """An embedder that holds something."""

    def close(self) -> None:
        """Let it go."""
        ...


class LazyEmbedder:
    """
    See `Embedder`: what *load* gives, once somebody needs more than its *info*. `close` it in the end.

    What *load* raises, its first user gets, and the next one tries again.
    """

    def __init__(self, info: EmbedderInfo, load: Callable[[], Closable]) -> None:
        self._info = info
        self._load = load
        self._loading = threading.Lock()
        self._loaded: Closable | None = None
        self._closed = False

    @property
    def info(self) -> EmbedderInfo:
        """See `Embedder.info`."""
        return self._info

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> Embeddings:
        """See `Embedder.embed`."""
        loaded = self._loaded
        if loaded is None:
            loaded = await asyncio.to_thread(self._ready)
        return await loaded.embed(texts, purpose)

    def token_spans(self, text: str) -> TokenSpans:
        """See `Embedder.token_spans`; not cheap the first time."""
        return self._ready().token_spans(text)

    def close(self) -> None:
        """Close what was loaded; from now on nothing is."""
        with self._loading:
            self._closed = True
            if self._loaded is not None:
                self._loaded.close()

    def _ready(self) -> Closable:
        with self._loading:
            if self._closed:
                raise Unavailable("the embedding model is shutting down; try again")
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded
