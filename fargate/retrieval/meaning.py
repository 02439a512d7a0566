"""The vector that a wording of a question is searched by."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chalicelib.domain.runs import Wording
from chalicelib.observability.stages import Stages
from chalicelib.ports.models import Embedder, Purpose
from fargate.retrieval.query_cache import QueryCache, Scope


@dataclass(frozen=True, slots=True)
class Meaning:
    """Makes vectors for one question; those made lately in its *scope* are remembered."""

    embedder: Embedder
    cache: QueryCache
    scope: Scope
    stages: Stages

    async def vectors(self, wordings: Sequence[Wording]) -> list[bytes]:
        """Give the vector of each wording, in order; they share the model's batches."""
        with self.stages.stage("embed", embedder=self.embedder.info.name):
            return await asyncio.gather(*map(self._vector, wordings))

    async def _vector(self, wording: Wording) -> bytes:
        own = self.cache.vector(self.scope, wording.text)
        if own is None:
            (own,) = (await self.embedder.embed([wording.text], Purpose.QUERY)).vectors
            self.cache.keep_vector(self.scope, wording.text, own)
        if not wording.imagined:
            return own
        imagined = (await self.embedder.embed(list(wording.imagined), Purpose.DOCUMENT)).vectors
        return mean_direction([own, *imagined])


def mean_direction(vectors: Sequence[bytes]) -> bytes:
    """Give the mean of *vectors* (packed as in `VectorRecord`), of length 1; the first where they cancel out."""
    mean = np.mean([np.frombuffer(one, "<f4") for one in vectors], axis=0)
    length = float(np.linalg.norm(mean))
    return vectors[0] if length == 0 else bytes((mean / length).astype("<f4").data)
