"""The vector contract, over every adapter."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.ports.vectors import VectorIndex, VectorQuery
from fargate.adapters.pgvector_vectors import PgVector
from fargate.adapters.s3_vectors import S3Vectors
from fargate.adapters.sqlite_vectors import SqliteVectors
from tests.contract.vectors_contract import INDEX, SPEC, VectorsContract, keys, pack, record
from tests.fakes.clock import HandClock
from tests.fakes.postgres import Postgres
from tests.fakes.s3_vectors_server import S3VectorsServer, s3_vectors_server

_OTHER_PROCESS = """
import struct, sys
from pathlib import Path
from chalicelib.ports.vectors import VectorIndexName, VectorRecord
from fargate.adapters.sqlite_vectors import SqliteVectors

store, index = SqliteVectors(Path(sys.argv[1])), VectorIndexName(sys.argv[2])
store.put(index, [VectorRecord("theirs", struct.pack("<3f", 1, 0, 0), "leave")])
store.delete(index, ["ours"])
"""


class TestSqliteVectors(VectorsContract):
    """SQLite and NumPy."""

    @pytest.fixture
    def vectors(self, tmp_path: Path) -> Iterator[VectorIndex]:
        """Give an empty store in a new folder."""
        store = SqliteVectors(tmp_path / "vectors")
        yield store
        store.close()

    @pytest.fixture
    def elsewhere(self, vectors: VectorIndex, tmp_path: Path) -> Iterator[VectorIndex]:
        """Open the same folder again, sharing nothing but the files."""
        store = SqliteVectors(tmp_path / "vectors")
        yield store
        store.close()

    def test_a_real_other_process_is_seen(self, vectors: VectorIndex, tmp_path: Path) -> None:
        """What it put and deleted shows in the next query here."""
        vectors.create(INDEX, SPEC)
        vectors.put(INDEX, [record("ours")])
        assert keys(vectors.query(INDEX, VectorQuery(10, pack(1, 0, 0)))) == {"ours"}
        command = [sys.executable, "-c", _OTHER_PROCESS, str(tmp_path / "vectors"), INDEX.name]
        subprocess.run(command, check=True, cwd=Path(__file__).parents[2])
        assert keys(vectors.query(INDEX, VectorQuery(10, pack(1, 0, 0), "leave"))) == {"theirs"}


@pytest.fixture(scope="module")
def s3_vectors() -> Iterator[S3VectorsServer]:
    """Serve S3 Vectors to the tests of this module."""
    with s3_vectors_server() as server:
        yield server


class TestS3Vectors(VectorsContract):
    """Amazon S3 Vectors, as the strict server of `tests.fakes` has it."""

    @pytest.fixture
    def bucket(self, s3_vectors: S3VectorsServer) -> Iterator[str]:
        """Make a vector bucket of its own."""
        name = f"bucket-{len(s3_vectors.carried)}"
        s3_vectors.client.create_vector_bucket(vectorBucketName=name)
        yield name
        del s3_vectors.account.buckets[name]

    @pytest.fixture
    def vectors(self, s3_vectors: S3VectorsServer, bucket: str) -> VectorIndex:
        """Give an empty store."""
        return S3Vectors(s3_vectors.client, bucket, HandClock(), sleep=lambda _: None)

    @pytest.fixture
    def elsewhere(self, s3_vectors: S3VectorsServer, bucket: str) -> VectorIndex:
        """Give another view of the same store, which remembers nothing of the first."""
        return S3Vectors(s3_vectors.client, bucket, HandClock(), sleep=lambda _: None)


class TestPgVector(VectorsContract):
    """PostgreSQL with pgvector, by a role that is nobody special."""

    @pytest.fixture
    def schema(self, postgres: Postgres) -> Iterator[str]:
        """Give a schema of its own."""
        with postgres.schema() as name:
            yield name

    @pytest.fixture
    def vectors(self, postgres: Postgres, schema: str) -> Iterator[VectorIndex]:
        """Give an empty store."""
        store = PgVector(postgres.url, schema)
        yield store
        store.close()

    @pytest.fixture
    def elsewhere(self, vectors: VectorIndex, postgres: Postgres, schema: str) -> Iterator[VectorIndex]:
        """Give another view of the same store, with connections of its own."""
        store = PgVector(postgres.url, schema)
        yield store
        store.close()
