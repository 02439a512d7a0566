"""
What questions came to lately, so that one asked again costs neither the model nor the search.

Only what the search brought is remembered, never a passage: whether it may be read, and what it says, is looked up each
time. Nothing crosses from one asker's scope to another, so that not even the time an answer takes tells of others.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from chalicelib.domain.access import Principal, Tenant
from chalicelib.domain.filters import to_json
from chalicelib.domain.identifiers import ReleaseId
from chalicelib.ports.vectors import Hit, VectorIndex, VectorIndexName, VectorQuery

MAX_VECTORS = 4_096
MAX_HITS = 20_000
"""Of all questions together; about 25 MB."""

ValueT = TypeVar("ValueT")


@dataclass(frozen=True, slots=True)
class Scope:
    """Who asks under which settings; a release is named by its content, so its id stands for every setting."""

    tenant: Tenant
    groups: frozenset[str]
    release: ReleaseId

    @classmethod
    def of(cls, principal: Principal, release: ReleaseId) -> Scope:
        """Give the scope of *principal* under *release*."""
        return cls(principal.tenant, principal.reading_groups, release)


class QueryCache:
    """Remembers the questions asked last; safe from any thread."""

    def __init__(self, max_vectors: int = MAX_VECTORS, max_hits: int = MAX_HITS) -> None:
        self._vectors: _Latest[bytes] = _Latest(max_vectors)
        self._hits: _Latest[Sequence[Hit]] = _Latest(max_hits)

    def vector(self, scope: Scope, question: str) -> bytes | None:
        """Give the vector that *question* came to, or None."""
        return self._vectors.get((scope, question))

    def keep_vector(self, scope: Scope, question: str, vector: bytes) -> None:
        """Remember what *question* came to."""
        self._vectors.keep((scope, question), vector, 1)

    def hits(self, scope: Scope, vectors: VectorIndex, index: VectorIndexName, query: VectorQuery) -> Sequence[Hit]:
        """
        See `VectorIndex.query`; the store is only asked when this query is new, or anything was written since.

        The version is read before the search: what is remembered may be newer than it says, never older.
        """
        version = vectors.version(index)
        if version is None:
            return vectors.query(index, query)
        # Filters as text: equal trees may differ in meaning (True == 1).
        wanted = [json.dumps(to_json(one)) if one else None for one in (query.filter, query.within)]
        key = (scope, index, version, query.top_k, query.vector, query.text, *wanted)
        found = self._hits.get(key)
        if found is None:
            found = vectors.query(index, query)
            self._hits.keep(key, found, len(found) + 1)
        return found


class _Latest(Generic[ValueT]):
    """The values used last, of at most *room* together; one that is larger by itself is not kept."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[ValueT, int]] = OrderedDict()

    def get(self, key: Hashable) -> ValueT | None:
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def keep(self, key: Hashable, value: ValueT, size: int) -> None:
        with self._lock:
            _, before = self._kept.pop(key, (None, 0))
            self._room += before - size
            self._kept[key] = (value, size)
            while self._room < 0:
                _, (_, freed) = self._kept.popitem(last=False)
                self._room += freed
