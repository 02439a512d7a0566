"""Chunks, by document and attempt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from chalicelib.domain.access import Tenant
from chalicelib.domain.documents import Chunk
from chalicelib.domain.identifiers import AttemptId, ChunkId, DocumentId, chunk_id
from chalicelib.ports.table import (
    MAX_BATCH_GET,
    MAX_WRITE_BYTES,
    MAX_WRITE_OPERATIONS,
    Delete,
    Item,
    Put,
    Query,
    Table,
    TableName,
)
from chalicelib.repositories import keys
from chalicelib.repositories.codec import Codec

_chunks = Codec(Chunk)


class Chunks:
    """The chunks of all tenants, one tenant at a time."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def put(self, tenant: Tenant, chunks: Sequence[Chunk]) -> None:
        """Store any number of chunks; doing it again changes nothing."""
        items = [Item(keys.chunk(tenant, one.document_id, one.chunk_id), _chunks.dump(one)) for one in chunks]
        for batch in _batches(items):
            self._table.write(*map(Put, batch))

    def batch_get(self, tenant: Tenant, wanted: Mapping[ChunkId, DocumentId]) -> dict[ChunkId, Chunk]:
        """Give those chunks that exist, of any number."""
        sought = [keys.chunk(tenant, document, one) for one, document in wanted.items()]
        found: dict[ChunkId, Chunk] = {}
        for start in range(0, len(sought), MAX_BATCH_GET):
            chunks = map(_chunks.load, self._table.batch_get(sought[start : start + MAX_BATCH_GET]))
            found.update({chunk.chunk_id: chunk for chunk in chunks})
        return found

    def as_read(self, tenant: Tenant, wanted: Mapping[ChunkId, DocumentId]) -> dict[ChunkId, Chunk]:
        """Give those chunks that exist as their readers get them: with the text and place of the parent, if any."""
        chunks = self.batch_get(tenant, wanted)
        openings = {one.parent.first: one.document_id for one in chunks.values() if one.parent}
        missing = {first: document_id for first, document_id in openings.items() if first not in chunks}
        known = {**chunks, **(self.batch_get(tenant, missing) if missing else {})}
        return {key: one.read_in(known.get(one.parent.first) if one.parent else None) for key, one in chunks.items()}

    def page(
        self, tenant: Tenant, document_id: DocumentId, attempt: AttemptId, *, limit: int, cursor: str | None
    ) -> tuple[list[Chunk], str | None]:
        """Give at most *limit* chunks of one attempt in order, and the cursor of the next page."""
        partition = keys.chunk(tenant, document_id, ChunkId("")).partition
        query = Query(TableName.CHUNKS, partition, prefix=_prefix(attempt), limit=limit, cursor=cursor)
        page = self._table.query(query)
        return [_chunks.load(item) for item in page.items], page.cursor

    def ids(self, tenant: Tenant, document_id: DocumentId) -> Iterator[ChunkId]:
        """Give the id of every chunk of the document, of whatever attempt."""
        partition = keys.chunk(tenant, document_id, ChunkId("")).partition
        cursor: str | None = None
        while True:
            page = self._table.query(Query(TableName.CHUNKS, partition, limit=500, cursor=cursor))
            yield from (ChunkId(item.key.sort) for item in page.items)
            if page.cursor is None:
                return
            cursor = page.cursor

    def delete(self, tenant: Tenant, document_id: DocumentId, chunk_ids: Sequence[ChunkId]) -> None:
        """Remove any number of chunks of one document."""
        for start in range(0, len(chunk_ids), MAX_WRITE_OPERATIONS):
            batch = chunk_ids[start : start + MAX_WRITE_OPERATIONS]
            self._table.write(*(Delete(keys.chunk(tenant, document_id, one)) for one in batch))


def _batches(items: Sequence[Item]) -> Iterator[list[Item]]:
    """Give *items* in writes of at most `MAX_WRITE_OPERATIONS` and surely no more than `MAX_WRITE_BYTES`."""
    batch: list[Item] = []
    size = 0
    for item in items:
        item_bytes = _most_bytes(item)
        if batch and (len(batch) == MAX_WRITE_OPERATIONS or size + item_bytes > MAX_WRITE_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += item_bytes
    if batch:
        yield batch


def _most_bytes(item: Item) -> int:
    """Bound an item's size: a character takes at most six bytes of JSON, and what stands beside the texts is small."""
    parent = item.data.get("parent")
    texts = [item.data["text"], parent["text"] or "" if isinstance(parent, dict) else ""]
    return 6 * sum(len(str(text)) for text in texts) + 8_000


def _prefix(attempt: AttemptId) -> str:
    return chunk_id(attempt, 0).rpartition("_")[0] + "_"
