"""Reads what ingestion left in the stores, past the repositories: the tests' own eyes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.ports.vectors import MAX_GET, VectorIndexName, VectorRecord
from fargate.adapters.sqlite_vectors import SqliteVectors


@dataclass(frozen=True)
class Contents:
    """Everything stored: rows by family as (partition, sort, data), vectors by key, blob paths."""

    rows: dict[str, list[tuple[str, str, dict[str, Any]]]]
    vectors: dict[str, dict[str, Any]]
    blobs: list[str]

    @classmethod
    def of(cls, folder: Path) -> Contents:
        """Read the data folder."""
        rows: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
        with closing(sqlite3.connect(folder / "table.sqlite")) as connection:
            for family, partition, sort, data in connection.execute("SELECT family, pk, sk, data FROM item"):
                rows.setdefault(family, []).append((partition, sort, json.loads(data)))
        return cls(rows, _vectors(folder / "vectors"), _blobs(folder / "blobs"))

    def documents(self) -> list[dict[str, Any]]:
        """Give the rows of all documents, deleted ones too."""
        return [data for _, sort, data in self.rows.get("documents", []) if sort == "document"]

    def document(self, external_id: str = "leave") -> dict[str, Any]:
        """Give the row of the one document that bears the external id and is not deleted."""
        (found,) = [one for one in self.documents() if one["external_id"] == external_id and one["status"] != "deleted"]
        return found

    def attached_to(self, document_id: str) -> list[dict[str, Any]]:
        """Give the rows of the documents that were found in a document and are not deleted."""
        return [
            one
            for one in self.documents()
            if one["status"] != "deleted" and (one["holder"] or {}).get("document_id") == document_id
        ]

    def visible(self) -> dict[str, list[str]]:
        """Give the texts that can be found of each document, by external id, in the order of the document."""
        found: dict[str, list[str]] = {}
        for document in self.documents():
            published = document["published"]
            if published is None or document["status"] == "deleted":
                continue
            texts = [
                entry["text"] for _, entry in sorted(self.vectors.items()) if entry["attempt"] == published["attempt"]
            ]
            found[document["external_id"]] = texts
        return found

    def metadata(self, external_id: str = "leave") -> list[dict[str, Any]]:
        """Give the metadata of every vector of the document."""
        document_id = self.document(external_id)["document_id"]
        return [one["metadata"] for one in self.vectors.values() if one["metadata"]["_document"] == document_id]

    def jobs(self) -> list[dict[str, Any]]:
        """Give the rows of all jobs, oldest first."""
        return sorted((data for _, _, data in self.rows.get("jobs", [])), key=lambda job: str(job["job_id"]))

    def jobs_of(self, document_id: str) -> list[dict[str, Any]]:
        """Give the rows of a document's jobs, oldest first."""
        return [job for job in self.jobs() if job["document_id"] == document_id]

    def traces(self, document_id: str) -> list[str]:
        """Say where anything of the document stands, its jobs aside."""
        rows = [
            f"{family}/{sort}"
            for family, found in self.rows.items()
            for partition, sort, data in found
            if document_id in (partition.partition("#")[2], data.get("document_id")) and family != "jobs"
        ]
        vectors = [key for key, one in self.vectors.items() if one["metadata"]["_document"] == document_id]
        return sorted([*rows, *vectors, *(path for path in self.blobs if document_id in path)])

    def orphans(self) -> int:
        """Count the vectors, chunk rows and parsed texts of no published attempt, and those without another half."""
        attempts = {one["published"]["attempt"] for one in self.documents() if one["published"]}
        rows = {sort for _, sort, _ in self.rows.get("chunks", [])}
        unowned = [
            key
            for key in rows | set(self.vectors)
            if "att_" + key.removeprefix("chk_").rpartition("_")[0] not in attempts
        ]
        texts = {path.rpartition("/")[2].removesuffix(".json") for path in self.blobs if path.startswith("chunks/")}
        return len(unowned) + len(rows ^ set(self.vectors)) + len(texts ^ attempts)

    def assert_settled(self) -> None:
        """Nothing is left over, and nothing is left to do."""
        assert self.orphans() == 0
        assert {job["status"] for job in self.jobs()} <= {"succeeded", "failed", "cancelled"}


def receipt(
    document_id: str, *, versions: int, chunks: int, blobs: int, attachments: int = 0, runs: int = 0, feedback: int = 0
) -> dict[str, Any]:
    """Give what a deletion says it removed, where each chunk has one vector."""
    counts = {"versions": versions, "attachments": attachments, "chunks": chunks, "vectors": chunks}
    return {"document_id": document_id, **counts, "blobs": blobs, "runs": runs, "feedback": feedback}


def _vectors(root: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    with closing(SqliteVectors(root)) as store:
        for index in store.indexes():
            for record in _records(store, index):
                metadata = dict(record.metadata)
                found[record.key] = {"text": record.text, "attempt": metadata.pop("_attempt"), "metadata": metadata}
    return found


def _records(store: SqliteVectors, index: VectorIndexName) -> Iterator[VectorRecord]:
    cursor: str | None = None
    while True:
        keys, cursor = store.list(index, limit=MAX_GET, cursor=cursor)
        yield from store.get(index, keys)
        if cursor is None:
            return


def _blobs(root: Path) -> list[str]:
    # A blob's file ends in "@blob"; what stands beside it is the store's own.
    return sorted(path.relative_to(root).as_posix().removesuffix("@blob") for path in root.rglob("*@blob"))
