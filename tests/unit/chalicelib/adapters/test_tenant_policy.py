"""Session policies: every request of a tenant's own is allowed, every other is refused, whatever was meant."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import pytest

from chalicelib.adapters.tenant_policy import MAX_CHARACTERS, Places, session_policy
from chalicelib.domain.access import Tenant
from chalicelib.domain.identifiers import AttemptId, DocumentId, JobId, KeyId, ReleaseId, RunId, TenantId
from chalicelib.ports.blobs import BlobKey
from chalicelib.ports.table import Key
from chalicelib.repositories import keys
from tests.fakes.iam import Context, allows

# Two whose names begin alike, and one with every kind of character.
TENANTS = [Tenant(TenantId(name)) for name in ("acme", "acme2", "acme-eu", "0-9")]
BUCKETS = {"raw": "acme-raw", "chunks": "acme-chunks", "imports": "acme-imports"}
PLACES = Places("eu-central-1", "123456789012", "ragstone-", list(BUCKETS.values()), "vectors")
DOCUMENT, ATTEMPT = DocumentId("doc_1"), AttemptId("att_1")
WRITES = ("PutItem", "DeleteItem", "ConditionCheckItem")
READS = ("GetItem", "BatchGetItem", "Query")

ROWS: list[Callable[[Tenant], Key]] = [
    lambda tenant: keys.document(tenant, DOCUMENT),
    lambda tenant: keys.chunk(tenant, DOCUMENT, "chk_1"),  # type: ignore[arg-type]
    lambda tenant: keys.index(tenant, "handbook"),
    lambda tenant: keys.job(tenant, JobId("job_1")),
    lambda tenant: keys.run(tenant, RunId("run_1")),
    lambda tenant: keys.release(tenant, ReleaseId("rel_1")),
    lambda tenant: keys.budget(tenant, "month"),
    lambda tenant: keys.audit_event(tenant, "aud_1"),
    lambda tenant: keys.reservation(tenant, "call_1", 1, 2),
]
BLOBS: list[Callable[[Tenant], BlobKey]] = [
    lambda tenant: keys.raw_blob(tenant, DOCUMENT, ATTEMPT),
    lambda tenant: keys.text_blob(tenant, DOCUMENT, ATTEMPT),
    lambda tenant: keys.import_blob(tenant, "handbook", "a/b.pdf"),
]

Request = tuple[str, str, Context]
"""An action, a resource, and the condition keys of the request."""


def requests_for(tenant: Tenant) -> Iterator[Request]:
    """Give what the platform asks of AWS in *tenant*'s name."""
    for action, row in product(READS + WRITES, ROWS):
        yield f"dynamodb:{action}", table(row(tenant)), {"dynamodb:LeadingKeys": [row(tenant).partition]}
    listed = {"dynamodb:LeadingKeys": [keys.documents_of(tenant, None)]}
    yield "dynamodb:Query", table(ROWS[0](tenant)) + "/index/gsi1", listed
    for action, blob in product(("GetObject", "PutObject", "DeleteObject", "AbortMultipartUpload"), BLOBS):
        yield f"s3:{action}", bucket(BUCKETS[blob(tenant).bucket]) + "/" + blob(tenant).path, {}
    for name in BUCKETS.values():
        yield "s3:ListBucket", bucket(name), {"s3:prefix": [keys.blobs_of(tenant, DOCUMENT)]}
    index = keys.vector_index(tenant, "handbook", 1).name
    for action in ("CreateIndex", "GetIndex", "PutVectors", "QueryVectors", "GetVectors", "DeleteVectors"):
        yield f"s3vectors:{action}", f"arn:aws:s3vectors:eu-central-1:123456789012:bucket/vectors/index/{index}", {}


def requests_of_nobody() -> Iterator[Request]:
    """Give what no tenant's credentials are for."""
    acme, other = TENANTS[0], TENANTS[1]
    mixed = [keys.document(acme, DOCUMENT).partition, keys.document(other, DOCUMENT).partition]
    yield "dynamodb:BatchGetItem", table(ROWS[0](acme)), {"dynamodb:LeadingKeys": mixed}
    yield "dynamodb:Scan", table(ROWS[0](acme)), {}
    yield "dynamodb:Query", table(ROWS[0](acme)), {}
    yield "dynamodb:DeleteTable", table(ROWS[0](acme)), {}
    platform = keys.api_key(KeyId("key_1")).partition
    yield "dynamodb:GetItem", table(keys.api_key(KeyId("key_1"))), {"dynamodb:LeadingKeys": [platform]}
    yield "dynamodb:Query", table(ROWS[3](acme)), {"dynamodb:LeadingKeys": [keys.unfinished_jobs(0)]}
    own = {"dynamodb:LeadingKeys": [keys.document(acme, DOCUMENT).partition]}
    yield "dynamodb:GetItem", "arn:aws:dynamodb:eu-central-1:123456789012:table/another-config", own
    yield "s3:ListBucket", bucket("acme-raw"), {}
    yield "s3:ListBucket", bucket("acme-raw"), {"s3:prefix": [""]}
    yield "s3:GetObject", bucket("another") + "/acme/x", {}
    yield "s3:GetObjectVersion", bucket("acme-raw") + "/acme/doc_1/att_1", {}
    yield "s3:DeleteBucket", bucket("acme-raw"), {}
    yield "s3vectors:DeleteVectorBucket", "arn:aws:s3vectors:eu-central-1:123456789012:bucket/vectors", {}
    yield "sqs:SendMessage", "arn:aws:sqs:eu-central-1:123456789012:ingestion", {}
    yield "secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:x", {}
    yield "sts:AssumeRole", "arn:aws:iam::123456789012:role/admin", {}


def table(key: Key) -> str:
    return f"arn:aws:dynamodb:eu-central-1:123456789012:table/ragstone-{key.table}"


def bucket(name: str) -> str:
    return f"arn:aws:s3:::{name}"


@pytest.mark.parametrize("tenant", TENANTS, ids=lambda tenant: tenant.tenant_id)
def test_a_tenant_reaches_all_that_is_its_own_and_nothing_else(tenant: Tenant) -> None:
    """Of more than a thousand pairs of a request and a policy, exactly those of one tenant are allowed."""
    policy = session_policy(tenant, PLACES)
    asked = [(owner, request) for owner in TENANTS for request in requests_for(owner)]
    assert len(asked) > 200
    wrong = [(owner, request) for owner, request in asked if allows(policy, *request) is not (owner == tenant)]
    assert wrong == []


def test_what_belongs_to_no_tenant_is_refused_to_each() -> None:
    """Scans, batches across tenants, the platform's own rows, queues, secrets and other roles."""
    wrong = [
        (tenant, request)
        for tenant in TENANTS
        for request in requests_of_nobody()
        if allows(session_policy(tenant, PLACES), *request)
    ]
    assert wrong == []


def test_the_longest_policy_is_short_enough() -> None:
    """AWS takes 2,048 characters; names may be as long as they can be."""
    tenant = Tenant(TenantId("a" * 20))
    places = Places("ap-southeast-2", "123456789012", "p" * 40, ["b" * 63] * 4, "v" * 63, "aws-us-gov")
    assert len(session_policy(tenant, places)) <= MAX_CHARACTERS


def test_without_a_vector_bucket_no_search_index_is_named() -> None:
    """Search indexes may be elsewhere."""
    places = Places("eu-central-1", "123456789012", "ragstone-", ["raw"])
    assert "s3vectors" not in session_policy(TENANTS[0], places)
