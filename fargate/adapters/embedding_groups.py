"""A long list of texts, embedded a few groups at a time, so that one call never fills the line for the others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from chalicelib.ports.models import Embeddings

_AT_ONCE = 2  # one in the model, one ready; more would only make other calls wait

EmbedGroup = Callable[[Sequence[str]], Awaitable[Embeddings]]


async def embed_groups(groups: Sequence[Sequence[str]], embed: EmbedGroup) -> Embeddings:
    """Give the embeddings of all *groups* in order. The first error cancels the rest and is raised."""
    turns = asyncio.Semaphore(_AT_ONCE)
    try:
        async with asyncio.TaskGroup() as tasks:
            parts = [tasks.create_task(_in_turn(group, embed, turns)) for group in groups]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    done = [part.result() for part in parts]
    return Embeddings(
        vectors=[vector for part in done for vector in part.vectors],
        tokens=[count for part in done for count in part.tokens],
    )


def grouped(texts: Sequence[str], count: int, characters: int) -> list[list[str]]:
    """Cut *texts* into runs of at most *count*, and of at most *characters* unless one text alone is longer."""
    groups: list[list[str]] = []
    size = 0
    for text in texts:
        if not groups or len(groups[-1]) == count or size + len(text) > characters:
            groups.append([])
            size = 0
        groups[-1].append(text)
        size += len(text)
    return groups


async def _in_turn(group: Sequence[str], embed: EmbedGroup, turns: asyncio.Semaphore) -> Embeddings:
    async with turns:
        return await embed(group)
