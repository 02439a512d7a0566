"""Which stores the composition root chooses."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from chalicelib.settings import Settings
from fargate.bootstrap import _vector_store
from tests.fakes.clock import HandClock


@pytest.mark.parametrize(
    ("chosen", "kind"),
    [
        ({}, "SqliteVectors"),
        ({"RAGSTONE_VECTORS": "s3vectors", "RAGSTONE_VECTOR_BUCKET": "vectors"}, "S3Vectors"),
        ({"RAGSTONE_VECTORS": "pgvector", "RAGSTONE_POSTGRES_URL": "postgresql://user@127.0.0.1/name"}, "PgVector"),
        (
            {
                "RAGSTONE_VECTORS": "pgvector",
                "RAGSTONE_POSTGRES_URL": "postgresql://user@db.example/name?sslmode=verify-full&sslrootcert=rds",
                "RAGSTONE_POSTGRES_IAM": "true",
            },
            "PgVector",
        ),
    ],
)
def test_search_indexes_are_kept_where_the_settings_say(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, chosen: dict[str, str], kind: str
) -> None:
    """Nothing is asked of a service before the first call."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    settings = Settings.from_env({"RAGSTONE_DATA_DIR": str(tmp_path), **chosen})
    store = _vector_store(cast("Any", SimpleNamespace(settings=settings, clock=HandClock())))
    assert type(store).__name__ == kind
    store.close()
