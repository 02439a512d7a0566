"""The same documents, asked the same questions, wherever the search indexes are kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from chalicelib.adapters.sqlite_table import SqliteTable
from chalicelib.contracts.asking import RetrieveRequest
from chalicelib.domain.access import Principal
from chalicelib.ports.vectors import VectorIndex
from fargate.adapters.pgvector_vectors import PgVector
from fargate.adapters.s3_vectors import S3Vectors
from fargate.adapters.sqlite_vectors import SqliteVectors
from tests.fakes.clock import HandClock
from tests.fakes.knowledge import Knowledge, reader
from tests.fakes.postgres import Postgres
from tests.fakes.s3_vectors_server import s3_vectors_server

QUESTIONS = [
    "How many days of annual leave?",
    "salary bands",
    "who approves leave for the board",
    "AUR-1042",
    "teapots",
]
Opened = Callable[[Path], VectorIndex]


@contextmanager
def in_files(_: Postgres) -> Iterator[Opened]:
    """Open stores on this machine."""
    yield lambda folder: SqliteVectors(folder / "vectors")


@contextmanager
def in_s3_vectors(_: Postgres) -> Iterator[Opened]:
    """Open stores in S3 Vectors."""
    with s3_vectors_server() as server:
        server.client.create_vector_bucket(vectorBucketName="vectors")
        yield lambda _: S3Vectors(server.new_client(server.client.meta.config), "vectors", HandClock())


@contextmanager
def in_postgres(postgres: Postgres) -> Iterator[Opened]:
    """Open stores in PostgreSQL."""
    with postgres.schema() as schema:
        yield lambda _: PgVector(postgres.url, schema)


@pytest.mark.parametrize("elsewhere", [in_s3_vectors, in_postgres])
def test_the_same_passages_are_found_for_the_same_asker(elsewhere: Any, postgres: Postgres, tmp_path: Path) -> None:
    """In the same order; what was replaced, deleted behind the index's back, or is for others is found nowhere."""
    told = _told_by(elsewhere(postgres), tmp_path / "one")
    assert told == _told_by(in_files(postgres), tmp_path / "other")
    assert all(len(passages) == 4 for _, _, passages in told)
    every = [(who, passage) for _, who, passages in told for passage in passages]
    assert not any("25 days" in passage or "secret" in passage for _, passage in every)
    assert {who for who, passage in every if "Salary" in passage} == {"hr"}


def _told_by(stores: Any, folder: Path) -> list[tuple[str, str, Sequence[str]]]:
    folder.mkdir()
    clock = HandClock()
    with stores as opened, closing(SqliteTable(folder / "table", clock)) as table, closing(opened(folder)) as vectors:
        known = Knowledge(table, vectors, clock)
        _write(known)
        askers = {"": reader(), "hr": reader("hr")}
        return [(one, name, _passages(known, who, one)) for one in QUESTIONS for name, who in askers.items()]


def _write(known: Knowledge) -> None:
    known.add("Annual leave is 30 days.", "Leave is approved by the manager.", "The board approves its own leave.")
    known.add("Salary bands are reviewed in annual talks.", acl=["hr"])
    old = known.add("Annual leave is 25 days.")
    known.republish(old, "Parental leave is 14 months.")
    known.change(known.add("Leave without pay is a secret."), acl=("board",))
    known.add("Part AUR-1042 replaces part AUR-1041.", metadata={"kind": "part"})


def _passages(known: Knowledge, who: Principal, question: str) -> list[str]:
    request = RetrieveRequest(question=question, top_k=4)
    return [passage.text for passage in asyncio.run(known.retrieval().retrieve(who, request)).passages]
