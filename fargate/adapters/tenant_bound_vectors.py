"""The search store, for no one but the tenant for whom the task at hand works; see `adapters.tenant_bound`."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.adapters.tenant_bound import OutOfBounds, check_names
from chalicelib.domain.acting import PLATFORM, Everyone, act_for, acting_for
from chalicelib.ports.vectors import Capabilities, Hit, VectorIndex, VectorIndexName, VectorIndexSpec, VectorQuery
from chalicelib.ports.vectors import VectorRecord as Record
from chalicelib.repositories import keys


class TenantBoundVectors:
    """`VectorIndex`, for the tenant at hand; the platform itself may see which indexes there are, and no more."""

    def __init__(self, vectors: VectorIndex) -> None:
        self._vectors = vectors

    @property
    def capabilities(self) -> Capabilities:
        """See `VectorIndex.capabilities`."""
        return self._vectors.capabilities

    def create(self, index: VectorIndexName, spec: VectorIndexSpec) -> None:
        """See `VectorIndex.create`. Raises `OutOfBounds`, as all of this class do."""
        _check(index)
        self._vectors.create(index, spec)

    def drop(self, index: VectorIndexName) -> None:
        """See `VectorIndex.drop`."""
        _check(index)
        self._vectors.drop(index)

    def indexes(self, prefix: str = "") -> Sequence[VectorIndexName]:
        """See `VectorIndex.indexes`."""
        whom = acting_for()
        if not isinstance(whom, Everyone):
            check_names([prefix], keys.vector_indexes_of_tenant(whom))
        with act_for(PLATFORM):  # AWS knows no right to list less than the whole bucket; these are names only
            return self._vectors.indexes(prefix)

    def put(self, index: VectorIndexName, records: Sequence[Record]) -> None:
        """See `VectorIndex.put`."""
        _check(index)
        self._vectors.put(index, records)

    def get(self, index: VectorIndexName, keys: Sequence[str]) -> Sequence[Record]:
        """See `VectorIndex.get`."""
        _check(index)
        return self._vectors.get(index, keys)

    def delete(self, index: VectorIndexName, keys: Sequence[str]) -> None:
        """See `VectorIndex.delete`."""
        _check(index)
        self._vectors.delete(index, keys)

    def list(
        self, index: VectorIndexName, *, limit: int = 500, cursor: str | None = None
    ) -> tuple[Sequence[str], str | None]:
        """See `VectorIndex.list`."""
        _check(index)
        return self._vectors.list(index, limit=limit, cursor=cursor)

    def query(self, index: VectorIndexName, query: VectorQuery) -> Sequence[Hit]:
        """See `VectorIndex.query`."""
        _check(index)
        return self._vectors.query(index, query)

    def version(self, index: VectorIndexName) -> str | None:
        """See `VectorIndex.version`."""
        _check(index)
        return self._vectors.version(index)

    def close(self) -> None:
        """See `VectorIndex.close`."""
        self._vectors.close()


def _check(index: VectorIndexName) -> None:
    whom = acting_for()
    if isinstance(whom, Everyone):
        raise OutOfBounds("A task that works for the platform asked for vectors, which are tenants'.")
    check_names([index.name], keys.vector_indexes_of_tenant(whom))
