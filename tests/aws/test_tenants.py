"""
Session policies on real IAM: ``RAGSTONE_AWS_TEST_TENANT_ROLE=arn:… pytest -m aws tests/aws/test_tenants.py``.

The role must let whoever runs this take it on, and must itself reach tables and buckets whose names begin with
``ragstone-test-``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import closing

import pytest

from chalicelib.adapters.aws_clients import client
from chalicelib.adapters.dynamodb_table import DynamoDbTable
from chalicelib.adapters.s3_blobs import S3Blobs
from chalicelib.adapters.system_clock import SystemClock
from chalicelib.adapters.tenant_credentials import tenant_session
from chalicelib.domain.access import Tenant
from chalicelib.domain.acting import act_for
from chalicelib.domain.identifiers import AttemptId, DocumentId, TenantId
from chalicelib.errors import DependencyError
from chalicelib.ports.blobs import Bucket
from chalicelib.ports.table import Item, Put, Query
from chalicelib.repositories import keys

ROLE = os.environ.get("RAGSTONE_AWS_TEST_TENANT_ROLE", "")
DOCUMENT = DocumentId("doc_1")
ACME, GLOBEX = Tenant(TenantId("acme")), Tenant(TenantId("globex"))


@pytest.mark.aws
@pytest.mark.skipif(not ROLE, reason="RAGSTONE_AWS_TEST_TENANT_ROLE names no role")
def test_iam_holds_a_tenants_credentials_to_its_rows_and_blobs(
    table_prefix: str, buckets: Mapping[Bucket, str]
) -> None:
    """Its own it reads and writes, and learns what is not there; another's it does not."""
    names = list(buckets.values())
    session = tenant_session(ROLE, table_prefix=table_prefix, buckets=names, vector_bucket=None)
    own, foreign = (keys.document(one, DOCUMENT) for one in (ACME, GLOBEX))
    blob, theirs = (keys.raw_blob(one, DOCUMENT, AttemptId("att_1")) for one in (ACME, GLOBEX))
    with (
        closing(DynamoDbTable(client("dynamodb", session), table_prefix, SystemClock())) as table,
        closing(S3Blobs(client("s3", session), buckets, SystemClock())) as blobs,
        act_for(ACME),
    ):
        table.write(Put(Item(own, {"a": 1})))
        assert table.get(own) == Item(own, {"a": 1})
        assert blobs.head(blob) is None
        blobs.put(blob, b"ours")
        assert blobs.get(blob) == b"ours"
        for ask in (
            lambda: table.get(foreign),
            lambda: table.query(Query(foreign.table, foreign.partition)),
            lambda: table.write(Put(Item(own, {})), Put(Item(foreign, {}))),
            lambda: blobs.get(theirs),
            lambda: blobs.put(theirs, b"ours"),
            lambda: list(blobs.list(theirs.bucket, "")),
        ):
            with pytest.raises(DependencyError):
                ask()
