"""Every key begins with its tenant, and no two things share one."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.access import Tenant
from chalicelib.domain.budgets import Budget, BudgetScope, Period, account_of
from chalicelib.domain.identifiers import (
    INDEX_NAME_PATTERN,
    AttemptId,
    ChunkId,
    DocumentId,
    FeedbackId,
    JobId,
    KeyId,
    ReleaseId,
    RunId,
    TenantId,
)
from chalicelib.domain.ledger import UsageCell
from chalicelib.ports.table import Key
from chalicelib.repositories import keys

AT = datetime(2026, 3, 1, tzinfo=UTC)
tenants = st.from_regex(r"\A[a-z0-9][a-z0-9-]{1,18}[a-z0-9]\Z").map(lambda name: Tenant(TenantId(name)))
index_names = st.from_regex(r"\A[a-z0-9][a-z0-9-]{1,30}[a-z0-9]\Z")
ids = st.from_regex(r"\A[A-Za-z0-9_-]{1,64}\Z")


@given(tenants, index_names, ids, st.text(min_size=1, max_size=600))
def test_every_key_a_tenant_reads_or_writes_begins_with_its_id(
    tenant: Tenant, index: str, name: str, text: str
) -> None:
    """An IAM policy on leading keys and prefixes can hold it to them."""
    document = DocumentId(name)
    rows = [
        keys.document(tenant, document),
        keys.document_version(tenant, document, 7),
        keys.external_id(tenant, index, text),
        keys.chunk(tenant, document, ChunkId(name)),
        keys.index(tenant, index),
        keys.job(tenant, JobId(name)),
        keys.run(tenant, RunId(name)),
        keys.remembered_answer(tenant, name),
        keys.release(tenant, ReleaseId(name)),
        keys.alias(tenant, name),
        keys.idempotency(tenant, text, text),
        keys.budget(tenant, name),
        keys.audit_event(tenant, name),
        keys.tenant_settings(tenant),
        keys.feedback(tenant, FeedbackId(name)),
        keys.feedback_revision(tenant, FeedbackId(name), 1),
        keys.feedback_on_run(tenant, RunId(name), FeedbackId(name)),
        keys.feedback_mention(tenant, document, FeedbackId(name)),
        keys.feedback_writes_of_token(tenant, text),
        keys.feedback_writes_of_day(tenant, AT.date()),
        keys.counter(tenant, account_of(Budget(name, BudgetScope.USER, Period.DAY, 1), text, AT)),
        keys.reservation(tenant, name, 1, 7),
        keys.ledger_entry(tenant, name, 1),
        keys.usage_cell(tenant, UsageCell(AT.date(), text, text, None, text)),
    ]
    listings = [
        keys.documents_of(tenant, None),
        keys.documents_of(tenant, index),
        keys.jobs_of(tenant),
        keys.runs_of(tenant),
        keys.api_keys_of(tenant),
        keys.entries_of(tenant),
        keys.audit_of(tenant, text),
        keys.feedback_of(tenant, None),
        keys.feedback_of(tenant, text),
    ]
    blobs = [keys.raw_blob(tenant, document, AttemptId(name)), keys.text_blob(tenant, document, AttemptId(name))]
    assert all(_tenant_of(row) == tenant.tenant_id for row in rows)
    assert all(partition.split("#")[0] == tenant.tenant_id for partition in listings)
    assert all(blob.path.split("/")[0] == tenant.tenant_id for blob in blobs)
    assert keys.vector_index(tenant, index, 1).name.split(".")[0] == tenant.tenant_id


@given(tenants, tenants, index_names, index_names, st.integers(1, 99_999), st.integers(1, 99_999))
def test_no_two_indexes_share_a_physical_index(
    tenant: Tenant, other: Tenant, index: str, another: str, generation: int, later: int
) -> None:
    """Hyphens in names cannot make two of them meet, and S3 Vectors takes them all."""
    first, second = keys.vector_index(tenant, index, generation), keys.vector_index(other, another, later)
    assert (first == second) == ((tenant, index, generation) == (other, another, later))
    assert 3 <= len(first.name) <= 63


def test_the_platform_own_rows_belong_to_no_tenant() -> None:
    """No tenant's id can begin with an underscore."""
    assert _tenant_of(keys.api_key(KeyId("key_1"))) == keys.PLATFORM
    assert keys.PLATFORM.startswith("_")


def _tenant_of(key: Key) -> str:
    return key.partition.split("#")[0]


@pytest.mark.parametrize(
    "path", ["", "/", "..", "../rival/handbook/a", "a/../../b", "a//b", "/a", "./a", "a/", "a\x00", "a\\b"]
)
def test_no_path_leads_out_of_an_import_area(path: str) -> None:
    """Not by going up, not by beginning anew, not by a character that somebody else takes for a separator."""
    with pytest.raises(ValueError, match="the path"):
        keys.import_blob(Tenant(TenantId("acme")), "handbook", path)


@pytest.mark.parametrize("prefix", ["../", "a/../b", "/", "a//b", "./", "..//"])
def test_no_prefix_leads_out_of_an_import_area(prefix: str) -> None:
    """The beginning of a path is held to the same."""
    with pytest.raises(ValueError, match="the path"):
        keys.imports_of(Tenant(TenantId("acme")), "handbook", prefix)


def test_import_areas_and_manifests_never_meet() -> None:
    """Each path lies in the area of its tenant and index, and no index's area holds the manifests of batches."""
    tenant = Tenant(TenantId("acme"))
    assert keys.import_blob(tenant, "handbook", "2026/ä b.pdf").path == "acme/handbook/2026/ä b.pdf"
    assert keys.imports_of(tenant, "handbook", "20") == "acme/handbook/20"
    manifest = keys.manifest_blob(tenant, JobId("job_1")).path
    assert manifest.startswith("acme/_")
    assert re.fullmatch(INDEX_NAME_PATTERN, manifest.split("/")[1]) is None
