"""Everything the ingestion service keeps things in, handed around as one."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.ports.blobs import BlobStore
from chalicelib.ports.queue import Queue
from chalicelib.ports.table import Table
from chalicelib.ports.vectors import VectorIndex
from chalicelib.repositories.chunks import Chunks
from chalicelib.repositories.documents import Documents
from chalicelib.repositories.feedback import FeedbackBook
from chalicelib.repositories.indexes import Indexes
from chalicelib.repositories.jobs import Jobs
from chalicelib.repositories.parsed_documents import ParsedDocuments
from chalicelib.repositories.runs import Mentions


@dataclass(frozen=True, slots=True)
class Stores:
    """The four stores, and the repositories over them."""

    table: Table
    blobs: BlobStore
    queue: Queue
    vectors: VectorIndex
    documents: Documents
    chunks: Chunks
    indexes: Indexes
    jobs: Jobs
    parsed: ParsedDocuments
    mentions: Mentions
    feedback: FeedbackBook

    @classmethod
    def over(cls, *, table: Table, blobs: BlobStore, queue: Queue, vectors: VectorIndex) -> Stores:
        """Put the repositories over the stores."""
        return cls(
            table=table,
            blobs=blobs,
            queue=queue,
            vectors=vectors,
            documents=Documents(table),
            chunks=Chunks(table),
            indexes=Indexes(table),
            jobs=Jobs(table),
            parsed=ParsedDocuments(blobs),
            mentions=Mentions(table),
            feedback=FeedbackBook(table),
        )
